"""A server that is paused, as a machine that swaps or a network that drops: nothing answers, nothing refuses."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization
from actors.ports import Batch, Lease, Snapshot
from storage.effects import PostgresEffects
from storage.embedded import PostgresServer, ValkeyServer, start_postgres, start_valkey
from storage.errors import StorageUnavailableError
from storage.journal import PostgresJournal
from storage.live_feed import KEPT_ENTRIES, KEPT_SECONDS, RedisLiveFeed
from storage.migrate import migrate
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from storage.redis import answered, open_redis
from storage.snapshots import RedisSnapshots

ORGANIZATION_ID = "7d3f0a52-0d6e-4a35-9a0a-3b7b6a0f7a11"
PROMISED_SECONDS = 2.0
SCHEDULING_SECONDS = 1.9
"""The machine may be busy; a second wait of as long as is promised would be longer still."""
LEASE = Lease(slot=1, epoch=1)
BATCH = Batch(organization_id=ORGANIZATION_ID, lease=LEASE, owner="a", marks=(), calls=(), effects=(), at=0)
TODAY = DayCounters(day=date(2026, 1, 1))
STATE = Organization(organization_id=ORGANIZATION_ID, name="", time_zone="UTC", today=TODAY)
SNAPSHOT = Snapshot(epoch=1, state=STATE)


@contextmanager
def paused(server: PostgresServer | ValkeyServer) -> Generator[None]:
    """No process of the server runs; its sockets stay open and the kernel still accepts connections."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(processes):
            process.resume()


async def fails_in_time(ask: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(PROMISED_SECONDS + SCHEDULING_SECONDS):
        with pytest.raises(StorageUnavailableError):
            await ask()


@pytest.fixture(scope="module")
def postgres(servers_folder: Path) -> Iterator[PostgresServer]:
    server = start_postgres(servers_folder / "paused-postgres", password=secrets.token_hex(16), durable=False)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def valkey(servers_folder: Path) -> Iterator[ValkeyServer]:
    server = start_valkey(servers_folder / "paused-valkey", password=secrets.token_hex(16), durable=False)
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="module")
async def pool(postgres: PostgresServer) -> AsyncIterator[Pool]:
    await migrate(postgres.url)
    pool = await open_pool(postgres.url, size=4, name="test")
    yield pool
    pool.terminate()


def on_postgres(pool: Pool) -> dict[str, Callable[[], Awaitable[object]]]:
    journal, effects, ownership = PostgresJournal(pool), PostgresEffects(pool), PostgresOwnership(pool)
    return {
        "profile": lambda: journal.profile(ORGANIZATION_ID),
        "day": lambda: journal.day(ORGANIZATION_ID, date(2026, 1, 1), "UTC"),
        "rows": lambda: journal.rows_of_open_calls(ORGANIZATION_ID, ended_after=0),
        "commit": lambda: journal.commit(BATCH),
        "due": lambda: effects.due([1], now=0, limit=1),
        "confirm": lambda: effects.confirm(ORGANIZATION_ID, [], at=0),
        "claim": lambda: ownership.claim("a", held=[], share=1, lease_seconds=1),
        "renew": lambda: ownership.renew("a", [LEASE], lease_seconds=1),
    }


@pytest.mark.parametrize("connected", [True, False])
async def test_postgres_paused(postgres: PostgresServer, pool: Pool, connected: bool) -> None:  # noqa: FBT001
    await pool.expire_connections()
    asks = on_postgres(pool)
    if connected:
        await asyncio.gather(*(PostgresOwnership(pool).owners() for _ in range(4)))
    with paused(postgres):
        await asyncio.gather(*(fails_in_time(ask) for ask in asks.values()))
    assert await PostgresOwnership(pool).owners() == {}


@pytest.mark.parametrize("connected", [True, False])
async def test_redis_paused(valkey: ValkeyServer, connected: bool) -> None:  # noqa: FBT001
    async with open_redis(valkey.url) as redis:
        if connected:
            await redis.get("any")
        snapshots, feed = RedisSnapshots(redis), RedisLiveFeed(redis)
        asks: list[Callable[[], Awaitable[object]]] = [
            lambda: snapshots.load(ORGANIZATION_ID),
            lambda: snapshots.save(ORGANIZATION_ID, SNAPSHOT),
            lambda: feed.publish(ORGANIZATION_ID, epoch=1, n=0, events=[]),
        ]
        with paused(valkey):
            await asyncio.gather(*(fails_in_time(ask) for ask in asks))
        await snapshots.save(ORGANIZATION_ID, SNAPSHOT)
        assert await snapshots.load(ORGANIZATION_ID) == SNAPSHOT


