"""A task that talks to Redis all the time ends when it is told to, wherever it stands."""

import asyncio
import contextlib

import pytest

from storage.redis import answered, open_redis


@pytest.mark.parametrize("steps", range(40))
async def test_a_cancellation_is_never_lost(redis_url: str, steps: int) -> None:
    gone_on = False
    async with open_redis(redis_url) as redis:

        async def work() -> None:
            while not gone_on:
                async with answered():
                    await redis.ping()  # pyright: ignore[reportUnknownMemberType]

        working = asyncio.create_task(work())
        for _ in range(100 + steps):
            await asyncio.sleep(0)
        working.cancel()
        done, _ = await asyncio.wait([working], timeout=5)
        gone_on = True
        await asyncio.wait([working])
        assert done
        assert working.cancelled()


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
