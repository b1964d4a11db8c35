"""Runs of the workflows that are about one organization's money; see mortal_kind."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from actors.slots import slot_of
from storage.billing import PERIOD_CLOSED, PERIOD_RESET
from storage.ledger import Ledger
from storage.times import moment
from tests.fakes.mortal_kind import Kind, begin_duty, now_ms
from tests.fakes.mortal_world import MortalWorld, organization_of
from workflows.activities.billing_cycle import CLOSE_AFTER_MS
from workflows.billing_contracts import (
    APPLY_STRIPE_EVENTS,
    BILLING_CYCLE_WORKFLOW,
    BILLING_QUEUE,
    SEND_METER_EVENTS,
    USAGE_AGGREGATION_WORKFLOW,
    AggregationSpan,
    OrganizationRef,
    billing_cycle_id,
)

_SECONDS: Final = 61
_DAY: Final = timedelta(days=1)
_DAYS: Final = 30
_WAITS_MS: Final = 3_000
"""At least two seconds, so that the workflow waits, however late it is worked on."""


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
    return await begin_duty(world, organization_id, SEND_METER_EVENTS)


async def _effects_of_meter(world: MortalWorld, name: str) -> object:
    written = await world.rows(
        "select quantity, status from meter_events where organization_id = $1 order by quantity",
        UUID(organization_of(name)),
    )
    return written, sorted(each.value for each in world.stripe.counted if each.customer == f"cus-{name}")


METERS: Final = Kind(
    name="meter", start=_start_meter, effects=_effects_of_meter, expected=([(10, "sent"), (20, "sent")], [10, 20])
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
    return await begin_duty(world, organization_id, APPLY_STRIPE_EVENTS)


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
    await book(world, organization_id, "call", _SECONDS, ended_at=(end - 1) * 1000)
    await world.pool.execute(
        "update organizations set billing_period_start = $2, billing_period_end = $3, stripe_subscription_id = $4"
        " where id = $1",
        UUID(organization_id), moment(start * 1000), moment(end * 1000), subscription,
    )  # fmt: skip
    return organization_id


async def _start_cycle(world: MortalWorld, name: str) -> str:
    return await _begin_cycle(world, await due_cycle(world, name))


async def _begin_cycle(world: MortalWorld, organization_id: str) -> str:
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


CLOSED: Final = [(PERIOD_RESET, None), (PERIOD_CLOSED, _SECONDS)]
CYCLES: Final = Kind(name="cycle", start=_start_cycle, effects=effects_of_cycle, result=1, expected=CLOSED)


async def _start_waiting(world: MortalWorld, name: str) -> str:
    """Its period turns out to have ended so that it is to be closed only seconds after Stripe was asked."""
    organization_id = await due_cycle(world, name)

    async def end_period() -> None:
        end = (now_ms() + _WAITS_MS - CLOSE_AFTER_MS) // 1000
        world.stripe.subscribe(f"sub-{name}", f"cus-{name}", start=end, end=end + 30 * 86_400)
        await world.pool.execute(
            "update organizations set billing_period_end = $2 where id = $1",
            UUID(organization_id), moment(end * 1000),
        )  # fmt: skip

    world.stripe.before_telling[f"/v1/subscriptions/sub-{name}"] = end_period
    return await _begin_cycle(world, organization_id)


WAITING_CYCLES: Final = Kind(name="waiting", start=_start_waiting, effects=effects_of_cycle, result=1, expected=CLOSED)
