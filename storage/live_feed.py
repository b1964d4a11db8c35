"""The live feed: a Redis stream per organization whose ids `<epoch>-<n>` make Redis itself refuse an older owner."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from actors.domain.views import View
from actors.ports import StaleOwnerError
from storage.redis import answered

KEPT_SECONDS = 600
KEPT_ENTRIES = 1_000
STREAM_SECONDS = 24 * 3600

_MARK_SECONDS = 30
_MARK_ENTRIES = 50
_STREAMS_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Mark:
    entry_id: str
    published: int
    at: float


@dataclass(slots=True)
class _History:
    """Sparse memory of what was published when: ids carry no time, so it alone can tell an entry's age."""

    published: int = 0
    marks: deque[_Mark] = field(default_factory=deque[_Mark])

    def floor(self, now: float) -> str | None:
        """The id below which everything will be older than is kept once one more entry is added."""
        past = [mark.entry_id for mark in self.marks if self._is_past(mark, now)]
        return past[-1] if past else None

    def add(self, entry_id: str, now: float) -> None:
        """Count an entry that was added, and forget the marks its addition trimmed to."""
        while self.marks and self._is_past(self.marks[0], now):
            self.marks.popleft()
        self.published += 1
        last = self.marks[-1] if self.marks else None
        if last is None or (now - last.at >= _MARK_SECONDS and self.published - last.published >= _MARK_ENTRIES):
            self.marks.append(_Mark(entry_id, self.published, now))

    def _is_past(self, mark: _Mark, now: float) -> bool:
        return now - mark.at >= KEPT_SECONDS and self.published + 1 - mark.published >= KEPT_ENTRIES


class RedisLiveFeed:
    """`actors.ports.LiveFeed` on Redis. Answers or raises StorageUnavailableError within 2 s.

    Keeps at least the last 10 minutes and 1,000 entries; a stream nothing is added to for a day goes. One instance
    writes the streams of its process; the age of what others wrote before it counts from its own first entry.
    """

    def __init__(self, redis: Redis, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._redis = redis
        self._monotonic = monotonic
        self._histories: OrderedDict[str, _History] = OrderedDict()

    async def publish(self, organization_id: str, *, epoch: int, n: int, events: Sequence[View]) -> None:
        """Append one entry; safe to repeat.

        Raises StaleOwnerError when the stream is beyond this entry: a newer epoch, or a twin at the same one.
        """
        key, entry_id = f"org:{organization_id}:feed", f"{epoch}-{n}"
        history, now = self._history(organization_id), self._monotonic()
        floor = history.floor(now)
        async with answered():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.xadd(key, {"events": orjson.dumps(events)}, id=entry_id, minid=floor)
            pipeline.expire(key, STREAM_SECONDS)
            added, _ = await pipeline.execute(raise_on_error=False)
            if not isinstance(added, Exception):
                history.add(entry_id, now)
                return
            if not isinstance(added, ResponseError) or "equal or smaller" not in str(added):
                raise added
            last_id = await self._last_id(key)
        if last_id > (epoch, n):
            raise StaleOwnerError(f"the feed is at {last_id[0]}-{last_id[1]}, beyond {entry_id}") from added

    async def _last_id(self, key: str) -> tuple[int, int]:
        stream = await self._redis.xinfo_stream(key)
        epoch, _, n = cast("bytes", stream["last-generated-id"]).decode().partition("-")
        return int(epoch), int(n)

    def _history(self, organization_id: str) -> _History:
        history = self._histories.setdefault(organization_id, _History())
        self._histories.move_to_end(organization_id)
        if len(self._histories) > _STREAMS_REMEMBERED:
            self._histories.popitem(last=False)
        return history
