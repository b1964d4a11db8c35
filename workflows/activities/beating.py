"""Signs of life of an activity that waits for others."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from temporalio import activity

_BEAT_SECONDS: Final = 3.0


@asynccontextmanager
async def beating() -> AsyncGenerator[None]:
    """Signs of life while it lasts, so that Temporal knows soon when this process is no more."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            activity.heartbeat()

    task = asyncio.create_task(beat())
    try:
        yield
    finally:
        task.cancel()
