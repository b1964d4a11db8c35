"""What the vendor simulator keeps: requests it received, calls it pretends to have, faults it was told to show.

All of it lives in Redis for a day, so that every replica answers the same and a restart forgets nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

import orjson
from redis.asyncio import Redis

from storage.postgres import Pool, acquired
from storage.redis import answered
from storage.simulated_vendors import VendorMemory
from storage.statements import statement

Document: TypeAlias = dict[str, Any]

KEPT_REQUESTS: Final = 2_000
KEPT_CALLS: Final = 20_000
KEPT_COMMANDS: Final = 1_000
KEPT_SECONDS: Final = 86_400

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHARED: Final = "simulator:requests"
_FAULTS: Final = "simulator:faults"
_COMMANDS: Final = "simulator:commands"
_CALLS: Final = "simulator:calls"
"""Scores are `updatedAt` in ms, so that a listing by time and the oldest to drop are one range each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A phone number that calls are placed from."""

    organization_id: str
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededSubscription:
    """A subscription that the simulated payment provider never made: an organization's row names it."""

    organization_id: str
    customer: str
    item_id: str
    price: str | None
    metered_price: str | None
    currency: str
    created_at: datetime


class SimulatorStore:
    """State of the simulated vendors. Every method raises StorageUnavailableError."""

    def __init__(self, redis: Redis, pool: Pool) -> None:
        self._redis = redis
        self._pool = pool

    async def organizations_of(self, call_id: str) -> Sequence[str]:
        """Whose call this is: who registered it here, else who has a call of that id."""
        async with answered():
            registered = await self._redis.get(_owner_key(call_id))
        if registered is not None:
            return [_text(registered)]
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("organizations_with_call"), call_id)
        return [str(row["organization_id"]) for row in rows]

    async def organizations_named(self, words: Sequence[str]) -> Sequence[str]:
        """Whom a request is about that holds these words: ids of organizations, else of customers, else of calls."""
        if not words:
            return []
        identities = [word for word in words if _UUID.fullmatch(word)]
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("simulator_organizations_named"), identities, list(words))
        return [str(row["organization_id"]) for row in rows]

    async def seeded_subscription(self, subscription_id: str) -> SeededSubscription | None:
        """The subscription that an organization's row names."""
        async with acquired(self._pool) as connection:
            row = await connection.fetchrow(statement("simulator_subscription"), subscription_id)
        if row is None or row["stripe_customer_id"] is None or row["stripe_subscription_item_id"] is None:
            return None
        return SeededSubscription(
            organization_id=str(row["organization_id"]),
            customer=row["stripe_customer_id"],
            item_id=row["stripe_subscription_item_id"],
            price=row["stripe_price_id"],
            metered_price=row["stripe_metered_price_id"],
            currency=row["currency"] or "usd",
            created_at=row["created_at"],
        )

    def memory(self, vendor: str) -> VendorMemory:
        """What this simulated vendor remembers."""
        return VendorMemory(self._redis, vendor)

    async def number(self, phone_number_id: str) -> Number | None:
        """The number the provider has under an id."""
        async with acquired(self._pool) as connection:
            row = await connection.fetchrow(statement("simulator_number"), phone_number_id)
        return None if row is None else Number(organization_id=str(row["organization_id"]), number=row["number"])

    async def record(self, request: Document, organizations: Sequence[str]) -> None:
        """Keep a request for these organizations; for all of them when it concerns no call (None given: empty)."""
        keys = [f"{_SHARED}:{organization_id}" for organization_id in organizations] or [_SHARED]
        async with answered(), self._redis.pipeline(transaction=True) as pipeline:
            for key in keys:
                pipeline.lpush(key, orjson.dumps(request))
                pipeline.ltrim(key, 0, KEPT_REQUESTS - 1)
                pipeline.expire(key, KEPT_SECONDS)
            await pipeline.execute()

    async def requests(self, organization_id: str, *, limit: int) -> list[Document]:
        """Requests about this organization's calls and about no call at all, newest first."""
        async with answered():
            own = await self._redis.lrange(f"{_SHARED}:{organization_id}", 0, limit - 1)
            shared = await self._redis.lrange(_SHARED, 0, limit - 1)
        found: list[Document] = [orjson.loads(each) for each in [*own, *shared]]
        return sorted(found, key=lambda request: str(request["at"]), reverse=True)[:limit]

    async def put_calls(self, organization_id: str, records: Mapping[str, tuple[int, Document]]) -> None:
        """Register calls, each with its `updatedAt` in ms and the record `GET /call/{id}` answers; again replaces."""
        if not records:
            return
        async with answered(), self._redis.pipeline(transaction=True) as pipeline:
            for call_id, (updated_at, record) in records.items():
                pipeline.set(_owner_key(call_id), organization_id, ex=KEPT_SECONDS)
                pipeline.set(_record_key(call_id), orjson.dumps(record), ex=KEPT_SECONDS)
                pipeline.zadd(_CALLS, {call_id: updated_at})
                pipeline.zadd(f"{_CALLS}:{organization_id}", {call_id: updated_at})
            for key in (_CALLS, f"{_CALLS}:{organization_id}"):
                pipeline.zremrangebyrank(key, 0, -KEPT_CALLS - 1)
                pipeline.expire(key, KEPT_SECONDS)
            await pipeline.execute()

    async def call(self, call_id: str) -> Document | None:
        """The record of a registered call."""
        async with answered():
            record = await self._redis.get(_record_key(call_id))
        return None if record is None else orjson.loads(record)

    async def owns(self, organization_id: str, call_ids: Sequence[str]) -> bool:
        """Whether none of these calls is registered by another organization."""
        if not call_ids:
            return True
        async with answered():
            owners = await self._redis.mget([_owner_key(call_id) for call_id in call_ids])
        return all(owner is None or _text(owner) == organization_id for owner in owners)

    async def calls(
        self, organization_id: str | None, *, updated_from: int, updated_to: int, limit: int
    ) -> list[Document]:
        """Records whose `updatedAt` lies within these ms, newest first: an organization's, or all of the account."""
        key = _CALLS if organization_id is None else f"{_CALLS}:{organization_id}"
        async with answered():
            found: Any = await self._redis.zrevrangebyscore(key, updated_to, updated_from, 0, limit)  # pyright: ignore[reportUnknownMemberType]
            keys = [_record_key(_text(call_id)) for call_id in found]
            records = await self._redis.mget(keys) if keys else []
        return [orjson.loads(record) for record in records if record is not None]

    async def add_command(self, organization_id: str, call_id: str, command: Document) -> None:
        """Keep a command for whoever simulates the call."""
        key = f"{_COMMANDS}:{organization_id}"
        kept: Any = {"call_id": call_id, "command": orjson.dumps(command)}
        async with answered(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.xadd(key, kept, maxlen=KEPT_COMMANDS)
            pipeline.expire(key, KEPT_SECONDS)
            await pipeline.execute()

    async def commands(self, organization_id: str, *, after: str) -> tuple[list[Document], str]:
        """Commands for calls of the organization after a position (`0`: the oldest kept), and the last one's."""
        async with answered():
            found: Any = await self._redis.xrange(f"{_COMMANDS}:{organization_id}", min=f"({after}")
        told = [{"call_id": _text(kept[b"call_id"]), "command": orjson.loads(kept[b"command"])} for _, kept in found]
        return told, _text(found[-1][0]) if found else after

    async def faults(self) -> dict[str, Document]:
        """The fault each vendor was told to show."""
        async with answered():
            held = await self._redis.hgetall(_FAULTS)
        return {_text(vendor): orjson.loads(fault) for vendor, fault in held.items()}

    async def set_faults(self, faults: Mapping[str, Document]) -> None:
        """Replace all faults; an empty mapping makes every vendor behave."""
        async with answered(), self._redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(_FAULTS)
            if faults:
                pipeline.hset(_FAULTS, mapping={vendor: orjson.dumps(fault) for vendor, fault in faults.items()})
                pipeline.expire(_FAULTS, KEPT_SECONDS)
            await pipeline.execute()


def _owner_key(call_id: str) -> str:
    return f"simulator:call:{call_id}:organization"


def _record_key(call_id: str) -> str:
    return f"simulator:call:{call_id}:record"


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
