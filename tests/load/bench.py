"""The actors' figures beside their budgets: `python -m tests.load.bench [--json FILE]`; BENCH=short takes seconds.

Every part runs on throwaway servers in a database of its own, several times where it is short; what is told is the
median of the runs.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from statistics import median

import structlog

from actors.domain.admission import ACCEPTED, CONCURRENCY
from serve.simulator.load.figures import Figure, Latencies
from tests.load.bench_admission import Asking
from tests.load.bench_ray import kills, local_ray, weigh_actor_processes
from tests.load.bench_shard import BusyShard, activations, weigh
from tests.load.bench_world import World, running_servers
from tests.load.telling import chosen, json_file, tell

MIB = 2**20
AT_SCALE = 10_000
REPLAYED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much of each is done."""

    organizations: int = AT_SCALE
    live_calls: int = 3
    actor_processes: int = 10
    activated: int = 200
    busy: int = 500
    events_each: int = 10
    per_second: float = 200.0
    paced_each: int = 4
    asking: int = 100
    asked_each: int = 5
    asked_per_second: float = 50.0
    kills: int = 5
    runs: int = 3


SHORT = Size(
    organizations=50,
    actor_processes=1,
    activated=5,
    busy=10,
    events_each=2,
    per_second=50.0,
    paced_each=1,
    asking=5,
    asked_each=2,
    kills=1,
    runs=1,
)


async def measure(size: Size) -> list[Figure]:
    """Every figure, part by part, each in databases of its own."""
    figures: list[Figure] = []
    async with running_servers() as servers:
        for number, part in enumerate((memory, activation, throughput, admission, on_ray), start=1):
            async with servers.world(number) as world:
                figures += await part(world, size)
    return figures


async def memory(world: World, size: Size) -> list[Figure]:
    """One shard full of live organizations. Its own process, so that nothing else is weighed."""
    ids = await world.organizations(size.organizations)
    await world.history(ids, calls=size.live_calls, events=2 * size.live_calls)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        weight = await asyncio.wrap_future(process.submit(weigh, world.settings, size.organizations))
    each = (weight.full - weight.empty) / size.organizations
    name = f"{size.organizations:,} live organizations in one shard"
    budget = 1024.0 if size.organizations == AT_SCALE else None
    return [
        Figure(name=f"{name}: memory of the process", unit="MiB", value=weight.full / MIB, budget=budget),
        Figure(name="memory per organization", unit="bytes", value=each),
        Figure(name=f"{name}: all brought up", unit="ms", value=weight.seconds * 1000),
    ]


async def activation(world: World, size: Size) -> list[Figure]:
    """Organizations with 200 events of ten live calls, rebuilt from Postgres and with a snapshot."""
    ids = await world.organizations(size.activated)
    await world.history(ids, calls=10, events=REPLAYED)
    ports = await world.ports()
    replayed = [await activations(ports, ids, saved=False) for _ in range(size.runs)]
    saved = [await activations(ports, ids, saved=True) for _ in range(size.runs)]
    return [
        *_medians(f"activation, {REPLAYED} events replayed", replayed, {99: 50.0}),
        *_medians("activation, snapshot in Redis", saved, {99: 50.0}),
    ]


async def throughput(world: World, size: Size) -> list[Figure]:
    """Events through one shard: as fast as it can, and at a fixed rate."""
    ids = await world.organizations(size.busy)
    await world.history(ids, calls=1, events=1)
    shard = BusyShard(await world.ports())
    await shard.start(size.busy)
    fastest = [await shard.apply(await world.arrivals(ids, each=size.events_each)) for _ in range(size.runs)]
    paced = [
        await shard.pace(partial(world.arrivals, each=1), [*ids] * size.paced_each, per_second=size.per_second)
        for _ in range(size.runs)
    ]
    await shard.shard.stop()
    return [
        Figure(name="events committed and published by one shard", unit="/s", value=median(fastest)),
        *_medians(f"handed over to published, {size.per_second:g} events/s", paced, {}),
    ]


async def admission(world: World, size: Size) -> list[Figure]:
    """Calls that ask to begin, beside live ones: some find a slot free, the others are refused."""
    latencies: list[Latencies] = []
    shard = BusyShard(await world.ports())
    await shard.start(0)
    for _ in range(size.runs):
        ids = await world.organizations(size.asking)
        await world.limit(ids, concurrency=size.live_calls + 1)
        await world.history(ids, calls=size.live_calls, events=size.live_calls)
        for organization_id in ids:
            await shard.shard.snapshot(organization_id)
        asking = Asking(world, shard.shard)
        latencies.append(await asking.pace(ids, each=size.asked_each, per_second=size.asked_per_second))
        decided = {ACCEPTED: size.asking, CONCURRENCY: size.asking * (size.asked_each - 1)}
        if asking.outcomes != decided:
            raise AssertionError(f"decided {asking.outcomes}, not {decided}")
    await shard.shard.stop()
    name = f"a call asks to begin, {size.asked_per_second:g}/s: its answer"
    return _medians(name, latencies, {50: 50.0, 99: 50.0})


async def on_ray(world: World, size: Size) -> list[Figure]:
    """What Ray alone can tell."""
    ids = list(await world.organizations(size.actor_processes))
    await world.history(ids, calls=size.live_calls, events=2 * size.live_calls)
    with local_ray():
        own = await asyncio.to_thread(weigh_actor_processes, world.settings, ids)
        seconds = await kills(world, ids[0], times=size.kills)
    return [
        Figure(name="an organization as a Ray actor of its own: memory", unit="MiB", value=own / MIB),
        Figure(name=f"{AT_SCALE:,} of them, extrapolated", unit="MiB", value=own * AT_SCALE / MIB),
        Figure(name="kill -9 of the shard to its next answer, median", unit="ms", value=median(seconds) * 1000),
        Figure(name="the longest", unit="ms", value=max(seconds) * 1000, budget=3000.0),
    ]


def _medians(name: str, runs: Sequence[Latencies], budgets: dict[float, float]) -> list[Figure]:
    return [
        Figure(
            name=f"{name} p{percentile}",
            unit="ms",
            value=median(run.percentile_ms(percentile) or 0.0 for run in runs),
            budget=budgets.get(percentile),
        )
        for percentile in (50, 99)
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    file = json_file("tests.load.bench", __doc__, arguments)
    size = chosen(Size(), SHORT)
    return tell(lambda: asyncio.run(measure(size)), title="Actors", file=file)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.exit(main())
