"""Runs of every workflow that is about one call, one delivery or one organization, and what each must come to.

A run has an organization of its own, named by its kind and its number: nothing that it does is another's.
"""

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import orjson

from actors.slots import slot_of
from storage.billing import PERIOD_CLOSED, PERIOD_RESET
from storage.delivery_writing import DeliveryWriter
from storage.inbox import Inbox, NewEvent
from storage.ledger import Ledger
from storage.times import moment
from tests.fakes.mortal_world import MortalWorld, organization_of
from tests.fakes.processing_world import PLANTED_NUMBER, report_body
from workflows.activities.deliveries import DeliveryWriting
from workflows.billing_contracts import (
    APPLY_STRIPE_EVENTS,
    BILLING_CYCLE_WORKFLOW,
    BILLING_QUEUE,
    SEND_METER_EVENTS,
    TELL_DISABLED_ENDPOINTS,
    TELL_USAGE_ALERTS,
    USAGE_AGGREGATION_WORKFLOW,
    AggregationSpan,
    OrganizationRef,
    billing_cycle_id,
    duty_workflow_id,
)
from workflows.client import TemporalProcessing
from workflows.contracts import CallRef, processing_workflow_id
from workflows.delivery_contracts import delivery_workflow_id, replay_workflow_id
from workflows.delivery_signing import message_id
from workflows.delivery_starts import DeliveryStarts
from workflows.duty_nudges import start_duty

