"""Whoever sets organizations up is killed at each point of an onboarding: others come to the same, once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from serve.stack.temporal_server import TemporalServer, start_temporal
from storage.onboarding import OnboardingKey
from tests.fakes.killed_worker import Death, KilledWorkers, killed_workers
from tests.fakes.mortal_world import burying
from tests.fakes.onboarding_judging import assert_nothing_left, assert_set_up
from tests.fakes.onboarding_world import (
    REFUSED_NUMBER,
    TEST_NUMBER,
    Customer,
    OnboardingWorld,
    onboarding_world,
)
from tests.fakes.points import Points
from tests.scratch import marker_of
from workflows.client import connect
from workflows.onboarding_contracts import onboarding_workflow_id

EVERY = 1 if "CHAOS_KILLS" in os.environ else 8
"""`make chaos` takes every point, `make test` one of eight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How an onboarding goes by the number its test call is placed to, and what then must hold."""

    test_number: str
    result: str
    judge: Callable[[OnboardingWorld, Customer, OnboardingKey], Awaitable[None]]


WAYS = (
    Way(test_number=TEST_NUMBER, result="completed", judge=assert_set_up),
    Way(test_number=REFUSED_NUMBER, result="failed", judge=assert_nothing_left),
)


@pytest.fixture(scope="module")
def workers() -> Iterator[KilledWorkers]:
    with killed_workers() as made:
        yield made


@pytest.fixture(scope="module")
def temporal(servers_folder: Path) -> Iterator[TemporalServer]:
    """One of its own: nobody here works on what follows the test calls, and it would stay for the tests that come."""
    server = start_temporal(servers_folder / "temporal-kills", marker=marker_of(servers_folder), durable=False)
    yield server
    server.stop()


@pytest_asyncio.fixture
async def world(
    database_url: str, redis_url: str, tmp_path: Path, temporal: TemporalServer
) -> AsyncIterator[OnboardingWorld]:
    client = await connect(temporal.address, lazy=False)
    async with onboarding_world(tmp_path, database_url=database_url, redis_url=redis_url, client=client) as made:
        yield made


def told(world: OnboardingWorld) -> dict[str, Any]:
    settings = world.settings.worker.model_dump()
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in settings.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An onboarding under way."""

    way: Way
    customer: Customer
    key: OnboardingKey

    @property
    def workflow_id(self) -> str:
        return onboarding_workflow_id(str(self.key.id))


async def begin(world: OnboardingWorld, way: Way) -> Begun:
    customer = await world.add_customer()
    key = await world.ask(customer, test_number=way.test_number)
    await world.start(key)
    return Begun(way=way, customer=customer, key=key)


async def finish(world: OnboardingWorld, begun: Sequence[Begun]) -> None:
    """Every one comes to what its way must."""
    async with asyncio.timeout(200):
        results = await asyncio.gather(*(world.handle(each.key).result() for each in begun))
    assert results == [each.way.result for each in begun]
    for each in begun:
        await each.way.judge(world, each.customer, each.key)


@pytest.mark.timeout(500)
async def test_workers_killed_at_every_point_come_to_the_same(world: OnboardingWorld, workers: KilledWorkers) -> None:
    points = Points()
    async with world.passing(points):
        lived = [await begin(world, way) for way in WAYS]
        await finish(world, lived)
    died: list[Begun] = []
    stop_at: dict[str, int] = {}
    for each in lived:
        for number in range(1, points.counted[each.workflow_id] + 1, EVERY):
            died.append(await begin(world, each.way))
            stop_at[died[-1].workflow_id] = number
    death = Death(address=world.address, settings=told(world), stop_at=stop_at)
    assert await workers.die(death) == -signal.SIGKILL
    async with burying(world.client), world.working():
        await finish(world, died)
