"""Copies of what Postgres holds, in Redis: cache-aside that never shows what an acknowledged write replaced.

Whoever finds nothing at a key is given a version, which lies there in the value's place; what it then reads is kept
only while that very version still lies there. Invalidation deletes value and version alike, so a reader that began
before a write, however slow, comes too late to bring the old state back. So it does when Redis lost everything.

Within a process readers of a key share one look-up, but only one that has not begun when they come: so what they share
was read after they asked.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias, cast
from uuid import uuid4

import orjson
import structlog

from actors.domain.json_types import JSON
from storage.cache_keys import NOTHING_SECONDS, CacheKey
from storage.errors import StorageUnavailableError
from storage.redis import Redis, answered, open_redis

log = structlog.get_logger(__name__)

ANSWER_SECONDS: Final = 0.25
"""A cache that takes longer than Postgres does helps nobody."""
PAUSE_SECONDS: Final = 1.0
"""How long Redis is left alone after it failed."""
LARGEST_BYTES: Final = 256 * 1024
MOST_UNTOLD: Final = 10_000

# A reader that takes longer has read something too old to keep anyway.
_VERSION_SECONDS: Final = 10
_FIRST_RETRY_SECONDS: Final = 0.5
_LAST_RETRY_SECONDS: Final = 5.0
_JITTER: Final = 0.1

_LOOK = """
local held = redis.call('GET', KEYS[1])
if held then return held end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return ARGV[1]
"""

_KEEP = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

_VALUE: Final = b"="
_VERSION: Final = b"?"

Load: TypeAlias = Callable[[], Awaitable[JSON]]
Source: TypeAlias = Literal["redis", "postgres"]


@dataclass(slots=True)
class CacheFigures:
    """What became of look-ups since the start. `hit_rate` is hits / (hits + misses)."""

    hits: int = 0
    misses: int = 0
    bypassed: int = 0
    """Read from Postgres alone: Redis was away, or an invalidation had not reached it."""
    shared: int = 0
    """Waited for somebody else's look-up, which is counted once."""
    outrun: int = 0
    """Not kept: somebody wrote meanwhile."""
    invalidations: int = 0

    @property
    def hit_rate(self) -> float | None:
        looked = self.hits + self.misses
        return self.hits / looked if looked else None


@dataclass(frozen=True, slots=True)
class Found:
    """A value (None: there is nothing), and where it came from."""

    value: JSON
    source: Source


