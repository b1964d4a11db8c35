"""Whoever delivers is killed at each point of a delivery: others come to the same, with its effects once."""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import orjson
import pytest
import pytest_asyncio

from serve.stack.temporal_server import TemporalServer
from storage.endpoint_health import AT_ONCE, OPENS_AFTER
from tests.fakes.delivery_world import DeliveryWorld, delivery_world
from tests.fakes.dying_worker import POINTS
from tests.fakes.processing_world import until
from tests.fakes.webhook_receiver import Received
from workflows.client import connect

TIMES = int(os.environ.get("CHAOS_DELIVERY_KILLS", "1"))
CALLS_EACH = 3
REFUSED_AT = ("deciding to wait", "after it was sent", "after a refusal was written")
UNDER_WAY_AT_MOST = timedelta(seconds=40)
SEEN_DEAD_SECONDS = 60


@pytest_asyncio.fixture
async def world(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[DeliveryWorld]:
    client = await connect(temporal_server.address, lazy=False)
    async with delivery_world(database_url, client) as made:
        yield made


class DyingWorkers:
    """One after the other lives until it is killed at its point."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def die(self, point: str, nth: int) -> int:
        """Begin one, and return its exit code."""
        told, heard = self._process.stdin, self._process.stdout
        assert told is not None
        assert heard is not None
        told.write(f"{nth} {point}\n".encode())
        async with asyncio.timeout(SEEN_DEAD_SECONDS):
            return int(await heard.readline())


@asynccontextmanager
async def dying_workers(world: DeliveryWorld, address: str) -> AsyncGenerator[DyingWorkers]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.dying_worker", address, world.settings.database_url,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        yield DyingWorkers(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def refuse_at_first(got: Received, before: int) -> int:
    """Calls that are named so are refused when they come for the first time."""
    return 500 if before == 0 and orjson.loads(got.body)["data"]["call_id"].startswith("refused") else 200


def most_within(attempts: Sequence[asyncpg.Record], span: timedelta) -> int:
    """How many began within such a span, wherever it begins."""
    begun = [row["attempted_at"] for row in attempts]
    return max((sum(at <= each < at + span for each in begun) for at in begun), default=0)


def named(attempts: Sequence[asyncpg.Record]) -> Counter[str]:
    """How often an endpoint would see which message, if each of these reached it."""
    return Counter(f"msg_{row['delivery_id'].hex}" for row in attempts)


@pytest.mark.timeout(500)
@pytest.mark.parametrize("nth", range(1, TIMES + 1))
async def test_workers_killed_at_every_point_of_the_way_come_to_the_same(
    world: DeliveryWorld, temporal_server: TemporalServer, nth: int
) -> None:
    await world.add_integration()
    world.receiver.status_of = refuse_at_first
    refused: set[str] = set()
    async with dying_workers(world, temporal_server.address) as workers:
        for number, point in enumerate(POINTS):
            for each in range(CALLS_EACH):
                is_refused = point in REFUSED_AT and each < nth
                call_id = f"{'refused' if is_refused else 'taken'}-{number}-{each}"
                refused |= {call_id} if is_refused else set()
                await world.end_call(call_id)
                await world.enqueue(call_id)
            assert await workers.die(point, nth) == -signal.SIGKILL, point
    assert len(refused) < OPENS_AFTER * 0.7, "the circuit stays closed, and what is said of the attempts exact"

    async with world.working():

        async def all_delivered() -> bool:
            return all(row["status"] == "delivered" for row in await world.deliveries())

        await until(all_delivered, seconds=180)
    deliveries, attempts = await world.deliveries(), await world.attempts()
    assert len(deliveries) == CALLS_EACH * len(POINTS)
    assert Counter(row["delivery_id"] for row in attempts) == {row["id"]: row["attempts"] for row in deliveries}
    # An attempt was taken, refused or interrupted. Each delivery was taken once, and refused once at the most.
    of_taken = [row for row in attempts if row["response_status"] == 200]
    of_refused = [row for row in attempts if row["response_status"] == 500]
    interrupted = [row for row in attempts if not row["finished"]]
    assert len(of_taken) + len(of_refused) + len(interrupted) == len(attempts)
    assert Counter(row["delivery_id"] for row in of_taken) == {row["id"]: 1 for row in deliveries}
    assert set(Counter(row["delivery_id"] for row in of_refused).values()) == {1}
    may_be_refused = {row["id"] for row in deliveries if row["call_id"] in refused}
    assert {row["delivery_id"] for row in of_refused} <= may_be_refused
    # A try whose end was written is not made again, whoever comes next.
    tries = Counter(row["try_id"] for row in of_taken + of_refused)
    assert set(tries.values()) == {1}
    last = {row["try_id"]: row["attempt"] for row in attempts}
    assert all(last[row["try_id"]] == row["attempt"] for row in of_refused)
    # What was sent and not written down says so. No more are under way at once, and none that was cut short is over.
    assert {row["error"] for row in interrupted} == {"interrupted"}
    assert most_within(interrupted, UNDER_WAY_AT_MOST) <= AT_ONCE
    # It came to the endpoint under the same name each time: whatever was answered, and nothing that was not written.
    received = Counter(world.receiver.message_ids())
    assert named(of_taken + of_refused) <= received <= named(attempts)
    bodies = {(got.headers["webhook-id"], got.body) for got in world.receiver.received}
    assert len(bodies) == len(deliveries)
