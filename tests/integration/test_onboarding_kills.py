"""Whoever sets organizations up is killed at each point of an onboarding: others come to the same, once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
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

EVERY = 1 if "CHAOS_KILLS" in os.environ else 5
"""`make chaos` takes every point, `make test` one of five."""


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


async def begin(world: OnboardingWorld, test_number: str) -> tuple[Customer, OnboardingKey]:
    customer = await world.add_customer()
    key = await world.ask(customer, test_number=test_number)
    await world.start(key)
    return customer, key


@pytest.mark.skipif(EVERY > 1, reason="belongs to make chaos: its workers were once seen to hang at their end")
@pytest.mark.timeout(500)
@pytest.mark.parametrize(
    ("test_number", "result", "judge"),
    [(TEST_NUMBER, "completed", assert_set_up), (REFUSED_NUMBER, "failed", assert_nothing_left)],
    ids=["set up", "taken back"],
)
async def test_workers_killed_at_every_point_come_to_the_same(
    world: OnboardingWorld,
    workers: KilledWorkers,
    test_number: str,
    result: str,
    judge: Any,
) -> None:
    points = Points()
    async with world.passing(points):
        lived = await begin(world, test_number)
        assert await world.handle(lived[1]).result() == result
    await judge(world, *lived)
    count = points.counted[onboarding_workflow_id(str(lived[1].id))]
    died = {number: await begin(world, test_number) for number in range(1, count + 1, EVERY)}
    stop_at = {onboarding_workflow_id(str(key.id)): number for number, (_, key) in died.items()}
    death = Death(address=world.address, settings=told(world), stop_at=stop_at)
    assert await workers.die(death) == -signal.SIGKILL
    async with burying(world.client), world.working():
        async with asyncio.timeout(200):
            results = await asyncio.gather(*(world.handle(key).result() for _, key in died.values()))
    assert set(results) == {result}
    for customer, key in died.values():
        await judge(world, customer, key)
