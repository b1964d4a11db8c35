"""Reading the feeds: what a hub follows, over one connection, and what a client missed."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias, cast

import structlog

from storage.errors import StorageUnavailableError
from storage.live_position import BEFORE_ALL, Break, Position, break_between
from storage.redis import Redis, answered

log = structlog.get_logger(__name__)

BLOCK_MS: Final = 1_000
"""Below the client's socket timeout, so that a silent server is noticed."""
READ_ENTRIES: Final = 500
RETRY_SECONDS: Final = (0.05, 2.0)
"""First and longest pause between attempts to reach Redis."""


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry: `events` is the JSON array its owner wrote, byte for byte."""

    position: Position
    events: bytes


Deliver: TypeAlias = Callable[[Sequence[FeedEntry]], None]


@dataclass(slots=True)
class _Followed:
    organization_id: str
    last: Position
    deliver: Deliver


class FeedReader:
    """Follows the feeds of many organizations with one blocking XREAD.

    Entries of a feed are delivered in order, each once, from the position given on; a hole is delivered as it is, for
    the follower to see. While Redis is away nothing is delivered, and afterwards reading goes on where it stopped.
    `run` must be running; whoever starts it ends it by cancelling.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._followed: dict[bytes, _Followed] = {}
        self._wake_key = f"live-reader:{secrets.token_hex(8)}:wake".encode()
        self._changed = asyncio.Event()
        self._reading = False

    @property
    def reading(self) -> bool:
        """Whether the last attempt to read was answered: what followers have is current."""
        return self._reading

    def follow(self, organization_id: str, after: Position, deliver: Deliver) -> None:
        """Deliver what comes after that position. `deliver` is called on the loop and must not block."""
        self._followed[_key(organization_id)] = _Followed(organization_id, after, deliver)
        self._changed.set()

    def unfollow(self, organization_id: str) -> None:
        """Deliver nothing more of this organization, even of what is being read."""
        self._followed.pop(_key(organization_id), None)

    async def run(self) -> None:
        """Read until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._wake())

    async def newest(self, organization_id: str, *, limit: int) -> list[FeedEntry]:
        """The last entries, oldest first, that follow one another without a break. Raises StorageUnavailableError."""
        async with answered():
            entries = await self._redis.xrevrange(_key(organization_id), count=limit)
        unbroken: list[FeedEntry] = []
        for entry in _entries(entries):
            if unbroken and break_between(entry.position, unbroken[-1].position) is not None:
                break
            unbroken.append(entry)
        return unbroken[::-1]

    async def since(
        self, organization_id: str, after: Position, *, page: int, at_most: int
    ) -> Sequence[FeedEntry] | Break:
        """The next entries after a position, up to a page, or why exactly these cannot be told.

        Exact: the entry at `after` still exists, so nothing behind it was trimmed. More than `at_most` entries behind
        is a gap: a snapshot is cheaper. An empty answer means that `after` is the newest. Raises
        StorageUnavailableError.
        """
        key = _key(organization_id)
        async with answered(), self._redis.pipeline(transaction=True) as both:
            both.xrange(key, min=str(after), count=page + 1)
            both.xrevrange(key, count=1)
            found, last = await both.execute()
        entries, newest = _entries(found), _entries(last)
        if newest and newest[0].position.epoch != after.epoch:
            return "epoch"
        if not entries or entries[0].position != after or newest[0].position.n - after.n > at_most:
            return "gap"
        for before, entry in pairwise(entries):
            if (broken := break_between(before.position, entry.position)) is not None:
                return broken
        return entries[1:]

    async def _read(self) -> None:
        wake_id, pause = b"0-0", RETRY_SECONDS[0]
        while True:
            streams: dict[Any, Any] = {key: str(each.last) for key, each in self._followed.items()}
            streams[self._wake_key] = wake_id
            try:
                async with answered():
                    answer = await self._redis.xread(streams, count=READ_ENTRIES, block=BLOCK_MS)
            except StorageUnavailableError as away:
                self._reading = False
                log.warning("live feeds cannot be read", reason=str(away), feeds=len(self._followed))
                await asyncio.sleep(pause)
                pause = min(pause * 2, RETRY_SECONDS[1])
                continue
            self._reading, pause = True, RETRY_SECONDS[0]
            for key, entries in _streams(answer):
                if key == self._wake_key:
                    wake_id = entries[-1][0]
                elif (followed := self._followed.get(key)) is not None:
                    _hand_over(followed, _entries(entries))

    async def _wake(self) -> None:
        """End the blocking read when there is more to follow than it was told; many changes, one wake-up."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            with suppress(StorageUnavailableError):  # the read ends by itself within a second
                async with answered(), self._redis.pipeline(transaction=False) as wake:
                    wake.xadd(self._wake_key, {b"w": b""}, maxlen=1, approximate=False)
                    wake.pexpire(self._wake_key, 60 * BLOCK_MS)
                    await wake.execute()


def _hand_over(followed: _Followed, entries: list[FeedEntry]) -> None:
    # Followed anew while the read was under way: what lies before the new start is not wanted again.
    fresh = [entry for entry in entries if entry.position > followed.last]
    if fresh:
        followed.last = fresh[-1].position
        followed.deliver(fresh)


def _key(organization_id: str) -> bytes:
    return f"org:{organization_id}:feed".encode()


def _entries(raw: Any) -> list[FeedEntry]:
    return [FeedEntry(Position.parse(key.decode()) or BEFORE_ALL, fields[b"events"]) for key, fields in raw]


def _streams(answer: Any) -> list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]:
    """XREAD's answer, which is a map of lists of lists in RESP3 and a list of pairs in RESP2."""
    if not answer:
        return []
    if isinstance(answer, dict):
        pairs = cast("dict[bytes, list[Any]]", answer)
        return [(key, [entry for entries in lists for entry in entries]) for key, lists in pairs.items()]
    return [(key, entries) for key, entries in answer]
