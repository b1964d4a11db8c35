"""Endpoints are told that a call began and that an incident opened and closed, each once, with what it tells of."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
import pytest_asyncio

from actors.domain.admission import ACCEPTED, CLOSED, CONCURRENCY, OVER_MINUTES, UNCHECKED
from tests.fakes.delivery_world import CALL, ORGANIZATION, OTHER, DeliveryWorld, skipping_world
from tests.fakes.processing_world import until
from workflows.delivery_payloads import event_payload

EVENTS = ("call.started", "call.completed", "incident.opened", "incident.closed")


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[DeliveryWorld]:
    async with skipping_world(database_url, Path(sys.prefix) / "bin" / "temporal-test-server") as made:
        yield made


async def open_incident(world: DeliveryWorld, organization_id: str = ORGANIZATION) -> UUID:
    incident_id = uuid4()
    await world.execute(
        "insert into incidents (organization_id, incident_id, slot, rule, metric, severity, threshold, call_id,"
        " evidence, opened_at) values ($1, $2, 1, 'call-silent', 'silence_seconds', 'warning', 15, $3, $4, now())",
        organization_id, incident_id, CALL,
        {"value": 16.0, "since": 1_790_000_000_000, "call_id": CALL, "detail": None},
    )  # fmt: skip
    return incident_id


async def recover(world: DeliveryWorld) -> None:
    await world.execute("update incidents set recovered_at = now()")


async def waiting(world: DeliveryWorld) -> list[str]:
    return [row["event"] for row in await world.fetch("select event from endpoint_events order by event")]


async def take_up(world: DeliveryWorld) -> int:
    return len((await world.parts.events.take_up(payload_of=event_payload, limit=100)).waiting)


async def received(world: DeliveryWorld, number: int) -> bool:
    return len(world.receiver.received) >= number and await waiting(world) == []


def told(world: DeliveryWorld) -> list[tuple[str, Any]]:
    documents = [orjson.loads(got.body) for got in world.receiver.received]
    return sorted((each["type"], each["data"].get("call_id")) for each in documents)


async def test_each_event_is_told_once_to_those_who_want_it(world: DeliveryWorld) -> None:
    hook = await world.add_integration(events=EVENTS)
    await world.add_integration("/closed", events=["incident.closed"])
    async with world.working():
        await world.end_call()
        await world.enqueue()
        await open_incident(world)
        await recover(world)
        await recover(world)
        await until(lambda: received(world, 5))
        await world.status_is("delivered")
    assert told(world) == [
        ("call.completed", CALL),
        ("call.started", CALL),
        ("incident.closed", CALL),
        ("incident.closed", CALL),
        ("incident.opened", CALL),
    ]
    assert len(set(world.receiver.message_ids())) == 5
    at_hook = [got for got in world.receiver.received if got.path == "/hook"]
    assert all(got.is_signed_by(world.secrets[hook]) for got in at_hook)


async def test_an_event_written_down_again_is_delivered_once(world: DeliveryWorld) -> None:
    await world.add_integration(events=EVENTS)
    await world.end_call()
    incident_id = await open_incident(world)
    assert await waiting(world) == ["call.started", "incident.opened"]
    assert await take_up(world) == 2
    await world.execute(
        "insert into endpoint_events (organization_id, event, subject) values ($1, 'incident.opened', $2)",
        ORGANIZATION, str(incident_id),
    )  # fmt: skip
    await take_up(world)
    assert await waiting(world) == []
    assert len(await world.deliveries()) == 2


async def test_several_who_take_up_at_once_write_each_delivery_once(world: DeliveryWorld) -> None:
    await world.add_integration(events=EVENTS)
    for number in range(20):
        await world.end_call(f"call-{number}")
    assert sum(await asyncio.gather(*(take_up(world) for _ in range(4)))) == 20
    assert len(await world.deliveries()) == 20


async def test_what_is_not_committed_is_not_told(world: DeliveryWorld) -> None:
    await world.add_integration(events=EVENTS)
    async with world.pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute(
            "insert into calls (id, created_at, organization_id, provider_call_id, status, last_event_at,"
            " last_event_kind, version) values ($1, now(), $2, 'undone', 'ringing', now(), 'status-update', 1)",
            uuid4(), ORGANIZATION,
        )  # fmt: skip
        assert await connection.fetchval("select count(*) from endpoint_events") == 1
        await undone.rollback()
    assert await waiting(world) == []


async def test_nothing_is_written_for_those_who_do_not_want_it(world: DeliveryWorld) -> None:
    await world.add_organization(OTHER)
    await world.add_integration()
    await world.add_integration("/other", organization_id=OTHER, events=EVENTS)
    await world.end_call()
    await open_incident(world)
    await recover(world)
    assert await waiting(world) == []


async def test_a_scheduled_call_has_not_begun(world: DeliveryWorld) -> None:
    await world.add_integration(events=["call.started"])
    await world.execute(
        "insert into calls (id, created_at, organization_id, provider_call_id, status, last_event_at, last_event_kind,"
        " version) values ($1, now(), $2, 'later', 'scheduled', now(), 'status-update', 1)",
        uuid4(), ORGANIZATION,
    )  # fmt: skip
    assert await waiting(world) == []
    for status in ("queued", "ringing", "in-progress"):
        await world.execute("update calls set status = $1", status)
    assert await waiting(world) == ["call.started"]


async def add_call(world: DeliveryWorld, call_id: str, *, status: str, admission: str | None) -> None:
    await world.execute(
        "insert into calls (id, created_at, organization_id, provider_call_id, status, last_event_at, last_event_kind,"
        " version, admission) values ($1, now(), $2, $3, $4, now(), 'assistant-request', 1, $5)",
        uuid4(), ORGANIZATION, call_id, status, admission,
    )  # fmt: skip


async def test_a_call_that_was_refused_has_not_begun(world: DeliveryWorld) -> None:
    await world.add_integration(events=["call.started"])
    await add_call(world, "closed", status="ringing", admission=CLOSED)
    await add_call(world, "full", status="scheduled", admission=CONCURRENCY)
    for status in ("ringing", "in-progress", "ended"):
        # VAPI reads the refusal out: that the call goes on meanwhile begins nothing.
        await world.execute("update calls set status = $1", status)
    assert await waiting(world) == []
    for call_id, admission in (("let in", ACCEPTED), ("let through", UNCHECKED), ("late", OVER_MINUTES), ("out", None)):
        await add_call(world, call_id, status="ringing", admission=admission)
    assert await waiting(world) == ["call.started"] * 4


pytestmark = pytest.mark.timeout(120)