class Cache:
    """Belongs to one event loop. Every method answers, whatever becomes of Redis: then slower, never wrong."""

    def __init__(self, redis: Redis, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._redis = redis
        self._pause_seconds = pause_seconds
        self._look = redis.register_script(_LOOK)
        self._keep = redis.register_script(_KEEP)
        self._boarding: dict[CacheKey, asyncio.Task[Found]] = {}
        self._flying: dict[CacheKey, asyncio.Task[Found]] = {}
        self._untold: dict[str, object] = {}
        self._telling: asyncio.Task[None] | None = None
        self._away_until = 0.0
        self._figures: dict[str, CacheFigures] = defaultdict(CacheFigures)

    def figures(self) -> Mapping[str, Mapping[str, int | float | None]]:
        """Look-ups by family of key, since the start of this process."""
        return {family: {**asdict(figures), "hit_rate": figures.hit_rate} for family, figures in self._figures.items()}

    async def get(self, key: CacheKey, load: Load) -> Found:
        """The copy, or what `load` reads: something JSON can hold, None for nothing. Raises what `load` raises.

        No write whose `invalidate` had returned before this was called is missing from the answer: of this process
        always, of others as soon as Redis has taken the invalidation.
        """
        flight = self._boarding.get(key)
        if flight is None:
            flight = self._boarding[key] = asyncio.create_task(self._fly(key, load))
            flight.add_done_callback(_seen)
        else:
            self._figures[key.family].shared += 1
        return await asyncio.shield(flight)

    async def invalidate(self, *keys: CacheKey) -> None:
        """Forget copies. To be called after the commit and before the acknowledgement of what changed them.

        Never fails: while Redis does not take it, this process reads past those keys and goes on telling.
        """
        if not keys:
            return
        for key in keys:
            self._figures[key.family].invalidations += 1
        # Each has a mark of its own: an earlier one that arrives tells nothing of this one.
        told: dict[str, object] = {key.text: object() for key in keys}
        self._untold |= told
        try:
            await self._delete(told)
        except StorageUnavailableError as away:
            while len(self._untold) > MOST_UNTOLD:
                del self._untold[next(iter(self._untold))]
            log.warning("an invalidation waits for Redis", keys=len(self._untold), reason=str(away))
            if self._telling is None or self._telling.done():
                self._telling = asyncio.create_task(self._tell())

    async def close(self) -> None:
        """End look-ups under way. Invalidations that Redis has not taken are tried once more."""
        tasks: list[asyncio.Task[Any]] = [*self._flying.values(), *self._boarding.values()]
        if self._telling is not None:
            tasks.append(self._telling)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._untold:
            try:
                await self._delete(dict(self._untold))
            except StorageUnavailableError as away:
                log.warning("copies stay until they expire", keys=len(self._untold), reason=str(away))

    async def _fly(self, key: CacheKey, load: Load) -> Found:
        ahead = self._flying.get(key)
        if ahead is not None:
            await asyncio.wait([ahead])
        self._flying[key] = self._boarding.pop(key)
        try:
            return await self._fetch(key, load)
        finally:
            del self._flying[key]

    async def _fetch(self, key: CacheKey, load: Load) -> Found:
        figures = self._figures[key.family]
        held = await self._held(key)
        if held is None:
            figures.bypassed += 1
            return Found(await load(), "postgres")
        if held.startswith(_VALUE):
            figures.hits += 1
            owner, value = orjson.loads(held[len(_VALUE) :])
            return Found(value if owner == key.owner else None, "redis")
        figures.misses += 1
        value = await load()
        if not await self._kept(key, held, value):
            figures.outrun += 1
        return Found(value, "postgres")

    async def _held(self, key: CacheKey) -> bytes | None:
        """What lies at the key: a value or a version; None when Redis is not to be asked or does not answer."""
        if key.text in self._untold or time.monotonic() < self._away_until:
            return None
        try:
            async with answered(ANSWER_SECONDS):
                version = _VERSION + uuid4().hex.encode()
                return await cast("Awaitable[bytes]", self._look(keys=[key.text], args=[version, _VERSION_SECONDS]))
        except StorageUnavailableError:
            self._away_until = time.monotonic() + self._pause_seconds
            return None

    async def _kept(self, key: CacheKey, version: bytes, value: JSON) -> bool:
        """False when the version does not stand any more."""
        if value is None and not key.keeps_nothing:
            return True
        copy = _VALUE + orjson.dumps([key.owner, value])
        if len(copy) > LARGEST_BYTES:
            return True
        seconds = key.seconds if value is not None else NOTHING_SECONDS
        # Shorter by chance, so that what was kept together does not expire together.
        lasting_ms = round(seconds * 1000 * (1 - _JITTER * random.random()))  # noqa: S311  # spreads load, no secret
        try:
            async with answered(ANSWER_SECONDS):
                kept = await cast("Awaitable[int]", self._keep(keys=[key.text], args=[version, copy, lasting_ms]))
        except StorageUnavailableError:
            self._away_until = time.monotonic() + self._pause_seconds
            return True
        return kept == 1

    async def _tell(self) -> None:
        pause = _FIRST_RETRY_SECONDS
        while self._untold:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LAST_RETRY_SECONDS)
            try:
                await self._delete(dict(self._untold))
            except StorageUnavailableError:
                continue

    async def _delete(self, told: Mapping[str, object]) -> None:
        async with answered(ANSWER_SECONDS):
            await self._redis.delete(*told)
        for key, mark in told.items():
            if self._untold.get(key) is mark:
                del self._untold[key]


async def forget_copies(redis_url: str, *keys: CacheKey) -> None:
    """`Cache.invalidate` of a process that keeps no cache; copies that Redis does not let go of now expire."""
    redis = open_redis(redis_url, connections=1)
    cache = Cache(redis)
    try:
        await cache.invalidate(*keys)
        await cache.close()
    finally:
        await redis.aclose()


def _seen(flight: asyncio.Task[Found]) -> None:
    # Whoever waited has the error; when all of them gave up, nobody else will look at it.
    if not flight.cancelled():
        flight.exception()
