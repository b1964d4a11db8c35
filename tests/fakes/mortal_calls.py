"""Runs of the workflows that are about one call, or about what an endpoint is told; see mortal_kind."""

from collections import Counter
from datetime import UTC, datetime
from typing import Final
from uuid import UUID, uuid4

import orjson

from storage.delivery_writing import DeliveryWriter
from storage.inbox import Inbox, NewEvent
from tests.fakes.mortal_kind import Kind, now_ms
from tests.fakes.mortal_world import MortalWorld, organization_of
from tests.fakes.processing_world import PLANTED_NUMBER, report_body
from workflows.activities.deliveries import DeliveryWriting
from workflows.client import TemporalProcessing
from workflows.contracts import CallRef, processing_workflow_id
from workflows.delivery_contracts import delivery_workflow_id, replay_workflow_id
from workflows.delivery_signing import message_id
from workflows.delivery_starts import DeliveryStarts

RECORDING: Final = b"RIFF" + bytes(range(256))
REFUSED_AT_FIRST: Final = "/refuses-at-first"
_SECONDS: Final = 61


async def _end_call(world: MortalWorld, organization_id: str, call_id: str, transcript: str | None = None) -> None:
    """A call that is over and reported, as the door and its owner leave it."""
    at, row_id = datetime.now(UTC), uuid4()
    more = {} if transcript is None else {"transcript": transcript}
    body = report_body(world.vapi.base_url, call={"id": call_id, "customer": {"number": PLANTED_NUMBER}}, **more)
    await world.pool.execute("insert into call_keys values ($1, $2, $3, $4)", organization_id, call_id, row_id, at)
    await world.pool.execute(
        "insert into calls (id, created_at, organization_id, provider_call_id, status, ended_reason, from_number,"
        " ended_at, duration_ms, last_event_at, last_event_kind, version)"
        " values ($1, $2, $3, $4, 'ended', 'customer-ended-call', $5, $2, $6, $2, 'end-of-call-report', 1)",
        row_id, at, organization_id, call_id, PLANTED_NUMBER, _SECONDS * 1000,
    )  # fmt: skip
    inbox = Inbox(world.pool)
    await inbox.accept(
        NewEvent(
            organization_id=organization_id,
            provider="vapi",
            event_key=f"end-of-call-report:{call_id}",
            type="end-of-call-report",
            call_id=call_id,
            facts={"status": "ended", "fields": {"duration_ms": _SECONDS * 1000, "ended_at": now_ms()}},
            occurred_at=now_ms(),
            received_at=now_ms(),
            body=orjson.dumps(body),
        )
    )
    await inbox.close()


async def prepare_call(world: MortalWorld, name: str, transcript: str | None = None) -> str:
    """A call of an organization that has everything: recipients, an endpoint, a metered plan. The organization's id."""
    organization_id = await world.add_organization(name, customer=True)
    await world.add_recipients(organization_id, "call-completed")
    await world.add_integration(organization_id, f"/{name}")
    await _end_call(world, organization_id, name, transcript)
    return organization_id


async def start_call(world: MortalWorld, name: str, transcript: str | None = None) -> str:
    organization_id = await prepare_call(world, name, transcript)
    await TemporalProcessing(world.client).signal(organization_id, name)
    return processing_workflow_id(organization_id, name)


async def _effects_of_call(world: MortalWorld, name: str) -> dict[str, object]:
    organization_id = organization_of(name)
    of = UUID(organization_id)
    internal = await world.rows(
        "select type from webhook_inbox where organization_id = $1 and provider = 'internal'", of
    )
    received = world.receiver.message_ids(f"/{name}")
    deliveries = await world.rows("select id, status from webhook_deliveries where organization_id = $1", of)
    return {
        "transcripts": await world.rows("select count(*) from call_transcripts where organization_id = $1", of),
        "costs": await world.rows("select cost_micros from call_costs where organization_id = $1", of),
        "actions": await world.rows(
            "select position from call_actions where organization_id = $1 order by position", of
        ),
        "recordings": await world.rows("select bytes from call_recordings where organization_id = $1", of),
        "told the owner": sorted(internal),
        "charged": await world.rows(
            "select entry, seconds from usage_ledger where organization_id = $1 order by entry", of
        ),
        "counted by Stripe": [each.value for each in world.stripe.counted if each.customer == f"cus-{name}"],
        "texts": sum(name in text["body"] for text in world.messages.texts),
        "emails": sum(name in email["text"] for email in world.messages.emails.values()),
        "messages": await world.rows(
            "select channel, status from notifications where organization_id = $1 order by channel", of
        ),
        "deliveries": [status for _, status in deliveries],
        "names at the endpoint": set(received) == {message_id(delivery_id) for delivery_id, _ in deliveries},
    }


