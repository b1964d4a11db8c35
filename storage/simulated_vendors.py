"""What the simulated Stripe, Twilio and Resend remember: in Redis for 40 days, so that a restart forgets nothing."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson
from redis.asyncio import Redis

from storage.redis import answered

Document: TypeAlias = dict[str, Any]

KEPT_SECONDS: Final = 40 * 86_400
KEPT_ENTRIES: Final = 20_000


class VendorMemory:
    """One vendor's things by kind and name, and its lists by score. Every method raises StorageUnavailableError."""

    def __init__(self, redis: Redis, vendor: str) -> None:
        self._redis = redis
        self._prefix = f"simulator:{vendor}"

    async def keep_first(self, kind: str, name: str, document: Document, *, seconds: int = KEPT_SECONDS) -> Document:
        """Keep the document unless something has the name; what has the name then. Safe to repeat."""
        key = self._key(kind, name)
        async with answered():
            held: Any = await self._redis.set(key, orjson.dumps(document), ex=seconds, nx=True, get=True)
        return document if held is None else orjson.loads(held)

    async def put(self, kind: str, name: str, document: Document, *, seconds: int = KEPT_SECONDS) -> None:
        """Keep the document under the name, in place of what had it."""
        async with answered():
            await self._redis.set(self._key(kind, name), orjson.dumps(document), ex=seconds)

    async def get(self, kind: str, name: str) -> Document | None:
        async with answered():
            held: Any = await self._redis.get(self._key(kind, name))
        return None if held is None else orjson.loads(held)

    async def remove(self, kind: str, name: str) -> None:
        """Forget what has the name. Safe to repeat."""
        async with answered():
            await self._redis.delete(self._key(kind, name))

    async def add(self, entries: str, scores: Mapping[str, float]) -> None:
        """Enter members into a list by score; the oldest beyond 20,000 go. Safe to repeat."""
        key = self._key("list", entries)
        async with answered(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd(key, dict(scores))
            pipeline.zremrangebyrank(key, 0, -KEPT_ENTRIES - 1)
            pipeline.expire(key, KEPT_SECONDS)
            await pipeline.execute()

    async def drop(self, entries: str, member: str) -> None:
        """Take a member out of a list. Safe to repeat."""
        async with answered():
            await self._redis.zrem(self._key("list", entries), member)

    async def listed(
        self, entries: str, *, low: float = 0, high: float = 2**53, limit: int = KEPT_ENTRIES
    ) -> Sequence[str]:
        """The members whose score is within [low, high], the highest first."""
        async with answered():
            found: Any = await self._redis.zrevrangebyscore(self._key("list", entries), high, low, 0, limit)  # pyright: ignore[reportUnknownMemberType]
        return [member.decode() for member in found]

    async def documents(self, kind: str, names: Sequence[str]) -> Sequence[Document]:
        """The documents that are there, in the order of their names."""
        if not names:
            return []
        async with answered():
            held = await self._redis.mget([self._key(kind, name) for name in names])
        return [orjson.loads(each) for each in held if each is not None]

    def _key(self, kind: str, name: str) -> str:
        return f"{self._prefix}:{kind}:{name}"
