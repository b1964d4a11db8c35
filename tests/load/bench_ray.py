"""On a Ray of its own: what an actor process per organization weighs, and how soon a killed shard serves again."""

import asyncio
import os
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, cast

import psutil
import ray

from actors.organization_actor import OrganizationActor
from actors.ports import Lease, UnavailableError
from actors.router import ShardRouter
from actors.runtime import ensure_shards, shard_handles, shard_pids
from actors.slots import slot_of
from serve.config import Settings
from serve.ports import open_ports
from tests.load.bench_world import World

PROJECT = Path(__file__).parents[2]
SERVED_SECONDS = 30.0
_ray = cast("Any", ray)


@contextmanager
def local_ray() -> Generator[None]:
    """A cluster for this process alone."""
    _ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(PROJECT)}},
    )
    try:
        yield
    finally:
        _ray.shutdown()


class OneOrganization:
    """An organization as a Ray actor: a process with ports of its own."""

    async def __init__(self, settings: Settings, organization_id: str) -> None:  # pyright: ignore[reportGeneralTypeIssues]  # Ray awaits it
        self._actor = await OrganizationActor.recover(
            organization_id,
            lease=Lease(slot=slot_of(organization_id), epoch=1),
            owner="bench",
            ports=await open_ports(settings),
        )

    async def pid(self) -> int:
        return os.getpid()


def weigh_actor_processes(settings: Settings, ids: list[str]) -> float:
    """Bytes that each process has to itself, on average: what a further one costs."""
    actor_class = _ray.remote(OneOrganization)
    actors = [actor_class.options(num_cpus=0.001).remote(settings, each) for each in ids]
    pids: list[int] = _ray.get([actor.pid.remote() for actor in actors], timeout=300)
    own = mean(psutil.Process(pid).memory_full_info().uss for pid in pids)
    for actor in actors:
        _ray.kill(actor)
    return own


async def kills(world: World, organization_id: str, *, times: int) -> list[float]:
    """Seconds from each kill -9 of the only shard to the first board it answers with."""
    opening = partial(open_ports, world.settings)
    await asyncio.to_thread(ensure_shards, 1, opening)
    ports = await world.ports()
    router = ShardRouter(ports.ownership, shard_handles())
    await router.start()
    taken: list[float] = []
    try:
        for _ in range(times):
            await _served(router, organization_id)
            (pid,) = (await asyncio.to_thread(shard_pids)).values()
            os.kill(pid, signal.SIGKILL)
            began = time.perf_counter()
            await _served(router, organization_id)
            taken.append(time.perf_counter() - began)
    finally:
        await router.close()
        await asyncio.to_thread(ensure_shards, 0, opening)
    return taken


async def _served(router: ShardRouter, organization_id: str) -> None:
    async with asyncio.timeout(SERVED_SECONDS):
        while True:
            try:
                await router.snapshot(organization_id)
            except UnavailableError:
                continue
            return