RECORDING: Final = b"RIFF" + bytes(range(256))
REFUSED_AT_FIRST: Final = "/refuses-at-first"
SECONDS: Final = 61
_DAY: Final = timedelta(days=1)
_DAYS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Runs of one workflow: `start` begins one for an organization of that name and returns the workflow's id.

    `effects` reads what it came to. Every run must come to `result` and `expected`.
    """

    name: str
    start: Callable[[MortalWorld, str], Awaitable[str]]
    effects: Callable[[MortalWorld, str], Awaitable[object]]
    expected: object
    result: object = None


def now_ms() -> int:
    return time.time_ns() // 1_000_000


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
        row_id, at, organization_id, call_id, PLANTED_NUMBER, SECONDS * 1000,
    )  # fmt: skip
    inbox = Inbox(world.pool)
    await inbox.accept(
        NewEvent(
            organization_id=organization_id,
            provider="vapi",
            event_key=f"end-of-call-report:{call_id}",
            type="end-of-call-report",
            call_id=call_id,
            facts={"status": "ended", "fields": {"duration_ms": SECONDS * 1000, "ended_at": now_ms()}},
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
        "charged": [(1, SECONDS)],
        "counted by Stripe": [SECONDS],
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


async def _start_aggregation(world: MortalWorld, name: str) -> str:
    organization_id = await world.add_organization(name)
    until = datetime.now(UTC).date() - _DAY
    span = AggregationSpan(
        since=(until - (_DAYS - 1) * _DAY).isoformat(), until=until.isoformat(), organization_id=organization_id
    )
    handle = await world.client.start_workflow(
        USAGE_AGGREGATION_WORKFLOW, span, id=f"aggregation-{name}", task_queue=BILLING_QUEUE
    )
    return handle.id


async def _effects_of_aggregation(world: MortalWorld, name: str) -> object:
    return await world.rows(
        "select count(*), count(distinct date) from daily_usage where organization_id = $1", UUID(organization_of(name))
    )


AGGREGATIONS: Final = Kind(
    name="aggregation",
    start=_start_aggregation,
    effects=_effects_of_aggregation,
    result=_DAYS,
    expected=[(_DAYS, _DAYS)],
)


async def _start_duty(world: MortalWorld, organization_id: str, activity: str) -> str:
    await start_duty(world.client, organization_id, activity)
    return duty_workflow_id(organization_id, activity)


async def book(
    world: MortalWorld, organization_id: str, call_id: str, seconds: int, *, ended_at: int | None = None
) -> None:
    """A call of so many seconds is over and booked, told by a row alone."""
    at = ended_at or now_ms()
    await world.pool.execute(
        "insert into webhook_inbox (organization_id, provider, event_key, slot, call_id, type, facts, occurred_at,"
        " received_at) values ($1, 'vapi', $2, $3, $2, 'end-of-call-report', $4, $5, $5)",
        UUID(organization_id), call_id, slot_of(organization_id),
        {"status": "ended", "fields": {"duration_ms": seconds * 1000, "ended_at": at}}, moment(at),
    )  # fmt: skip
    await Ledger(world.pool).book(organization_id, call_id, at=now_ms())


async def _start_meter(world: MortalWorld, name: str) -> str:
    organization_id = await world.add_organization(name, customer=True)
    for seconds in (10, 20):
        await book(world, organization_id, f"call-{seconds}", seconds)
    return await _start_duty(world, organization_id, SEND_METER_EVENTS)


async def _effects_of_meter(world: MortalWorld, name: str) -> object:
    written = await world.rows(
        "select quantity, status from meter_events where organization_id = $1 order by quantity",
        UUID(organization_of(name)),
    )
    return written, sorted(each.value for each in world.stripe.counted if each.customer == f"cus-{name}")


METERS: Final = Kind(
    name="meter", start=_start_meter, effects=_effects_of_meter, expected=([(10, "sent"), (20, "sent")], [10, 20])
)


async def _start_alerts(world: MortalWorld, name: str) -> str:
    organization_id = await world.add_organization(name, plan="starter")
    await world.add_recipients(organization_id, "usage")
    await book(world, organization_id, "call", 320 * 60)
    return await _start_duty(world, organization_id, TELL_USAGE_ALERTS)


async def _effects_of_messages(world: MortalWorld, name: str) -> object:
    written = await world.rows(
        "select channel, status from notifications where organization_id = $1 order by channel",
        UUID(organization_of(name)),
    )
    texts = sum(f"{name}:" in text["body"] for text in world.messages.texts)
    return written, texts, sum(f"{name}:" in email["subject"] for email in world.messages.emails.values())


ALERTS: Final = Kind(
    name="alerts",
    start=_start_alerts,
    effects=_effects_of_messages,
    expected=([("email", "sent"), ("sms", "queued")], 1, 1),
)


async def _start_notices(world: MortalWorld, name: str) -> str:
    """An endpoint that was disabled, of which an owner is to be told."""
    organization_id = await world.add_organization(name)
    user_id = uuid4()
    await world.pool.execute("insert into users (id, email) values ($1, $2)", user_id, f"{name}@planted.example")
    await world.pool.execute(
        "insert into organization_members (organization_id, user_id, role) values ($1, $2, 'owner')",
        UUID(organization_id), user_id,
    )  # fmt: skip
    integration_id = await world.add_integration(organization_id, f"/{name}")
    await world.pool.execute(
        "update integrations set disabled_at = now(), disabled_reason = 'failing',"
        " failing_since = now() - $2::interval, missed_since = now() - $2::interval where id = $1",
        integration_id, 5 * _DAY,
    )  # fmt: skip
    return await _start_duty(world, organization_id, TELL_DISABLED_ENDPOINTS)


NOTICES: Final = Kind(
    name="notices", start=_start_notices, effects=_effects_of_messages, expected=([("email", "sent")], 0, 1)
)


async def _start_stripe_events(world: MortalWorld, name: str) -> str:
    """Stripe tells of a subscription and of an invoice."""
    organization_id = await world.add_organization(name)
    subscription = f"sub-{name}"
    start = now_ms() // 1000
    world.stripe.subscribe(subscription, f"cus-{name}", start=start, end=start + 30 * 86_400)
    for kind, facts in (
        ("customer.subscription.created", {"subscription": subscription, "customer": f"cus-{name}"}),
        ("invoice.paid", {"subscription": subscription, "amount": 100, "currency": "usd"}),
    ):
        await world.pool.execute(
            "insert into webhook_inbox (organization_id, provider, event_key, slot, type, facts, occurred_at,"
            " received_at) values ($1, 'stripe', $2, $3, $4, $5, now(), now())",
            UUID(organization_id), f"evt-{kind}-{name}", slot_of(organization_id), kind, facts,
        )  # fmt: skip
    return await _start_duty(world, organization_id, APPLY_STRIPE_EVENTS)


async def _effects_of_stripe_events(world: MortalWorld, name: str) -> object:
    of = UUID(organization_of(name))
    noted = await world.rows("select event from billing_events where organization_id = $1 order by event", of)
    [account] = await world.rows("select subscription_status from organizations where id = $1", of)
    return noted, account


STRIPE_EVENTS: Final = Kind(
    name="stripe",
    start=_start_stripe_events,
    effects=_effects_of_stripe_events,
    expected=([("customer-subscription-created",), ("invoice-paid",)], ("active",)),
)


async def due_cycle(world: MortalWorld, name: str) -> str:
    """An organization whose period ended two hours ago, with a call in it; Stripe tells of the next one."""
    organization_id = await world.add_organization(name, customer=True)
    end = now_ms() // 1000 - 7_200
    start, subscription = end - 30 * 86_400, f"sub-{name}"
    world.stripe.subscribe(subscription, f"cus-{name}", start=end, end=end + 30 * 86_400)
    await book(world, organization_id, "call", SECONDS, ended_at=(end - 1) * 1000)
    await world.pool.execute(
        "update organizations set billing_period_start = $2, billing_period_end = $3, stripe_subscription_id = $4"
        " where id = $1",
        UUID(organization_id), moment(start * 1000), moment(end * 1000), subscription,
    )  # fmt: skip
    return organization_id


async def _start_cycle(world: MortalWorld, name: str) -> str:
    organization_id = await due_cycle(world, name)
    handle = await world.client.start_workflow(
        BILLING_CYCLE_WORKFLOW,
        OrganizationRef(organization_id=organization_id),
        id=billing_cycle_id(organization_id),
        task_queue=BILLING_QUEUE,
    )
    return handle.id


async def effects_of_cycle(world: MortalWorld, name: str) -> object:
    return await world.rows(
        "select event, seconds from billing_events where organization_id = $1 order by id", UUID(organization_of(name))
    )


CLOSED: Final = [(PERIOD_RESET, None), (PERIOD_CLOSED, SECONDS)]
CYCLES: Final = Kind(name="cycle", start=_start_cycle, effects=effects_of_cycle, result=1, expected=CLOSED)

KINDS: Final = (
    CALLS, DELIVERIES, REPLAYS, AGGREGATIONS, METERS, ALERTS, NOTICES, STRIPE_EVENTS, CYCLES,
)  # fmt: skip
