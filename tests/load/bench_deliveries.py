"""From a delivery's commit to its first attempt: `python -m tests.load.bench_deliveries`; BENCH=short takes seconds.

On throwaway servers, Temporal's state in a file as `make up` has it, an endpoint that answers at once. A steady stream,
so that what is measured is the way and not the queue.
"""

import asyncio
import os
import secrets
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final
from uuid import UUID

from rich.console import Console

from serve.simulator.load.figures import Figure, Latencies, machine, print_figures
from serve.stack.temporal_server import start_temporal
from storage.embedded import start_postgres
from storage.migrate import migrate
from tests.fakes.delivery_world import DeliveryWorld, delivery_world
from tests.fakes.processing_world import until
from tests.fakes.webhook_receiver import Received
from workflows.client import connect
from workflows.delivery_signing import message_id

WARM_UP: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many calls end, and how many of them each second."""

    calls: int = 300
    per_second: float = 10.0


SHORT: Final = Size(calls=10, per_second=10.0)


async def measure(size: Size) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240 - before anything runs beside it; Postgres has a user of its own
        postgres = start_postgres(folder / "postgres", password=secrets.token_hex(16))
        temporal = start_temporal(folder / "temporal")
        try:
            await migrate(postgres.url)
            return await measure_on(postgres.url, temporal.address, size)
        finally:
            temporal.stop()
            postgres.stop()


async def measure_on(database_url: str, temporal_address: str, size: Size) -> list[Figure]:
    """The same, on servers that run."""
    client = await connect(temporal_address, lazy=False)
    async with delivery_world(database_url, client) as world, world.working():
        return _figures(await _first_attempts(world, size), size)


async def _first_attempts(world: DeliveryWorld, size: Size) -> Latencies:
    await world.add_integration()
    heard: dict[str, float] = {}

    def hear(got: Received, before: int) -> int:
        heard.setdefault(got.headers["webhook-id"], perf_counter())
        return 200 if before == 0 else 204

    world.receiver.status_of = hear
    total = WARM_UP + size.calls
    for number in range(total):
        await world.end_call(f"call-{number}")
    began: dict[str, float] = {}
    async with asyncio.TaskGroup() as group:
        for number in range(total):
            group.create_task(_enqueue(world, f"call-{number}", began))
            await asyncio.sleep(1 / size.per_second)

    async def all_heard() -> bool:
        return len(heard) == total

    await until(all_heard, seconds=120)
    ids = {row["call_id"]: row["id"] for row in await world.deliveries()}
    latencies = Latencies()
    for call_id, at in list(began.items())[WARM_UP:]:
        delivery_id: UUID = ids[call_id]
        latencies.record(heard[message_id(delivery_id)] - at)
    return latencies


async def _enqueue(world: DeliveryWorld, call_id: str, began: dict[str, float]) -> None:
    began[call_id] = perf_counter()
    await world.enqueue(call_id)


def _figures(latencies: Latencies, size: Size) -> list[Figure]:
    return [
        Figure(
            name=f"deliveries, {size.per_second:g}/s: commit → first attempt p{percentile}",
            unit="ms",
            value=latencies.percentile_ms(percentile),
            budget=1_000.0 if percentile == 99 else None,
        )
        for percentile in (50, 99)
    ]


def main() -> int:
    figures = asyncio.run(measure(SHORT if os.environ.get("BENCH") == "short" else Size()))
    print_figures(Console(), figures, machine(), title="Deliveries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