async def test_several_waits_on_redis_are_bounded_together() -> None:
    with pytest.raises(StorageUnavailableError):
        async with answered(0.01):
            await asyncio.Event().wait()


async def test_a_stopped_server_is_away(servers_folder: Path) -> None:
    server = start_valkey(servers_folder / "stopped-valkey", password=secrets.token_hex(16), durable=False)
    server.stop()
    async with open_redis(server.url) as redis:
        await fails_in_time(lambda: RedisSnapshots(redis).load(ORGANIZATION_ID))
    pool = await open_pool(server.url.replace("redis://", "postgresql://"), size=1, name="test")
    await fails_in_time(PostgresOwnership(pool).owners)
    pool.terminate()


async def test_a_restarted_redis_is_used_again(servers_folder: Path) -> None:
    folder, password = servers_folder / "restarted-valkey", secrets.token_hex(16)
    server = start_valkey(folder, password=password, durable=False)
    async with open_redis(server.url) as redis:
        snapshots = RedisSnapshots(redis)
        await snapshots.save(ORGANIZATION_ID, SNAPSHOT)
        server.stop()
        again = start_valkey(folder, password=password, port=server.port, durable=False)
        try:
            assert await snapshots.load(ORGANIZATION_ID) is None
            await snapshots.save(ORGANIZATION_ID, SNAPSHOT)
        finally:
            again.stop()


@asynccontextmanager
async def without_replicas(redis: Redis) -> AsyncGenerator[None]:
    """Writes are refused with NOREPLICAS, as by a primary that was cut off."""
    await redis.execute_command("CONFIG", "SET", "min-replicas-to-write", "1")  # pyright: ignore[reportUnknownMemberType]
    try:
        yield
    finally:
        await redis.execute_command("CONFIG", "SET", "min-replicas-to-write", "0")  # pyright: ignore[reportUnknownMemberType]


async def test_redis_that_refuses_to_write_is_away(valkey: ValkeyServer) -> None:
    async with open_redis(valkey.url) as redis:
        snapshots, feed = RedisSnapshots(redis), RedisLiveFeed(redis)
        async with without_replicas(redis):
            await fails_in_time(lambda: snapshots.save(ORGANIZATION_ID, SNAPSHOT))
            await fails_in_time(lambda: feed.publish(ORGANIZATION_ID, epoch=1, n=0, events=[]))
        await snapshots.save(ORGANIZATION_ID, SNAPSHOT)
        await feed.publish(ORGANIZATION_ID, epoch=1, n=0, events=[])


async def test_a_key_of_another_type_is_no_newer_owner(redis_url: str) -> None:
    async with open_redis(redis_url) as redis:
        await redis.set(f"org:{ORGANIZATION_ID}:feed", "no stream")
        await fails_in_time(lambda: RedisLiveFeed(redis).publish(ORGANIZATION_ID, epoch=1, n=0, events=[]))


async def test_what_redis_did_not_take_does_not_age_the_feed(valkey: ValkeyServer) -> None:
    at = 0.0
    async with open_redis(valkey.url) as redis:
        await redis.delete(f"org:{ORGANIZATION_ID}:feed")
        feed = RedisLiveFeed(redis, monotonic=lambda: at)

        async def publish(numbers: range) -> None:
            for n in numbers:
                await feed.publish(ORGANIZATION_ID, epoch=1, n=n, events=[])

        await publish(range(250))
        at = 60.0
        await publish(range(250, 310))
        async with without_replicas(redis):
            for n in range(KEPT_ENTRIES):
                with pytest.raises(StorageUnavailableError):
                    await feed.publish(ORGANIZATION_ID, epoch=1, n=310 + n, events=[])
        at += KEPT_SECONDS
        await publish(range(310, 312))
        assert await redis.xlen(f"org:{ORGANIZATION_ID}:feed") == 312
