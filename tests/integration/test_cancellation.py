"""A task that talks to a server all the time ends when it is told to, wherever it stands."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from storage.errors import StorageUnavailableError
from storage.live_position import BEFORE_ALL
from storage.live_reader import FeedReader
from storage.postgres import Connection, Pool, acquired, close_pool, open_pool, transaction
from storage.redis import answered, open_redis


async def ends(work: Callable[[], Awaitable[None]], *, after: int) -> bool:
    """Whether work that goes on for ever ends within seconds, cancelled so many turns of the loop after its start."""
    others = asyncio.all_tasks()
    working = asyncio.ensure_future(work())
    for _ in range(after):
        await asyncio.sleep(0)
    working.cancel()
    await asyncio.wait([working], timeout=30)
    is_over = working.cancelled()
    await end(working, others)
    return is_over


async def end(working: asyncio.Future[None], others: Collection[asyncio.Task[Any]]) -> None:
    """With all that it began, however often each has to be told: one that was lost must not outlive the test."""
    while not working.done():
        for task in asyncio.all_tasks() - {*others}:
            task.cancel()
        await asyncio.wait([working], timeout=0.01)


@pytest.mark.parametrize("steps", range(40))
async def test_a_cancellation_is_never_lost(redis_url: str, steps: int) -> None:
    async with open_redis(redis_url) as redis:

        async def work() -> None:
            while True:
                async with answered():
                    await redis.ping()  # pyright: ignore[reportUnknownMemberType]

        assert await ends(work, after=100 + steps)


@pytest.mark.parametrize("steps", range(40))
async def test_a_reader_of_feeds_ends(redis_url: str, steps: int) -> None:
    async with open_redis(redis_url) as redis:
        reader = FeedReader(redis)

        async def work() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(reader.run())
                tasks.create_task(follow_others())

        async def follow_others() -> None:
            # Each wakes the read, which then is sent anew.
            while True:
                reader.follow("an organization", BEFORE_ALL, lambda _: None)
                await asyncio.sleep(0)

        assert await ends(work, after=100 + steps)


@pytest.mark.parametrize("failed", [None, ConnectionError("reset"), TimeoutError()])
async def test_one_that_vanished_counts_whatever_became_of_the_command(failed: Exception | None) -> None:
    begun = asyncio.Event()

    async def work() -> None:
        async with answered():
            begun.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            if failed is not None:
                raise failed

    working = asyncio.create_task(work())
    await begun.wait()
    working.cancel()
    await asyncio.wait([working])
    assert working.cancelled()


@pytest.mark.parametrize("opening", [acquired, transaction])
async def test_one_is_not_lost_when_its_statement_cannot_be_ended(
    database_url: str, opening: Callable[[Pool], AbstractAsyncContextManager[Connection]]
) -> None:
    backend: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        while True:
            with contextlib.suppress(StorageUnavailableError):
                async with opening(pool) as connection:
                    if not backend.done():
                        backend.set_result(await connection.fetchval("select pg_backend_pid()"))
                    await connection.execute("select pg_sleep(1)")

    pool = await open_pool(database_url, size=1, name="test")
    others = asyncio.all_tasks()
    working = asyncio.create_task(work())
    os.kill(await backend, signal.SIGSTOP)
    try:
        working.cancel()
        await asyncio.wait([working], timeout=30)
        assert working.cancelled()
    finally:
        os.kill(backend.result(), signal.SIGCONT)
        await end(working, others)
        await close_pool(pool)
