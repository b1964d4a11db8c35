"""Promise P6 on real servers: whatever an owner tries after another claimed its slot, nothing of it is written."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from actors.domain.commands import InboxRow
from actors.organization_actor import OrganizationActor
from actors.ports import Effects, Lease, Ports, Processing, StaleOwnerError
from actors.slots import SLOTS, slot_of
from serve.ports import SystemClock
from storage.inbox_rows import inbox_row
from storage.journal import PostgresJournal
from storage.live_feed import RedisLiveFeed
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from storage.redis import open_redis
from storage.snapshots import RedisSnapshots
from tests.integration.rows import Rows

WRITTEN = ("webhook_inbox", "calls", "call_keys", "effects", "incidents")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=4, name="test")
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    redis = open_redis(redis_url)
    yield redis
    await redis.aclose()


@pytest.fixture
def ports(pool: Pool, redis: Redis) -> Ports:
    # Neither effects nor Temporal are an actor's own business.
    return Ports(
        journal=PostgresJournal(pool),
        effects=cast("Effects", None),
        ownership=PostgresOwnership(pool),
        snapshots=RedisSnapshots(redis),
        feed=RedisLiveFeed(redis),
        processing=cast("Processing", None),
        clock=SystemClock(),
    )


async def claimed(ports: Ports, owner: str, organization_id: str, pool: Pool) -> Lease:
    """The organization's slot for `owner`, whoever had it: that lease ran out."""
    await pool.execute("update slot_owner set lease_until = now() - interval '1 s' where owner <> $1", owner)
    leases = await ports.ownership.claim(owner, held=(), share=SLOTS, lease_seconds=60)
    return next(lease for lease in leases if lease.slot == slot_of(organization_id))


async def holding(ports: Ports, owner: str, organization_id: str, pool: Pool) -> OrganizationActor:
    lease = await claimed(ports, owner, organization_id, pool)
    return await OrganizationActor.recover(organization_id, lease=lease, owner=owner, ports=ports)


async def accepted(pool: Pool, organization_id: str, call_id: str, *, kind: str = "status-update") -> InboxRow:
    row_id = await Rows(pool).add_row(organization_id, call_id=call_id, kind=kind, facts={"status": "ringing"})
    record = await pool.fetchrow("select * from webhook_inbox where id = $1", row_id)
    assert record is not None
    return inbox_row(record)


async def everything(pool: Pool, redis: Redis, organization_id: str) -> list[Any]:
    """All that an owner writes, in Postgres, feed and snapshot."""
    tables = [[dict(each) for each in await pool.fetch(f"select * from {table} order by 1, 2")] for table in WRITTEN]  # noqa: S608  # names of ours
    stream: Any = await redis.xrange(f"org:{organization_id}:feed")  # pyright: ignore[reportUnknownMemberType]
    return [*tables, stream, await redis.get(f"org:{organization_id}:snapshot")]


async def test_what_a_stale_owner_tries_is_refused_everywhere(ports: Ports, pool: Pool, redis: Redis) -> None:
    organization_id = await Rows(pool).add_organization()
    stale = await holding(ports, "organization-shard-0", organization_id, pool)
    await stale.process([await accepted(pool, organization_id, "call-1")])
    await stale.feed.publish()
    await stale.save(force=True)
    # Decided and durable, but not told yet when it stood still.
    await stale.process([await accepted(pool, organization_id, "call-1")])

    owner = await holding(ports, "organization-shard-1", organization_id, pool)
    assert owner.lease.epoch == stale.lease.epoch + 1
    await owner.process([await accepted(pool, organization_id, "call-2")])
    await owner.feed.publish()
    await owner.save(force=True)
    row = await accepted(pool, organization_id, "call-3")
    request = await accepted(pool, organization_id, "call-4", kind="assistant-request")
    before = await everything(pool, redis, organization_id)

    with pytest.raises(StaleOwnerError):
        await stale.feed.publish()
    with pytest.raises(StaleOwnerError):
        await stale.save(force=True)
    with pytest.raises(StaleOwnerError):
        await stale.check()  # finds what its successor did, and would tell of it
    with pytest.raises(StaleOwnerError):
        await stale.process([row])
    with pytest.raises(StaleOwnerError):
        await stale.process([request])
    assert await everything(pool, redis, organization_id) == before
    assert await pool.fetchval("select outcome from webhook_inbox where id = $1", request.id) is None

    await owner.process([row, request])
    assert await pool.fetchval("select outcome from webhook_inbox where id = $1", request.id) is not None
