"""Copies in Redis: shared look-ups, never a state that an acknowledged write replaced, nothing wrong without Redis."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from structlog.testing import capture_logs

from actors.domain.json_types import JSON
from storage import cache_keys
from storage.cache import LARGEST_BYTES, Cache
from storage.cache_keys import CacheKey
from storage.embedded import ValkeyServer
from storage.redis import open_redis
from tests.integration.api.test_api_outages import Gateway

ORGANIZATION, OTHER = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
KEY = cache_keys.assistants(ORGANIZATION)


@dataclass
class Database:
    """One value that only grows; a load reads it at once or after a wait, and answers when it may."""

    value: JSON = 1
    loads: int = 0
    reads: int = 0
    before: list[float] = field(default_factory=list[float])
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.may_answer.set()

    async def load(self) -> JSON:
        self.loads += 1
        await asyncio.sleep(self.before.pop() if self.before else 0)
        read = self.value
        self.reads += 1
        await self.may_answer.wait()
        return read


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(redis_url)
    yield opened
    await opened.aclose()


@pytest_asyncio.fixture
async def cache(redis: Redis) -> AsyncIterator[Cache]:
    opened = Cache(redis)
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def another_process(redis_url: str) -> AsyncIterator[Cache]:
    redis = open_redis(redis_url)
    opened = Cache(redis)
    yield opened
    await opened.close()
    await redis.aclose()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what it waits for happens in code that tells nobody
            await asyncio.sleep(0.01)


async def test_a_thousand_concurrent_misses_are_one_query(cache: Cache) -> None:
    database = Database(before=[0.05])
    found = await asyncio.gather(*(cache.get(KEY, database.load) for _ in range(1_000)))
    assert [each.value for each in found] == [1] * 1_000
    assert database.loads == 1
    assert cache.figures()[KEY.family]["shared"] == 999


async def test_who_comes_while_a_miss_is_read_waits_for_what_is_kept(cache: Cache) -> None:
    database = Database(before=[0.05])
    first = asyncio.create_task(cache.get(KEY, database.load))
    await until(lambda: database.loads == 1)
    found = await asyncio.gather(first, *(cache.get(KEY, database.load) for _ in range(1_000)))
    assert database.loads == 1
    assert [each.source for each in found] == ["postgres", *["redis"] * 1_000]


async def test_a_slow_reader_brings_nothing_old_back(cache: Cache, another_process: Cache) -> None:
    database = Database()
    database.may_answer.clear()
    slow = asyncio.create_task(cache.get(KEY, database.load))
    await until(lambda: database.reads == 1)
    database.value = 2
    await another_process.invalidate(KEY)
    database.may_answer.set()
    assert (await slow).value == 1
    assert (await cache.get(KEY, database.load)).value == 2
    assert (await another_process.get(KEY, database.load)).value == 2
    assert cache.figures()[KEY.family]["outrun"] == 1


async def test_a_slow_reader_brings_nothing_old_back_after_redis_lost_everything(cache: Cache, redis: Redis) -> None:
    database = Database()
    database.may_answer.clear()
    slow = asyncio.create_task(cache.get(KEY, database.load))
    await until(lambda: database.reads == 1)
    database.value = 2
    await cache.invalidate(KEY)
    await redis.flushdb()  # pyright: ignore[reportUnknownMemberType]
    database.may_answer.set()
    await slow
    assert (await cache.get(KEY, database.load)).value == 2


MOMENTS = st.floats(0, 0.006)
ACTION = st.tuples(st.sampled_from(["read", "read", "write"]), st.booleans(), MOMENTS, MOMENTS, MOMENTS)


@settings(max_examples=120, deadline=None)
@given(actors=st.lists(st.lists(ACTION, min_size=1, max_size=6), min_size=2, max_size=6))
def test_no_read_misses_an_acknowledged_write(
    valkey_server: ValkeyServer, actors: list[list[tuple[str, bool, float, float, float]]]
) -> None:
    asyncio.run(_history(valkey_server.url, actors))


async def _history(url: str, actors: list[list[tuple[str, bool, float, float, float]]]) -> None:
    """Writers and readers of two processes at once; a read answers at least the last write acknowledged before it."""
    key = CacheKey(text=f"history:{uuid4()}", family="history", seconds=60)
    committed = acknowledged = 0
    stale: list[tuple[int, JSON]] = []

    async def load(before: float, after: float) -> JSON:
        await asyncio.sleep(before)
        read = committed
        await asyncio.sleep(after)
        return read

    async def act(caches: tuple[Cache, Cache], steps: list[tuple[str, bool, float, float, float]]) -> None:
        nonlocal committed, acknowledged
        for kind, place, pause, before, after in steps:
            await asyncio.sleep(pause)
            if kind == "write":
                committed += 1
                written = committed
                await asyncio.sleep(before)
                await caches[place].invalidate(key)
                acknowledged = max(acknowledged, written)
                continue
            least = acknowledged

            found = (await caches[place].get(key, partial(load, before, after))).value
            if not isinstance(found, int) or found < least:
                stale.append((least, found))

    clients = open_redis(url), open_redis(url)
    caches = Cache(clients[0]), Cache(clients[1])
    try:
        await asyncio.gather(*(act(caches, steps) for steps in actors))
    finally:
        for each, client in zip(caches, clients, strict=True):
            await each.close()
            await client.aclose()
    assert stale == []


async def test_nothing_is_remembered_for_seconds(cache: Cache, redis: Redis) -> None:
    database = Database(value=None)
    template = cache_keys.template("unknown")
    assert (await cache.get(template, database.load)).value is None
    assert (await cache.get(template, database.load)).source == "redis"
    assert database.loads == 1
    assert 0 < await redis.pttl(template.text) <= 5_000
    await cache.invalidate(template)
    database.value = {"slug": "unknown"}
    assert (await cache.get(template, database.load)).value == {"slug": "unknown"}


async def test_a_copy_is_its_owners_alone(cache: Cache) -> None:
    theirs = Database(value={"name": "Reception"})
    nothing = Database(value=None)
    assistant_id = str(uuid4())
    # Asking first for what is another's spoils it for nobody.
    for _ in range(2):
        assert (await cache.get(cache_keys.assistant(OTHER, assistant_id), nothing.load)).value is None
        found = await cache.get(cache_keys.assistant(ORGANIZATION, assistant_id), theirs.load)
        assert found.value == {"name": "Reception"}
    assert theirs.loads == 1


@pytest.mark.parametrize(
    ("key", "text", "seconds"),
    [
        (cache_keys.organization("o"), "org:o", 300),
        (cache_keys.organization_settings("o"), "org:o:settings", 300),
        (cache_keys.assistant("o", "a"), "assistant:a", 300),
        (cache_keys.template("t"), "template:t", 3600),
        (cache_keys.user("u"), "user:u", 600),
        (cache_keys.recent_calls("o"), "org:o:calls:recent", 10),
        (cache_keys.assistants("o"), "org:o:assistants", 300),
        (cache_keys.phone_numbers("o"), "org:o:phone_numbers", 300),
    ],
)
async def test_keys_and_lifetimes_are_the_documents(
    cache: Cache, redis: Redis, key: CacheKey, text: str, seconds: int
) -> None:
    await cache.get(key, Database().load)
    assert await redis.dbsize() == 1  # pyright: ignore[reportUnknownMemberType]
    # Shorter by up to a tenth, so that what was kept together does not expire together.
    assert seconds * 900 - 2_000 <= await redis.pttl(text) <= seconds * 1_000


async def test_what_is_too_large_is_not_kept(cache: Cache) -> None:
    database = Database(value="x" * LARGEST_BYTES)
    for _ in range(2):
        assert (await cache.get(KEY, database.load)).source == "postgres"
    assert database.loads == 2


async def test_a_load_that_fails_fails_those_who_share_it_and_nobody_else(cache: Cache) -> None:
    async def fail() -> JSON:
        raise LookupError("no")

    found = await asyncio.gather(*(cache.get(KEY, fail) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [LookupError] * 3
    assert (await cache.get(KEY, Database().load)).value == 1


async def test_hit_rates_are_told_by_family(cache: Cache) -> None:
    database = Database()
    for _ in range(4):
        await cache.get(KEY, database.load)
    figures = cache.figures()["assistants"]
    assert (figures["hits"], figures["misses"], figures["hit_rate"]) == (3, 1, 0.75)


async def test_without_redis_answers_are_right_and_come_from_postgres(redis_url: str) -> None:
    gateway = Gateway(redis_url)
    await gateway.open()
    redis = open_redis(gateway.url)
    cache, database = Cache(redis, pause_seconds=0), Database()
    try:
        await cache.get(KEY, database.load)
        assert (await cache.get(KEY, database.load)).source == "redis"
        await gateway.shut()
        database.value = 2
        await cache.invalidate(KEY)
        found = await cache.get(KEY, database.load)
        assert (found.value, found.source) == (2, "postgres")
        await gateway.open()
        # Redis is back with what it held: this process told it in vain, reads past it, and goes on telling.
        assert (await cache.get(KEY, database.load)).value == 2
        async with asyncio.timeout(20):
            while (found := await cache.get(KEY, database.load)).source != "redis":
                assert found.value == 2
                await asyncio.sleep(0.05)
        assert found.value == 2
    finally:
        await cache.close()
        await redis.aclose()
        await gateway.shut()


async def test_nothing_to_forget_asks_nobody(cache: Cache) -> None:
    with capture_logs() as logs:
        await cache.invalidate()
    assert logs == []
