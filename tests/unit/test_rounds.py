import asyncio
from collections.abc import Sequence

import pytest

from actors.ports import UnavailableError
from workflows.rounds import Rounds


async def looked(came_to: Sequence[Exception | None]) -> tuple[list[int], list[float]]:
    """Which rounds were looked at, and the pauses between them; at the end of `came_to` they are cancelled."""
    outcomes, told, pauses = iter(came_to), list[int](), list[float]()

    async def look(rounds: int) -> None:
        outcome = next(outcomes, asyncio.CancelledError())
        told.append(rounds)
        if outcome is not None:
            raise outcome

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    rounds = Rounds(look, what="rows", every_seconds=1.0, pause=pause)
    assert not rounds.is_running
    with pytest.raises(asyncio.CancelledError):
        await rounds.run()
    assert rounds.is_running
    return told, pauses


async def test_rounds_are_counted_as_they_come_through() -> None:
    assert await looked([None, None]) == ([0, 1, 2], [1.0, 1.0])


@pytest.mark.parametrize("error", [UnavailableError("away"), ValueError("a fault")])
async def test_a_round_that_fails_is_made_again_later(error: Exception) -> None:
    assert await looked([None, error, error, None]) == ([0, 1, 1, 1, 2], [1.0, 5.0, 5.0, 1.0])
