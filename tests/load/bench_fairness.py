"""What a noisy organization costs a quiet one: `python -m tests.load.bench_fairness`; BENCH=short takes seconds.

The quiet one's deliveries, from commit to first attempt, alone and beside ten thousand of the noisy one that wait for
its slow endpoint. On throwaway servers, Temporal's state in a file as `make up` has it, one worker process.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from serve.simulator.load.figures import Figure, Latencies
from tests.fakes.delivery_world import OTHER, DeliveryWorld, delivery_world
from tests.fakes.webhook_receiver import Received
from tests.load.durable_servers import durable_servers, worker_process
from tests.load.first_attempts import first_attempts
from tests.load.telling import chosen, json_file, tell
from workflows.client import TemporalUnavailableError, connect

WARM_UP: Final = 5
NOISY_SECONDS: Final = 1.0
"""So long the noisy one's endpoint takes, which is given five at once."""
ENDING_AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many deliveries are queued, and how many of the quiet one are measured, before and beside them."""

    noisy: int = 10_000
    quiet: int = 100
    per_second: float = 2.0


SHORT: Final = Size(noisy=30, quiet=5, per_second=5.0)


async def measure(size: Size) -> list[Figure]:
    async with durable_servers() as servers:
        return await measure_on(servers.database_url, servers.temporal_address, size)


async def measure_on(database_url: str, temporal_address: str, size: Size) -> list[Figure]:
    """The same, on servers that run."""
    client = await connect(temporal_address, lazy=False)
    async with delivery_world(database_url, client) as world, worker_process(_environment(world, temporal_address)):
        await world.add_organization(OTHER)
        await world.add_integration("/noisy")
        await world.add_integration("/quiet", organization_id=OTHER)
        await _first_attempts(world, "warm", WARM_UP, size.per_second)
        alone = await _first_attempts(world, "alone", size.quiet, size.per_second)
        await _queue(world, size.noisy)
        beside = await _first_attempts(world, "beside", size.quiet, size.per_second)
        left = await world.fetch("select count(*) from webhook_deliveries where status = 'pending'")
        return [*_figures(alone, beside), Figure(name="the noisy one's still queued then", unit="", value=left[0][0])]


async def _queue(world: DeliveryWorld, count: int) -> None:
    """As that many calls that ended do, one after the other in each of a few workers' activities."""
    numbers = iter(range(count))

    async def end_calls() -> None:
        for number in numbers:
            await world.end_call(f"noisy-{number}")
            await _told(world, f"noisy-{number}")

    async with asyncio.TaskGroup() as group:
        for _ in range(ENDING_AT_ONCE):
            group.create_task(end_calls())


async def _told(world: DeliveryWorld, call_id: str) -> None:
    """Again until a busy server took it in."""
    while True:
        try:
            await world.enqueue(call_id)
        except TemporalUnavailableError:
            await asyncio.sleep(1)
        else:
            return


async def _first_attempts(world: DeliveryWorld, name: str, count: int, per_second: float) -> Latencies:
    heard: dict[str, float] = {}

    async def noisy_is_slow(got: Received) -> None:
        if got.path == "/quiet":
            heard.setdefault(got.headers["webhook-id"], perf_counter())
        else:
            await asyncio.sleep(NOISY_SECONDS)

    world.receiver.first = noisy_is_slow
    names = [f"{name}-{number}" for number in range(count)]
    took = await first_attempts(world, names, organization_id=OTHER, per_second=per_second, heard=heard)
    latencies = Latencies()
    for seconds in took:
        latencies.record(seconds)
    return latencies


def _figures(alone: Latencies, beside: Latencies) -> list[Figure]:
    figures: list[Figure] = []
    for percentile in (50, 95):
        before, after = alone.percentile_ms(percentile), beside.percentile_ms(percentile)
        assert before is not None
        assert after is not None
        figures += [
            Figure(name=f"commit → first attempt, alone p{percentile}", unit="ms", value=before),
            Figure(name=f"beside the noisy one p{percentile}", unit="ms", value=after),
            Figure(name=f"factor p{percentile}", unit="times", value=after / before, budget=2.0),
        ]
    return figures


def _environment(world: DeliveryWorld, temporal_address: str) -> dict[str, str]:
    return {
        "DATABASE_URL": world.settings.database_url,
        "TEMPORAL_ADDRESS": temporal_address,
        "ENCRYPTION_KEY": world.settings.encryption_key.get_secret_value(),
        "RECORDINGS_URL": world.settings.recordings_url,
        "WEBHOOKS_INSECURE": "true",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    file = json_file("tests.load.bench_fairness", __doc__, arguments)
    size = chosen(Size(), SHORT)
    return tell(lambda: asyncio.run(measure(size)), title="Fairness of deliveries", file=file)


if __name__ == "__main__":
    sys.exit(main())
