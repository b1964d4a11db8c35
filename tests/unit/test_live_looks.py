"""When sockets are looked at after a change: each change has its moment, and what cannot be asked ends nothing."""

import asyncio
import math
from collections.abc import Collection
from collections.abc import Set as AbstractSet

import pytest

from actors.ports import UnavailableError
from serve.live.looks import Looks


class Stream:
    """Tells at every asking that one organization's credentials were changed, unless it is away."""

    def __init__(self, *, away: bool = False) -> None:
        self.away = away
        self.asked = 0

    def begin(self) -> str:
        return "0"

    async def since(self, position: str) -> tuple[str, AbstractSet[str]]:
        self.asked += 1
        if self.away:
            raise UnavailableError("the cache is away")
        return f"{position}0", {"changed"}


async def none_deleted(_organization_ids: Collection[str]) -> AbstractSet[str]:
    return frozenset()


@pytest.fixture(autouse=True)
def swiftly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.live.looks.HEARD_SECONDS", 0.01)
    monkeypatch.setattr("serve.live.looks.BELIEVED_SECONDS", 0.1)


async def due(looks: Looks, organization_id: str) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    running = asyncio.create_task(looks.run())
    async with asyncio.timeout(30):
        while looks.due_before(organization_id, loop.time()) <= begun:
            assert not running.done()
            await asyncio.sleep(0.01)
    assert looks.due_before(organization_id, loop.time()) <= loop.time(), "what is looked at from now on"
    assert looks.due_before("another", loop.time()) == -math.inf
    running.cancel()


async def test_a_change_is_not_put_off_by_those_that_follow_it() -> None:
    await due(Looks(Stream(), none_deleted, lambda: ["changed"]), "changed")


async def test_a_deletion_shows_while_changes_are_not_heard_of() -> None:
    away = Stream(away=True)
    asked: list[Collection[str]] = []

    async def deleted_among(organization_ids: Collection[str]) -> AbstractSet[str]:
        asked.append(organization_ids)
        if len(asked) == 1:
            raise UnavailableError("the database is away")
        return {"gone"}

    await due(Looks(away, deleted_among, lambda: ["gone", "here"]), "gone")
    assert away.asked > 1
    assert asked[0] == ["gone", "here"]
