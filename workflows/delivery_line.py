"""Brings deliveries that stand in line to their endpoint's door, where each has a workflow."""

import asyncio
from collections.abc import Sequence
from typing import Final

from storage.delivery_writing import DeliveryWriter, Turn
from workflows.delivery_starts import DeliveryStarts
from workflows.rounds import Rounds

_EVERY_SECONDS: Final = 0.5
_OVER_SECONDS: Final = 0.5
_STEPS: Final = 20
_AT_ONCE: Final = 500


class DeliveryLine:
    """Any number of processes may run one: a turn is given once."""

    def __init__(self, writer: DeliveryWriter, starts: DeliveryStarts) -> None:
        self._writer = writer
        self._starts = starts
        self._rounds = Rounds(lambda _: self.take_up(), what="the line of deliveries", every_seconds=_EVERY_SECONDS)

    @property
    def is_running(self) -> bool:
        return self._rounds.is_running

    async def run(self) -> None:
        """Give turns until cancelled. Postgres or Temporal away is waited for."""
        await self._rounds.run()

    async def take_up(self) -> None:
        """Have as many sent as find room at their endpoint's door.

        Spread over a moment: whoever else has something started meanwhile does not come behind all of them. What
        cannot be started stands at the door, and is taken up as forgotten (see DeliveryRelay).
        """
        turns = await self._writer.next_in_line(limit=_AT_ONCE)
        size = -(-len(turns) // _STEPS)
        for first in range(0, len(turns), max(size, 1)):
            await self._start(turns[first : first + size])
            await asyncio.sleep(_OVER_SECONDS * size / len(turns))

    async def _start(self, turns: Sequence[Turn]) -> None:
        await self._starts.start([turn.key for turn in turns if not turn.again])
        await self._starts.start([turn.key for turn in turns if turn.again], again=True)
