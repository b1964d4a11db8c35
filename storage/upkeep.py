"""What Postgres needs done by the clock: partitions ahead, and what is old dropped."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import structlog

from storage import idempotency
from storage.errors import StorageUnavailableError
from storage.postgres import Pool, close_pool, open_pool, transaction
from storage.statements import statement

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 3_600.0
RETRY_SECONDS: Final = 30.0
_TASK_SECONDS: Final = 60.0


@asynccontextmanager
async def upkeep(database_url: str, *, prepared: bool) -> AsyncGenerator[None]:
    """Keep partitions ahead, bodies under 30 days, idempotency keys under one, refusals under 90, every hour.

    Any number of processes may: one at a time does the work. Nothing that fails ends it; it is logged and tried again.
    """
    pool = await open_pool(
        database_url, size=1, name="call-supervisor upkeep", statement_seconds=_TASK_SECONDS, prepared=prepared
    )
    keeping = asyncio.create_task(_keep(pool), name="upkeep")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await close_pool(pool)


async def _keep(pool: Pool) -> None:
    while True:
        pause = EVERY_SECONDS
        for task, run in _TASKS.items():
            try:
                await run(pool)
            except StorageUnavailableError as away:
                log.warning("upkeep waits for Postgres", task=task, reason=str(away))
                pause = RETRY_SECONDS
            except Exception:
                # A fault of one task must not keep the others from their turn, nor this one from its next.
                log.exception("upkeep failed", task=task)
                pause = RETRY_SECONDS
        await asyncio.sleep(pause)


async def _alone(name: str, pool: Pool) -> None:
    """One task, unless another process is at it. Gives way where its locks would keep webhooks waiting."""
    async with transaction(pool) as connection:
        if await connection.fetchval(statement("upkeep_alone")):
            await connection.execute(statement(name))


_TASKS: Final[Mapping[str, Callable[[Pool], Awaitable[object]]]] = {
    **{
        name: partial(_alone, name)
        for name in (
            "upkeep_ensure_partitions",
            "upkeep_drop_old_bodies",
            "upkeep_drop_old_controls",
            "upkeep_drop_old_refusals",
        )
    },
    "idempotency_purge": idempotency.purge,
}
