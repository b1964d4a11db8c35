"""What Stripe tells takes effect once, in any order, and leads to what is true at Stripe now."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from actors.domain.json_types import JSON
from actors.slots import slot_of
from storage import cache_keys
from storage.account_events import AccountEvents
from storage.billing import Billing
from storage.bodies import packed
from storage.cache import Cache
from storage.meter import MeterOutbox
from storage.postgres import open_pool
from storage.redis import open_redis
from storage.times import moment
from storage.vendor_words import VendorWords, Word
from tests.fakes.stripe_server import PRICE, StripeServer, running_stripe
from tests.integration.billing_world import BillingWorld
from workflows.activities.account_events import PROVIDER, MeterErrorReports
from workflows.activities.stripe_events import StripeEvents
from workflows.billing_contracts import OrganizationRef, Round
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.stripe_events import METER_ERRORS, METER_MISSING, event_facts, meter_errors


class EventWorld(BillingWorld):
    stripe: StripeServer
    events: StripeEvents
    reports: MeterErrorReports

    async def told(self, event_id: str, kind: str, told: dict[str, Any], *, kept: bool = True) -> None:
        """As the door keeps an event; `kept` False once its body is pruned."""
        event = {"id": event_id, "type": kind, "data": {"object": told}}
        row = await self.pool.fetchrow(
            """insert into webhook_inbox
                   (organization_id, provider, event_key, slot, type, facts, occurred_at, received_at)
               values ($1, 'stripe', $2, $3, $4, $5, $6, $6) on conflict do nothing returning id, received_at""",
            UUID(self.organization_id),
            event_id,
            slot_of(self.organization_id),
            kind,
            {} if kept else event_facts(event),
            moment(self.now),
        )
        self.now += 1
        if kept and row is not None:
            await self.pool.execute(
                "insert into webhook_bodies (inbox_id, received_at, organization_id, packed) values ($1, $2, $3, $4)",
                row["id"],
                row["received_at"],
                UUID(self.organization_id),
                packed(orjson.dumps(event)),
            )

    async def apply(self) -> Round:
        return await self.events.apply_stripe_events(OrganizationRef(organization_id=self.organization_id))

    async def account(self) -> Any:
        found = await self.rows(
            "select stripe_customer_id, stripe_subscription_id, subscription_status, stripe_subscription_item_id,"
            " billing_period_start, billing_period_end from organizations where id = $1"
        )
        return found[0]

    async def noted(self) -> list[Any]:
        return await self.rows(
            "select event, amount_micros, currency from billing_events where organization_id = $1 order by id"
        )


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[EventWorld]:
    async with (
        running_stripe() as stripe,
        await open_pool(database_url, size=4, name="test") as pool,
        StripeApi("sk_test", stripe.base_url) as api,
    ):
        await pool.execute("update plans set stripe_metered_price_id = $1 where id = 'metered'", PRICE)
        made = await EventWorld.on_plan(pool)
        made.stripe = stripe
        made.events = StripeEvents(Billing(pool), MeterOutbox(pool), api, now=lambda: made.now)
        made.reports = MeterErrorReports(AccountEvents(pool, PROVIDER), api, now=lambda: made.now)
        yield made


def period(world: EventWorld, days: int = 0) -> tuple[int, int]:
    start = world.now // 1000 + days * 86_400
    return start, start + 30 * 86_400


@pytest.mark.parametrize("kept", [True, False])
async def test_a_checkout_subscribes_the_organization(world: EventWorld, *, kept: bool) -> None:
    start, end = period(world, -1)
    world.stripe.subscribe("sub_1", "cus_1", start=start, end=end)
    session = {"id": "cs_1", "customer": "cus_1", "subscription": "sub_1", "client_reference_id": world.organization_id}
    await world.told("evt_1", "checkout.session.completed", session, kept=kept)
    await world.told("evt_1", "checkout.session.completed", session, kept=kept)
    assert await world.apply() == Round()
    assert await world.apply() == Round()
    assert await world.account() == (
        "cus_1", "sub_1", "active", "si_sub_1", moment(start * 1000), moment(end * 1000),
    )  # fmt: skip
    assert await world.noted() == [("checkout-session-completed", None, None)]
    assert [path for _, path, _ in world.stripe.asked] == ["/v1/subscriptions/sub_1"]


async def test_a_copy_of_the_account_does_not_outlive_what_stripe_told(world: EventWorld, redis_url: str) -> None:
    redis = open_redis(redis_url)
    cache, key = Cache(redis), cache_keys.organization(world.organization_id)

    async def load() -> JSON:
        return (await world.account())[2]

    assert (await cache.get(key, load)).value is None
    async with StripeApi("sk_test", world.stripe.base_url) as api:
        account = Billing(world.pool, cache)
        world.events = StripeEvents(account, MeterOutbox(world.pool), api, now=lambda: world.now)
        start, end = period(world, -1)
        world.stripe.subscribe("sub_1", "cus_1", start=start, end=end)
        session = {"subscription": "sub_1", "client_reference_id": world.organization_id}
        await world.told("evt_1", "checkout.session.completed", {"id": "cs_1", "customer": "cus_1", **session})
        await world.apply()
    assert (await cache.get(key, load)).value == "active"
    await cache.close()
    await redis.aclose()


async def test_late_and_doubled_events_bring_the_account_to_where_it_is_now(world: EventWorld) -> None:
    start, end = period(world, -31)
    await world.subscribe(moment(start * 1000), moment(end * 1000))
    world.stripe.subscribe(world.subscription, world.customer, start=end, end=end + 30 * 86_400, status="past_due")
    for n, kind in enumerate(("deleted", "updated", "created", "updated")):
        await world.told(f"evt_{n}", f"customer.subscription.{kind}", {"id": world.subscription, "status": "active"})
    await world.apply()
    account = await world.account()
    assert (account[2], account[4]) == ("past_due", moment(end * 1000))
    [(over_start, over_end)] = await world.rows(
        "select period_start, period_end from billing_events where organization_id = $1 and event = 'period-reset'"
    )
    assert (over_start, over_end) == (moment(start * 1000), moment(end * 1000))


async def test_an_event_of_a_subscription_that_was_replaced_changes_nothing(world: EventWorld) -> None:
    start, end = period(world, -1)
    await world.subscribe(moment(start * 1000), moment(end * 1000))
    world.stripe.subscribe("sub_old", world.customer, start=start, end=end, status="canceled")
    await world.told("evt_1", "customer.subscription.deleted", {"id": "sub_old", "status": "canceled"})
    await world.apply()
    assert (await world.account())[1] == world.subscription
    world.stripe.know(world.customer)
    world.stripe.objects.pop("/v1/subscriptions/sub_old")
    await world.told("evt_2", "customer.subscription.deleted", {"id": world.subscription})
    await world.apply()
    assert (await world.account())[2] == "missing", "Stripe knows it no more"
    assert [event for event, *_ in await world.noted()][-2:] == [
        "subscription-missing",
        "customer-subscription-deleted",
    ]


async def test_what_a_key_of_another_account_does_not_know_waits_and_changes_nothing(world: EventWorld) -> None:
    start, end = period(world, -1)
    await world.subscribe(moment(start * 1000), moment(end * 1000))
    before = await world.account()
    world.stripe.objects["/v1/account"] = {"id": "acct_other", "object": "account"}
    await world.told("evt_1", "customer.subscription.updated", {"id": world.subscription, "customer": world.customer})
    with capture_logs() as logs:
        assert (await world.apply()).pause_seconds is not None
    assert [line["account"] for line in logs if "another account" in line["event"]] == ["acct_other"]
    assert (await world.account(), await world.noted()) == (before, [])
    assert await Billing(world.pool).told_organizations() == [world.organization_id]
    world.stripe.subscribe(world.subscription, world.customer, start=start, end=end, status="past_due")
    assert await world.apply() == Round()
    assert (await world.account())[2] == "past_due"


async def test_of_a_new_customer_another_account_knows_nothing_either(world: EventWorld) -> None:
    session = {"id": "cs_1", "customer": "cus_1", "subscription": "sub_1", "client_reference_id": world.organization_id}
    await world.told("evt_1", "checkout.session.completed", session)
    assert (await world.apply()).pause_seconds is not None
    assert (await world.account(), await world.noted()) == ((None,) * 6, [])


async def test_invoices_stand_in_the_account_with_their_amounts(world: EventWorld) -> None:
    invoice = {
        "id": "in_1",
        "amount_due": 1234,
        "currency": "usd",
        "period_start": 1_790_000_000,
        "period_end": 1_792_592_000,
        "parent": {"subscription_details": {"subscription": "sub_1"}},
    }
    start, end = period(world, -1)
    world.stripe.subscribe("sub_1", "cus_1", start=start, end=end)
    await world.told("evt_1", "invoice.payment_failed", invoice)
    await world.told("evt_2", "invoice.paid", invoice)
    await world.apply()
    assert await world.noted() == [("payment-failed", 12_340_000, "usd"), ("invoice-paid", 12_340_000, "usd")]


async def sent(world: BillingWorld, call_id: str) -> str:
    """A call whose seconds Stripe took; the identifier of its event."""
    await world.called(call_id, 60)
    [event] = await MeterOutbox(world.pool).due(world.organization_id, at=world.now, limit=1)
    await MeterOutbox(world.pool).begin(world.organization_id, event, at=world.now)
    await MeterOutbox(world.pool).sent(world.organization_id, event)
    return event.identifier


def report(*errors: tuple[str, str], kind: str = METER_ERRORS) -> dict[str, Any]:
    """What Stripe has of a thin event: a code for each identifier."""
    types = [
        {"code": code, "error_count": 1, "sample_errors": [{"error_message": "…", "request": {"identifier": told}}]}
        for told, code in errors
    ]
    return {
        "id": "evt_1",
        "object": "v2.core.event",
        "type": kind,
        "created": "2026-11-01T12:00:00.000Z",
        "data": {"developer_message_summary": "…", "reason": {"error_count": len(types), "error_types": types}},
    }


async def hear_of_account(world: EventWorld, event_id: str = "evt_1", kind: str = METER_ERRORS) -> None:
    """As the door keeps it: without contents."""
    word = Word(provider="stripe", key=event_id, type=kind, facts={}, received_at=world.now)
    await VendorWords(world.pool, seconds=5).keep_of_account(word)


async def account_events(world: EventWorld) -> list[tuple[int | None, int, str | None]]:
    rows = await world.pool.fetch("select organizations, attempts, error from account_events order by event_key")
    return [(row["organizations"], row["attempts"], row["error"]) for row in rows]


@pytest.mark.parametrize("kind", [METER_ERRORS, METER_MISSING])
async def test_what_stripe_could_not_count_after_all_is_refused_and_shown(world: EventWorld, kind: str) -> None:
    ours, fine = await sent(world, "call-1"), await sent(world, "call-2")
    other = await BillingWorld.on_plan(world.pool)
    theirs = await sent(other, "call-1")
    world.stripe.objects["/v2/core/events/evt_1"] = report(
        (ours, "timestamp_too_far_in_past"),
        (theirs, "meter_event_customer_not_found"),
        ("somebody", "no_meter"),
        kind=kind,
    )
    await hear_of_account(world, kind=kind)
    await world.reports.read()
    await world.reports.read()
    assert await account_events(world) == [(2, 0, None)]
    assert sorted(await Billing(world.pool).told_organizations()) == sorted(
        [world.organization_id, other.organization_id]
    )
    for organization_id in (world.organization_id, other.organization_id):
        for _ in range(2):
            await world.events.apply_stripe_events(OrganizationRef(organization_id=organization_id))
    assert await world.metered() == [("call:call-1", 60, "refused"), ("call:call-2", 60, "sent")]
    assert await other.metered() == [("call:call-1", 60, "refused")]
    [(error,)] = await world.rows("select error from meter_events where organization_id = $1 and status = 'refused'")
    assert error == "told later: timestamp_too_far_in_past"
    [(event, details)] = await world.rows("select event, details from billing_events where organization_id = $1")
    assert event == {METER_ERRORS: "usage-not-counted", METER_MISSING: "usage-without-meter"}[kind]
    assert details == {"identifiers": [ours], "code": "timestamp_too_far_in_past"}, (
        "nothing of another's, nor of fine ones"
    )
    assert fine not in str(details)


async def test_contents_that_cannot_be_had_are_asked_for_again_until_stripe_has_them_no_more(world: EventWorld) -> None:
    await hear_of_account(world)
    world.stripe.failing = 503
    await world.reports.read()
    assert await account_events(world) == [(None, 1, "ProviderUnavailableError: status 503, api_error")]
    world.stripe.failing = None
    await world.reports.read()
    assert await account_events(world) == [(None, 1, "ProviderUnavailableError: status 503, api_error")], "not yet due"
    world.now += 3_600_000
    await world.reports.read()
    assert await account_events(world) == [(0, 1, "Stripe has no such event any more")]
    asked = len(world.stripe.asked)
    world.now += 3_600_000
    await world.reports.read()
    assert len(world.stripe.asked) == asked


async def test_a_report_of_nobody_here_is_over_and_says_so(world: EventWorld) -> None:
    world.stripe.objects["/v2/core/events/evt_1"] = report(("somebody", "no_meter"))
    await hear_of_account(world)
    await world.reports.read()
    assert await account_events(world) == [(0, 0, "it names no meter event of ours")]
    assert await Billing(world.pool).told_organizations() == []


async def test_while_stripe_is_away_its_events_wait(world: EventWorld) -> None:
    start, end = period(world, -1)
    world.stripe.subscribe("sub_1", "cus_1", start=start, end=end)
    await world.told("evt_1", "customer.subscription.created", {"id": "sub_1"})
    world.stripe.failing = 503
    assert (await world.apply()).pause_seconds is not None
    assert await world.noted() == []
    assert await Billing(world.pool).told_organizations() == [world.organization_id]
    world.stripe.failing = None
    assert await world.apply() == Round()
    assert (await world.account())[1] == "sub_1"
    assert await Billing(world.pool).told_organizations() == []


def test_no_name_and_no_address_is_taken_from_an_event() -> None:
    customer = {"id": "cus_1", "email": "ottilie@example.com", "name": "Ottilie"}
    told = {"id": "in_1", "customer": customer, "customer_email": "ottilie@example.com", "amount_due": True}
    assert event_facts({"type": "invoice.paid", "data": {"object": told}}) == {"object": "in_1", "customer": "cus_1"}
    assert event_facts({}) == event_facts({"data": {"object": []}}) == {}
    assert meter_errors({}) == meter_errors({"data": {"reason": {"error_types": [3, {"sample_errors": [4]}]}}}) == {}
