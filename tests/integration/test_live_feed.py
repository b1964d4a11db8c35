from collections.abc import AsyncIterator
from typing import Any, cast

import orjson
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from actors.ports import StaleOwnerError
from storage.live_feed import KEPT_ENTRIES, KEPT_SECONDS, STREAM_SECONDS, RedisLiveFeed
from storage.redis import open_redis

ORGANIZATION_ID = "7d3f0a52-0d6e-4a35-9a0a-3b7b6a0f7a11"
KEY = f"org:{ORGANIZATION_ID}:feed"
NODE_ENTRIES = 100
"""Redis trims whole nodes."""


class Monotonic:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = open_redis(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def feed(redis: Redis, monotonic: Monotonic) -> RedisLiveFeed:
    return RedisLiveFeed(redis, monotonic=monotonic)


async def entries(redis: Redis) -> list[tuple[str, Any]]:
    found = cast("list[tuple[bytes, dict[bytes, bytes]]]", await redis.xrange(KEY))
    return [(entry_id.decode(), orjson.loads(fields[b"events"])) for entry_id, fields in found]


async def test_entries_carry_epoch_and_number(feed: RedisLiveFeed, redis: Redis) -> None:
    await feed.publish(ORGANIZATION_ID, epoch=7, n=0, events=[])
    await feed.publish(ORGANIZATION_ID, epoch=7, n=1, events=[{"type": "call", "call": {"call_id": "é"}}])
    await feed.publish(ORGANIZATION_ID, epoch=8, n=0, events=[])
    assert await entries(redis) == [
        ("7-0", []),
        ("7-1", [{"type": "call", "call": {"call_id": "é"}}]),
        ("8-0", []),
    ]
    assert STREAM_SECONDS - 60 < await redis.ttl(KEY) <= STREAM_SECONDS


async def test_a_stale_owner_is_refused(feed: RedisLiveFeed, redis: Redis) -> None:
    await feed.publish(ORGANIZATION_ID, epoch=8, n=0, events=[])
    with pytest.raises(StaleOwnerError):
        await feed.publish(ORGANIZATION_ID, epoch=7, n=2, events=[{"type": "stale"}])
    assert await entries(redis) == [("8-0", [])]


async def test_an_entry_whose_answer_was_lost_may_be_sent_again(feed: RedisLiveFeed, redis: Redis) -> None:
    for _ in range(2):
        await feed.publish(ORGANIZATION_ID, epoch=7, n=1, events=[{"type": "once"}])
    assert await entries(redis) == [("7-1", [{"type": "once"}])]


async def test_a_twin_at_the_same_epoch_is_refused(feed: RedisLiveFeed, redis: Redis) -> None:
    for n in range(3):
        await feed.publish(ORGANIZATION_ID, epoch=7, n=n, events=[])
    with pytest.raises(StaleOwnerError):
        await feed.publish(ORGANIZATION_ID, epoch=7, n=0, events=[])
    assert len(await entries(redis)) == 3


async def publish(feed: RedisLiveFeed, first: int, count: int) -> None:
    for n in range(first, first + count):
        await feed.publish(ORGANIZATION_ID, epoch=1, n=n, events=[])


async def test_old_entries_go_once_enough_newer_ones_exist(
    feed: RedisLiveFeed, redis: Redis, monotonic: Monotonic
) -> None:
    await publish(feed, 0, 300)
    monotonic.at = 60.0
    await publish(feed, 300, 300)
    monotonic.at = KEPT_SECONDS + 10.0
    await publish(feed, 600, 600)
    assert await redis.xlen(KEY) == 1200, "none are gone: fewer than a thousand came after the first mark"
    await publish(feed, 1200, 200)
    assert await redis.xlen(KEY) == 1400, "the first mark is the first entry"
    monotonic.at += KEPT_SECONDS
    await publish(feed, 1400, KEPT_ENTRIES)
    kept = await entries(redis)
    assert KEPT_ENTRIES <= len(kept) <= 1400 + KEPT_ENTRIES - 300 + NODE_ENTRIES
    assert kept[-1][0] == f"1-{1400 + KEPT_ENTRIES - 1}"
    numbers = [int(entry_id.split("-")[1]) for entry_id, _ in kept]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))


async def test_young_entries_stay_however_many(feed: RedisLiveFeed, redis: Redis, monotonic: Monotonic) -> None:
    await publish(feed, 0, KEPT_ENTRIES)
    monotonic.at = KEPT_SECONDS - 1.0
    await publish(feed, KEPT_ENTRIES, KEPT_ENTRIES)
    assert await redis.xlen(KEY) == 2 * KEPT_ENTRIES
