"""A client of the feed by the rules of resumption: it applies what follows, and else takes a snapshot."""

import asyncio
from collections.abc import Awaitable, Callable

from actors.organization_actor import BoardSnapshot
from actors.ports import UnavailableError
from serve.live.board import LiveBoard
from storage.live_position import Position, break_between
from tests.fakes.servers import Entry, Tenant

RETRY_SECONDS = 0.3


class FeedFollower:
    """Keeps `board` current while `run` does. `reconnect` loses what was on its way and resumes from the position."""

    def __init__(self, tenant: Tenant, snapshot: Callable[[str], Awaitable[BoardSnapshot | None]]) -> None:
        self.board = LiveBoard()
        self.snapshots = 0
        self._tenant = tenant
        self._snapshot = snapshot
        self._arrived: list[Entry] = []
        self._wake = asyncio.Event()
        self._broken = True
        self._wake.set()
        tenant.followers.append(self._take)

    def reconnect(self) -> None:
        stream, position = self._tenant.stream, self.board.position
        ids = [Position(entry.epoch, entry.n) for entry in stream]
        self._arrived = []
        if position is None or position not in ids or ids[-1].epoch != position.epoch:
            self._broken = True
        else:
            self._arrived = stream[ids.index(position) + 1 :]
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._apply()
            while self._broken:
                await self._start_over()
                self._apply()
                if self._broken:
                    # Also by an owner of before, which is still asked until somebody learns of the next.
                    await asyncio.sleep(RETRY_SECONDS)

    def _take(self, entry: Entry) -> None:
        self._arrived.append(entry)
        self._wake.set()

    def _apply(self) -> None:
        """Apply entries up to the first break, which is left to be covered by a snapshot."""
        while self._arrived and not self._broken:
            entry = self._arrived[0]
            position, held = Position(entry.epoch, entry.n), self.board.position
            if held is None or (position > held and break_between(held, position) is not None):
                self._broken = True
                return
            told = {"type": "events", "position": str(position), "after": str(held), "events": entry.events}
            self.board.apply(told)
            del self._arrived[0]

    async def _start_over(self) -> None:
        try:
            board = await self._snapshot(self._tenant.organization_id)
        except UnavailableError:
            return
        assert board is not None
        self.board.apply({"type": "snapshot", "position": board.position, "state": board.state})
        self.snapshots += 1
        self._broken = False
