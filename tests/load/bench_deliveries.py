"""From a delivery's commit to its first attempt: `python -m tests.load.bench_deliveries`; BENCH=short takes seconds.

On throwaway servers, Temporal's state in a file as `make up` has it, an endpoint that answers at once.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from serve.simulator.load.figures import Figure, Latencies
from tests.fakes.delivery_world import ORGANIZATION, DeliveryWorld, delivery_world
from tests.fakes.webhook_receiver import Received
from tests.load.durable_servers import durable_servers
from tests.load.first_attempts import first_attempts
from tests.load.telling import chosen, json_file, tell
from workflows.client import connect

WARM_UP: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many calls end, and how many of them each second."""

    calls: int = 300
    per_second: float = 10.0


SHORT: Final = Size(calls=10, per_second=10.0)


async def measure(size: Size) -> list[Figure]:
    async with durable_servers() as servers:
        return await measure_on(servers.database_url, servers.temporal_address, size)


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
    names = [f"call-{number}" for number in range(WARM_UP + size.calls)]
    took = await first_attempts(world, names, organization_id=ORGANIZATION, per_second=size.per_second, heard=heard)
    latencies = Latencies()
    for seconds in took[WARM_UP:]:
        latencies.record(seconds)
    return latencies


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


def main(arguments: Sequence[str] | None = None) -> int:
    file = json_file("tests.load.bench_deliveries", __doc__, arguments)
    size = chosen(Size(), SHORT)
    return tell(lambda: asyncio.run(measure(size)), title="Deliveries", file=file)


if __name__ == "__main__":
    sys.exit(main())
