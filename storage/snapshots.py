"""States of organizations in Redis: a cache of what Postgres can rebuild, and the documented mirror keys."""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import cast

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis

from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization
from actors.ports import HourCount, Snapshot, StaleOwnerError
from storage.journal import local_midnight
from storage.redis import answered

FORMAT = 6
"""Raised when Organization changes in a way an older or newer release would misread."""

SNAPSHOT_SECONDS = 24 * 3600
ACTIVE_CALLS_SECONDS = 3600

_STATE = TypeAdapter(Organization)
_LAYOUT = re.compile(rb'\{"format":(\d+),"epoch":(\d+),"state":')

# The epoch stands at the front of the document, so the script need not parse a state of any size.
_SAVE = """
local held = redis.call('GETRANGE', KEYS[1], 0, 63)
local epoch = tonumber(string.match(held, '"epoch":(%d+)'))
if epoch and epoch > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
redis.call('DEL', KEYS[2])
for place = 7, #ARGV do redis.call('SADD', KEYS[2], ARGV[place]) end
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('SET', KEYS[3], ARGV[5], 'EXAT', ARGV[6])
return 1
"""


def encode(snapshot: Snapshot) -> bytes:
    """The document `{"format":…,"epoch":…,"state":{…}}`, its head in exactly this layout.

    Of the figures it holds the day alone, of the alarms nothing: whoever recovers reads them from Postgres. What is
    stale the first tick finds out.
    """
    day = DayCounters(day=snapshot.state.today.day)
    state = _STATE.dump_json(replace(snapshot.state, today=day), exclude_defaults=True, exclude={"alarms", "stale"})
    return b'{"format":%d,"epoch":%d,"state":%b}' % (FORMAT, snapshot.epoch, state)


def decode(document: bytes) -> Snapshot | None:
    """What `encode` was given, equal in all but figures and alarms; None when it is not of this format."""
    head = _LAYOUT.match(document)
    if head is None or int(head[1]) != FORMAT:
        return None
    try:
        state = _STATE.validate_json(document[head.end() : -1])
    except ValidationError:
        return None
    return Snapshot(epoch=int(head[2]), state=state)


class RedisSnapshots:
    """`actors.ports.SnapshotStore` on Redis. Every method answers or raises StorageUnavailableError within 2 s."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._save = redis.register_script(_SAVE)

    async def load(self, organization_id: str) -> Snapshot | None:
        async with answered():
            document = cast("bytes | None", await self._redis.get(f"org:{organization_id}:snapshot"))
        return decode(document) if document is not None else None

    async def save(self, organization_id: str, snapshot: Snapshot) -> None:
        """Replace the snapshot and its mirrors, all or nothing; Redis may lose them. Raises StaleOwnerError."""
        state = snapshot.state
        midnight = local_midnight(state.today.day + timedelta(days=1), state.time_zone)
        keys = [f"org:{organization_id}:{name}" for name in ("snapshot", "active_calls", "calls:today")]
        arguments = [
            snapshot.epoch,
            encode(snapshot),
            SNAPSHOT_SECONDS,
            ACTIVE_CALLS_SECONDS,
            state.today.calls,
            int(midnight.timestamp()),
            *(call.call_id for call in state.calls.values() if call.is_live),
        ]
        async with answered():
            saved = await cast("Awaitable[int]", self._save(keys=keys, args=arguments))
        if not saved:
            raise StaleOwnerError(f"a snapshot of a newer epoch than {snapshot.epoch} exists")

    async def mirror_requests(self, counts: Mapping[str, HourCount]) -> None:
        """Set `ratelimit:org:{id}:api` to the requests granted in this clock hour; the key ends with the hour.

        Granted, not served: a replica's share that it leaves unspent is counted, too. The count is its owner's own, so
        that a new one begins at its first grant; of two owners the last to write stands.
        """
        async with answered(), self._redis.pipeline(transaction=False) as pipeline:
            for organization_id, count in counts.items():
                pipeline.set(f"ratelimit:org:{organization_id}:api", count.granted, exat=count.ends_at)
            await pipeline.execute()
