"""The limit by address on real Valkey: many clients at once, its own clock, its documented key."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from actors.domain.rate_limit import Rate
from storage.client_limits import LIMIT_SECONDS, RedisClientLimits
from storage.errors import StorageUnavailableError
from storage.redis import open_redis

CLIENTS = 16
ASKED = 60
RATE = Rate(per_second=20, burst=200)


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(redis_url, resends=False)
    yield opened
    await opened.aclose()


async def test_racing_clients_get_exactly_the_limit(redis: Redis, redis_url: str) -> None:
    """From an empty bucket on: what comes back while it is full is lost, and nobody knows from outside since when."""
    began = await seconds_of_server(redis)
    first = await race(redis, redis_url)
    assert first.let_through + first.unanswered >= RATE.burst
    assert first.let_through <= RATE.burst + RATE.per_second * (first.empty_at_last - began)

    again = await race(redis, redis_url)
    least = RATE.per_second * (again.empty_at_first - first.empty_at_last)
    most = RATE.per_second * (again.empty_at_last - first.empty_at_first)
    assert least - 1 <= again.let_through + again.unanswered, "it lets through what it may"
    assert again.let_through <= most + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Raced:
    """What came of a race. The bucket was found empty between two moments of the server's clock, in seconds."""

    let_through: int
    unanswered: int
    empty_at_first: float
    empty_at_last: float


async def seconds_of_server(redis: Redis) -> float:
    seconds, micros = await redis.time()  # pyright: ignore[reportUnknownMemberType]  # redis-py types it so
    return seconds + micros / 1e6


async def race(redis: Redis, redis_url: str) -> Raced:
    """Many clients ask at once; then one goes on until it is refused."""
    let_through = unanswered = 0

    async def ask() -> None:
        nonlocal let_through, unanswered
        client = open_redis(redis_url, resends=False)
        limits = RedisClientLimits(client)
        for _ in range(ASKED):
            try:
                wait = await limits.take("192.0.2.1", "login", RATE)
            except StorageUnavailableError:
                unanswered += 1
            else:
                let_through += wait == 0
        await client.aclose()

    await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    one = RedisClientLimits(redis)
    while True:
        before = await seconds_of_server(redis)
        if await one.take("192.0.2.1", "login", RATE):
            break
        let_through += 1
    after = await seconds_of_server(redis)
    return Raced(let_through=let_through, unanswered=unanswered, empty_at_first=before, empty_at_last=after)


async def test_a_limit_stands_under_its_key_for_a_minute_and_apart_from_others(redis: Redis) -> None:
    limits, rate = RedisClientLimits(redis), Rate(per_second=0.1, burst=2)
    began = await seconds_of_server(redis)
    assert [await limits.take("192.0.2.1", "login", rate) for _ in range(2)] == [0, 0]
    wait = await limits.take("192.0.2.1", "login", rate)
    assert 10 - (await seconds_of_server(redis) - began) <= wait <= 10
    assert await limits.take("192.0.2.1", "live-tickets", rate) == 0
    assert await limits.take("192.0.2.2", "login", rate) == 0
    assert 0 < await redis.ttl("ratelimit:192.0.2.1:login") <= LIMIT_SECONDS


async def test_a_time_from_the_future_is_forgotten_within_one_burst(redis: Redis) -> None:
    limits, rate = RedisClientLimits(redis), Rate(per_second=10, burst=5)
    await redis.set("ratelimit:192.0.2.1:login", "99999999999.000000")
    assert 0 < await limits.take("192.0.2.1", "login", rate) <= 0.1
    async with asyncio.timeout(30):
        while await limits.take("192.0.2.1", "login", rate):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_burst_longer_than_it_is_kept_is_a_mistake(redis: Redis) -> None:
    with pytest.raises(ValueError, match="longer than 60 s"):
        await RedisClientLimits(redis).take("192.0.2.1", "login", Rate(per_second=1, burst=61))


@pytest.mark.parametrize(("resends", "times"), [(False, 1), (True, 2)])
async def test_what_may_have_been_counted_is_not_sent_again(*, resends: bool, times: int) -> None:
    """By a server that closes instead of answering; a client that sends again shows that this would be seen."""
    asked = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while received := await reader.read(65_536):
            if b"EVAL" in received:
                asked += 1
                break
            writer.write(b"%0\r\n" * received.count(b"HELLO") + b"+OK\r\n" * received.count(b"CLIENT"))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with open_redis(f"redis://127.0.0.1:{port}/0", resends=resends) as client:
            with pytest.raises(StorageUnavailableError):
                await RedisClientLimits(client).take("192.0.2.1", "login", RATE)
    assert asked == times
