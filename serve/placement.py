"""Bring the shards of the cluster this process is connected to in line with what settings and operators ask for."""

import asyncio
from functools import partial
from typing import Final

from actors.runtime import dedicated_name, ensure_shards
from serve.config import Settings
from serve.ports import open_ports
from storage.placement import dedicated_slots, pin_slots, plan_shards, planned_shards
from storage.postgres import close_pool, open_pool

_POOL: Final = "call-supervisor placement"


def arrange_shards(settings: Settings, *, count: int | None = None) -> None:
    """Start, replace and end shards until they are those wanted; `count` is an operator's new wish.

    Dedicated ones start before their slots are pinned to them, and end after. Raises what Ray raises, and
    StorageUnavailableError.
    """
    shards, slots = asyncio.run(_wanted(settings, count))
    ensure_shards(shards, partial(open_ports, settings), dedicated=slots, pin=partial(_pin, settings, slots))


async def _wanted(settings: Settings, count: int | None) -> tuple[int, list[int]]:
    pool = await open_pool(settings.direct_url, size=1, name=_POOL)
    try:
        if count is not None:
            await plan_shards(pool, count, configured=settings.shards)
        return await planned_shards(pool, settings.shards), await dedicated_slots(pool)
    finally:
        await close_pool(pool)


def _pin(settings: Settings, slots: list[int]) -> None:
    async def pin() -> None:
        pool = await open_pool(settings.direct_url, size=1, name=_POOL)
        try:
            await pin_slots(pool, {slot: dedicated_name(slot) for slot in slots})
        finally:
            await close_pool(pool)

    asyncio.run(pin())
