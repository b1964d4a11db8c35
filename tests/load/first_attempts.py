"""From a delivery's commit to its first attempt, in a steady stream: what is measured is the way and not the queue."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from time import perf_counter
from typing import Final
from uuid import UUID

from tests.fakes.delivery_world import DeliveryWorld
from tests.fakes.processing_world import until
from workflows.delivery_signing import message_id

_PATIENCE_SECONDS: Final = 120.0
SEED: Final = 20


async def first_attempts(
    world: DeliveryWorld, names: Sequence[str], *, organization_id: str, per_second: float, heard: Mapping[str, float]
) -> Sequence[float]:
    """Seconds for each call of these names, which end at that pace on average: in step with nothing that has a beat.

    `heard` is when the endpoint got each message first, by its id (`perf_counter`); whoever plays it fills it in.
    """
    for name in names:
        await world.end_call(name, organization_id=organization_id)
    began: dict[str, float] = {}

    async def enqueue(name: str) -> None:
        began[name] = perf_counter()
        await world.enqueue(name, organization_id=organization_id)

    arrivals = Random(SEED)
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(enqueue(name))
            await asyncio.sleep(arrivals.expovariate(per_second))

    async def all_heard() -> bool:
        return len(heard) == len(names)

    await until(all_heard, seconds=_PATIENCE_SECONDS)
    rows = await world.fetch("select id, call_id from webhook_deliveries")
    ids: Mapping[str, UUID] = {row["call_id"]: row["id"] for row in rows}
    return [heard[message_id(ids[name])] - began[name] for name in names]
