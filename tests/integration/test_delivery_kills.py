"""Whoever delivers is killed at each point of a delivery: others come to the same, with its effects once."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from serve.stack.temporal_server import TemporalServer
from tests.fakes.delivery_world import DeliveryWorld, delivery_world
from tests.fakes.dying_worker import POINTS
from tests.fakes.processing_world import until
from tests.fakes.webhook_receiver import Received
from workflows.client import connect

CALLS_EACH = 3
KILLS = [(point, nth) for nth in (1, 2) for point in POINTS]


@pytest_asyncio.fixture
async def world(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[DeliveryWorld]:
    client = await connect(temporal_server.address, lazy=False)
    async with delivery_world(database_url, client) as made:
        yield made


def refuse_some_at_first(got: Received, before: int) -> int:
    """A third of the messages is refused when it comes for the first time."""
    return 500 if before == 0 and int(got.headers["webhook-id"][-1], 16) % 3 == 0 else 200


async def die(world: DeliveryWorld, address: str, point: str, nth: int) -> int | None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.dying_worker", address, world.settings.database_url, point, str(nth)
    )
    try:
        async with asyncio.timeout(60):
            return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.timeout(500)
async def test_workers_killed_at_every_point_of_the_way_come_to_the_same(
    world: DeliveryWorld, temporal_server: TemporalServer
) -> None:
    await world.add_integration()
    world.receiver.status_of = refuse_some_at_first
    for number, (point, nth) in enumerate(KILLS):
        for each in range(CALLS_EACH):
            await world.end_call(f"call-{number}-{each}")
            await world.enqueue(f"call-{number}-{each}")
        assert await die(world, temporal_server.address, point, nth) == -signal.SIGKILL, point

    async with world.working():

        async def all_delivered() -> bool:
            return all(row["status"] == "delivered" for row in await world.deliveries())

        await until(all_delivered, seconds=180)
    deliveries, attempts = await world.deliveries(), await world.attempts()
    assert len(deliveries) == CALLS_EACH * len(KILLS)
    assert {row["attempts"] for row in deliveries} <= {1, 2, 3}
    assert Counter(row["delivery_id"] for row in attempts) == {row["id"]: row["attempts"] for row in deliveries}
    taken = Counter(row["delivery_id"] for row in attempts if row["response_status"] == 200)
    assert taken == {row["id"]: 1 for row in deliveries}
    # What was sent and not written down says so, and came to the endpoint under the same name.
    interrupted = [row for row in attempts if not row["finished"]]
    assert {row["error"] for row in interrupted} <= {"interrupted"}
    assert 1 <= len(interrupted) <= len(KILLS)
    received = Counter(world.receiver.message_ids())
    assert set(received) == {f"msg_{row['id'].hex}" for row in deliveries}
    assert sum(received.values()) <= len(attempts)
    bodies = {(got.headers["webhook-id"], got.body) for got in world.receiver.received}
    assert len(bodies) == len(deliveries)
