"""An organization with a long queue does not make another's wait."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import pytest
import pytest_asyncio
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.service import RPCError

from serve.stack.temporal_server import TemporalServer
from storage.deliveries import DeliveryKey, DeliveryStore
from storage.delivery_writing import AT_DOOR
from storage.endpoint_health import AT_ONCE
from tests.fakes.delivery_world import ORGANIZATION, OTHER, DeliveryWorld, delivery_world
from tests.fakes.processing_world import until
from workflows.client import TemporalUnavailableError, connect
from workflows.delivery_contracts import WEBHOOK_DELIVERIES_QUEUE

ENDPOINTS = 4
NOISY = 200
QUIET = 5


@pytest_asyncio.fixture
async def world(database_url: str, temporal_server: TemporalServer) -> AsyncIterator[DeliveryWorld]:
    client = await connect(temporal_server.address, lazy=False)
    async with delivery_world(database_url, client) as made:
        await made.add_organization(OTHER)
        yield made


async def test_organizations_take_turns_at_the_queue(world: DeliveryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is queued last by an organization with little goes out before most of what another queued first."""
    turns: list[str] = []
    begin = DeliveryStore.begin

    async def noting(store: DeliveryStore, key: DeliveryKey, **named: object) -> object:
        turns.append(str(key.organization_id))
        return await begin(store, key, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(DeliveryStore, "begin", noting)
    for number in range(ENDPOINTS):
        await world.add_integration(f"/noisy/{number}")
    await world.add_integration("/quiet", organization_id=OTHER)
    calls = NOISY // ENDPOINTS
    for number in range(calls):
        await world.end_call(f"noisy-{number}")
    await asyncio.gather(*(_enqueue(world, f"noisy-{number}", ORGANIZATION) for number in range(calls)))
    for number in range(QUIET):
        await world.end_call(f"quiet-{number}", organization_id=OTHER)
        await _enqueue(world, f"quiet-{number}", OTHER)
    # Temporal queues a started workflow in its own time: turns are taken among those that are in the queue.
    await until(lambda: _queued(world, NOISY + QUIET), seconds=60)
    async with world.working(max_concurrent_activities=5, max_concurrent_workflow_tasks=5, max_cached_workflows=20):
        await until(lambda: _received(world, "/quiet", QUIET), seconds=60)
    last = max(place for place, organization_id in enumerate(turns) if organization_id == OTHER)
    assert turns[:last].count(ORGANIZATION) < NOISY / 4
    # The server is shared: whoever comes next does not stand in line behind what is left.
    left = [row["id"] for row in await world.deliveries() if row["status"] == "pending"]
    await asyncio.gather(*(_end(world, each) for each in left))


async def test_an_endpoint_gets_a_few_requests_at_once_and_all_of_them_in_the_end(world: DeliveryWorld) -> None:
    await world.add_integration("/slow")
    world.receiver.hold = asyncio.Event()
    for number in range(4 * AT_ONCE):
        await world.end_call(f"call-{number}")
        await world.enqueue(f"call-{number}")
    async with world.working():
        await until(lambda: _received(world, "/slow", AT_ONCE))
        await until(lambda: _in_line(world, 3 * AT_ONCE))
        assert len(world.receiver.received) == AT_ONCE
        world.receiver.hold.set()
        await world.status_is("delivered")
    assert world.receiver.most_at_once == AT_ONCE
    assert len(set(world.receiver.message_ids())) == len(world.receiver.received) == 4 * AT_ONCE


async def test_more_than_stand_at_the_door_wait_in_line_as_rows_and_come_in_order(world: DeliveryWorld) -> None:
    """However much is queued for an endpoint, Temporal knows of the few at its door."""
    await world.add_integration("/noisy")
    await world.add_integration("/quiet", organization_id=OTHER)
    world.receiver.hold = asyncio.Event()
    for number in range(2 * AT_DOOR):
        await world.end_call(f"call-{number}")
        await world.enqueue(f"call-{number}")
    await world.end_call("quiet", organization_id=OTHER)
    assert await world.enqueue("quiet", organization_id=OTHER) == 1
    assert await _places(world) == (AT_DOOR + 1, AT_DOOR)
    async with world.working():
        await until(lambda: _received(world, "/noisy", AT_ONCE))
        # Those that are being attempted left the door, and as many came to it.
        await until(lambda: _in_line_are(world, AT_DOOR - AT_ONCE))
        came = [row["call_id"] for row in await world.deliveries() if row["in_line_since"] is None]
        assert set(came) - {"quiet"} == {f"call-{number}" for number in range(AT_DOOR + AT_ONCE)}
        world.receiver.hold.set()
        await until(lambda: _received(world, "/noisy", 2 * AT_DOOR), seconds=60)
        await world.status_is("delivered")
    assert await _places(world) == (0, 0)
    assert len(set(world.receiver.message_ids("/noisy"))) == len(world.receiver.message_ids("/noisy")) == 2 * AT_DOOR


async def test_what_fails_keeps_nobody_from_the_door(world: DeliveryWorld) -> None:
    await world.add_integration("/failing")
    world.receiver.status = 500
    for number in range(AT_ONCE):
        await world.end_call(f"call-{number}")
        await world.enqueue(f"call-{number}")
    assert await _places(world) == (AT_ONCE, 0)
    async with world.working():
        await until(lambda: _received(world, "/failing", AT_ONCE))
    assert await _places(world) == (0, 0)
    assert {row["status"] for row in await world.deliveries()} == {"pending"}


async def _enqueue(world: DeliveryWorld, call_id: str, organization_id: str) -> None:
    """As the call's workflow does it: again until a busy server took it in."""
    async with asyncio.timeout(60):
        while True:
            with suppress(TemporalUnavailableError):
                await world.enqueue(call_id, organization_id=organization_id)
                return


async def _queued(world: DeliveryWorld, count: int) -> bool:
    asked = DescribeTaskQueueRequest(
        namespace=world.client.namespace,
        task_queue=TaskQueue(name=WEBHOOK_DELIVERIES_QUEUE),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        report_stats=True,
    )
    described = await world.client.workflow_service.describe_task_queue(asked)
    return described.stats.approximate_backlog_count >= count


async def _end(world: DeliveryWorld, delivery_id: UUID) -> None:
    with suppress(RPCError):
        await world.handle(delivery_id).terminate()


async def _places(world: DeliveryWorld) -> tuple[int, int]:
    """How many stand at a door, and how many in line."""
    rows = await world.deliveries()
    return sum(row["at_door"] for row in rows), sum(row["in_line_since"] is not None for row in rows)


async def _in_line_are(world: DeliveryWorld, count: int) -> bool:
    return (await _places(world))[1] == count


async def _received(world: DeliveryWorld, path: str, times: int) -> bool:
    return len(world.receiver.message_ids(path)) >= times


async def _in_line(world: DeliveryWorld, times: int) -> bool:
    [row] = await world.fetch("select count(*) from webhook_deliveries where status = 'pending' and attempts = 0")
    return row["count"] >= times