CALLS: Final = Kind(
    name="call",
    start=start_call,
    effects=_effects_of_call,
    result="processed",
    expected={
        "transcripts": [(1,)],
        "costs": [(91_200,)],
        "actions": [(1,), (2,)],
        "recordings": [(len(RECORDING),)],
        "told the owner": [("call-processed",), ("recording-stored",)],
        "charged": [(1, _SECONDS)],
        "counted by Stripe": [_SECONDS],
        "texts": 1,
        "emails": 1,
        "messages": [("email", "sent"), ("sms", "queued")],
        "deliveries": ["delivered"],
        "names at the endpoint": True,
    },
)


async def _start_delivery(world: MortalWorld, name: str) -> str:
    """One that its endpoint refuses when it comes for the first time."""
    organization_id = await world.add_organization(name)
    await world.add_integration(organization_id, f"{REFUSED_AT_FIRST}/{name}")
    await _end_call(world, organization_id, name)
    writing = DeliveryWriting(DeliveryWriter(world.pool), DeliveryStarts(world.client))
    await writing.enqueue_deliveries(CallRef(organization_id=organization_id, call_id=name))
    [(delivery_id,)] = await world.rows(
        "select id from webhook_deliveries where organization_id = $1", UUID(organization_id)
    )
    return delivery_workflow_id(str(delivery_id))


async def _effects_of_delivery(world: MortalWorld, name: str) -> dict[str, object]:
    """It was taken once. What was sent and not written down came again, as an attempt of its own."""
    of = UUID(organization_of(name))
    [(delivery_id, status)] = await world.rows(
        "select id, status from webhook_deliveries where organization_id = $1", of
    )
    attempts = await world.rows(
        "select response_status, finished, error from webhook_delivery_attempts where organization_id = $1", of
    )
    received = Counter(world.receiver.message_ids(f"{REFUSED_AT_FIRST}/{name}"))
    written = Counter(response for response, finished, _ in attempts if finished)
    return {
        "status": status,
        "taken": written[200],
        "refused at most once": written[500] <= 1,
        "cut short": {error for _, finished, error in attempts if not finished} <= {"interrupted"},
        "one name": received.keys() == {message_id(delivery_id)},
        "nothing sent that is not written": received.total() <= len(attempts),
    }


DELIVERIES: Final = Kind(
    name="delivery",
    start=_start_delivery,
    effects=_effects_of_delivery,
    result="delivered",
    expected={
        "status": "delivered",
        "taken": 1,
        "refused at most once": True,
        "cut short": True,
        "one name": True,
        "nothing sent that is not written": True,
    },
)


async def _start_replay(world: MortalWorld, name: str) -> str:
    """Two deliveries that were given up are asked for again."""
    organization_id = await world.add_organization(name)
    integration_id = await world.add_integration(organization_id, f"/{name}")
    for _ in range(2):
        await world.pool.execute(
            "insert into webhook_deliveries (id, created_at, organization_id, integration_id, event, payload, status,"
            " settled_at) values ($1, now(), $2, $3, 'call.completed', '{}', 'exhausted', now())",
            uuid4(), UUID(organization_id), integration_id,
        )  # fmt: skip
    replay_id = uuid4()
    await world.pool.execute(
        "insert into delivery_replays (id, organization_id, integration_id, since, until, requested_by)"
        " values ($1, $2, $3, now() - interval '1 day', now() + interval '1 day', 'key:test')",
        replay_id, UUID(organization_id), integration_id,
    )  # fmt: skip
    await DeliveryStarts(world.client).start_replay(organization_id, str(replay_id))
    return replay_workflow_id(str(replay_id))


async def _effects_of_replay(world: MortalWorld, name: str) -> dict[str, object]:
    of = UUID(organization_of(name))
    replays = await world.rows("select status, deliveries from delivery_replays where organization_id = $1", of)
    deliveries = await world.rows("select id, status from webhook_deliveries where organization_id = $1", of)
    names = {message_id(delivery_id) for delivery_id, _ in deliveries}
    return {
        "replays": replays,
        "deliveries": [status for _, status in deliveries],
        "names at the endpoint": set(world.receiver.message_ids(f"/{name}")) == names,
    }


REPLAYS: Final = Kind(
    name="replay",
    start=_start_replay,
    effects=_effects_of_replay,
    result=2,
    expected={"replays": [("done", 2)], "deliveries": ["delivered"] * 2, "names at the endpoint": True},
)
