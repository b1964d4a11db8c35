"""Stripe gets each quantity once: whatever fails, nothing is counted twice and nothing is lost silently (P8)."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from storage.account_events import AccountEvents
from storage.billing import Billing
from storage.endpoint_notices import EndpointNotices
from storage.meter import MeterOutbox
from storage.postgres import Pool, open_pool
from storage.resends import Resends
from storage.sealing import Sealer
from storage.times import moment
from storage.usage_alerts import UsageAlerts
from storage.wiring import WiringStore
from tests.fakes.processing_world import until
from tests.fakes.stripe_server import PRICE, StripeServer, running_stripe
from tests.integration.billing_world import DAY, MINUTE, BillingWorld
from workflows.activities.account_events import PROVIDER, MeterErrorReports
from workflows.activities.duty_sweep import DutySweep
from workflows.activities.metering import Metering
from workflows.activities.resends import RULES
from workflows.billing_contracts import (
    BILLING_QUEUE,
    BILLING_SWEEP_WORKFLOW,
    SEND_METER_EVENTS,
    OrganizationRef,
    Round,
    duty_workflow_id,
)
from workflows.billing_sweep import BillingSweepWorkflow
from workflows.duty_nudges import DutyNudges, start_duty
from workflows.organization_duty import OrganizationDutyWorkflow
from workflows.vendors.stripe_api import StripeApi

HOUR = 60 * MINUTE


@pytest_asyncio.fixture
async def stripe() -> AsyncIterator[StripeServer]:
    async with running_stripe() as server:
        yield server


class MeterWorld(BillingWorld):
    """`now` is the clock of the sender, too."""

    stripe: StripeServer
    metering: Metering
    api: StripeApi

    async def send(self) -> Round:
        return await self.metering.send_meter_events(OrganizationRef(organization_id=self.organization_id))

    async def statuses(self) -> list[Any]:
        return [status for _, _, status in await self.metered()]

    def counted(self) -> dict[str, int]:
        told: dict[str, int] = {}
        for each in self.stripe.counted:
            assert each.customer == self.customer
            name = each.identifier.replace(f"{self.organization_id}:", "")
            told[name] = told.get(name, 0) + each.value
        return told


@pytest_asyncio.fixture
async def world(database_url: str, stripe: StripeServer) -> AsyncIterator[MeterWorld]:
    async with (
        await open_pool(database_url, size=4, name="test") as pool,
        StripeApi("sk_test", stripe.base_url) as api,
    ):
        yield await meter_world(pool, stripe, api)


async def meter_world(pool: Pool, stripe: StripeServer, api: StripeApi) -> MeterWorld:
    await pool.execute("update plans set stripe_metered_price_id = $1 where id = 'metered'", PRICE)
    made = await MeterWorld.on_plan(pool)
    await made.subscribe(moment(made.now - 10 * DAY), moment(made.now + 20 * DAY))
    made.stripe, made.api = stripe, api
    made.metering = Metering(MeterOutbox(pool), Billing(pool), api, now=lambda: made.now)
    return made


async def test_each_entry_is_counted_once_at_its_calls_end(world: MeterWorld) -> None:
    await world.called("call-1", 60, ended_at=world.now - HOUR)
    await world.called("call-2", 30)
    await world.tell("call-1", duration_ms=50_000)
    await world.book("call-1")
    assert await world.send() == Round()
    assert await world.send() == Round()
    assert world.counted() == {"call:call-1": 60, "call:call-1:2": -10, "call:call-2": 30}
    assert len(world.stripe.posts) == 3
    assert {each.timestamp for each in world.stripe.counted if "call-1" in each.identifier} == {
        (world.now - HOUR) // 1000
    }
    assert await world.statuses() == ["sent"] * 3


async def test_a_lost_answer_is_asked_for_again_and_counts_once(world: MeterWorld) -> None:
    await world.called("call-1", 60)
    world.stripe.hanging_up = True
    assert (await world.send()).pause_seconds is not None
    assert await world.statuses() == ["pending"]
    world.stripe.hanging_up = False
    world.now += HOUR
    assert await world.send() == Round()
    assert await world.statuses() == ["sent"]
    assert (world.counted(), len(world.stripe.posts)) == ({"call:call-1": 60}, 2)


async def test_a_sender_that_dies_with_its_request_under_way_counts_once(world: MeterWorld) -> None:
    await world.called("call-1", 60)
    [event] = await MeterOutbox(world.pool).due(world.organization_id, at=world.now, limit=1)
    assert await MeterOutbox(world.pool).begin(world.organization_id, event, at=world.now)
    await world.api.record_meter_event(
        event_name="call_seconds",
        customer=world.customer,
        value=60,
        identifier=event.identifier,
        timestamp=event.charged_at // 1000,
    )
    # Dead here: Stripe counted and nobody wrote it down.
    assert await world.send() == Round()
    assert (world.counted(), await world.statuses()) == ({"call:call-1": 60}, ["sent"])


@pytest.mark.parametrize("arrived", [True, False])
async def test_what_is_unconfirmed_after_20_hours_is_looked_up_and_never_sent_again(
    world: MeterWorld, *, arrived: bool
) -> None:
    at = world.now // MINUTE * MINUTE - HOUR
    await world.called("call-0", 7, ended_at=at)
    await world.send()
    await world.called("call-1", 60, ended_at=at + 1_000)
    if arrived:
        world.stripe.hanging_up = True
    else:
        world.stripe.failing = 500
    await world.send()
    world.stripe.hanging_up, world.stripe.failing = False, None
    # Stripe remembers identifiers for a day, at least: from here it may not.
    world.stripe.forgetful = True
    world.now += 20 * HOUR + 1
    before = len(world.stripe.posts)
    assert await world.send() == Round()
    assert await world.send() == Round()
    assert len(world.stripe.posts) == before
    [(status, error)] = await world.rows(
        "select status, error from meter_events where organization_id = $1 and call_id = 'call-1'"
    )
    assert status == "compared"
    assert error == (None if arrived else "the provider lacks 60 seconds of this minute")
    sums = await MeterOutbox(world.pool).sums(world.organization_id, start=at, end=at + MINUTE)
    assert (sums.charged, sums.told, sums.refused) == ((67, 67, 0) if arrived else (67, 7, 60))


async def test_what_the_provider_lacks_is_sent_again_by_an_operators_word(world: MeterWorld) -> None:
    await world.called("call-1", 60)
    world.stripe.failing = 500
    await world.send()
    await world.called("call-2", 30)
    world.stripe.failing = 400
    await world.send()
    world.stripe.failing = None
    world.now += 20 * HOUR + 1
    await world.send()
    assert await world.statuses() == ["compared", "refused"]
    outbox = MeterOutbox(world.pool)
    for call_id, seconds in (("call-1", 60), ("call-2", 30)):
        identifier = f"call:{world.organization_id}:{call_id}"
        again = await outbox.send_again(world.organization_id, call_id, actor="cli:test", reason="Stripe was asked")
        assert again == {identifier: seconds}
        assert await outbox.send_again(world.organization_id, call_id, actor="cli:test", reason="twice") == {}
    world.now = max(world.now, time.time_ns() // 1_000_000)
    await world.send()
    assert world.counted() == {"call:call-1": 60, "call:call-2": 30}
    assert await world.statuses() == ["sent", "sent"]
    assert await outbox.send_again(world.organization_id, "call-1", actor="cli:test", reason="it is there") == {}
    assert await world.rows("select action, reason, result from audit_log where organization_id = $1 order by id") == [
        ("meter-event-sent-again", "Stripe was asked", "60 seconds are due"),
        ("meter-event-sent-again", "Stripe was asked", "30 seconds are due"),
    ]


async def test_an_answer_that_is_no_yet_a_day_old_is_still_resent(world: MeterWorld) -> None:
    await world.called("call-1", 60)
    world.stripe.failing = 503
    await world.send()
    world.stripe.failing = None
    world.now += 20 * HOUR - 1
    assert await world.send() == Round()
    assert world.counted() == {"call:call-1": 60}


@pytest.mark.parametrize(("status", "noted"), [(429, 0), (401, 1)])
async def test_what_stripe_surely_does_not_have_may_wait_for_days_and_a_refusal_is_shown(
    world: MeterWorld, status: int, noted: int
) -> None:
    await world.called("call-1", 60)
    world.stripe.failing = status
    for _ in range(2):
        assert (await world.send()).pause_seconds is not None
        world.now += MINUTE
    events = await world.rows("select event, details from billing_events where organization_id = $1")
    assert [(event, details["reason"].startswith("status 401")) for event, details in events] == [
        ("metering-stopped", True)
    ] * noted
    world.stripe.failing = None
    world.now += 3 * DAY
    assert await world.send() == Round()
    assert (world.counted(), await world.statuses()) == ({"call:call-1": 60}, ["sent"])


async def test_an_event_that_stripe_will_never_take_holds_up_no_other(world: MeterWorld) -> None:
    await world.called("call-1", 60)
    world.stripe.failing = 400
    assert await world.send() == Round()
    world.stripe.failing = None
    await world.called("call-2", 30)
    assert await world.send() == Round()
    assert await world.statuses() == ["refused", "sent"]
    assert world.counted() == {"call:call-2": 30}


async def test_without_a_customer_or_a_provider_events_wait(world: MeterWorld) -> None:
    await world.called("call-1", 60)
    off = Metering(MeterOutbox(world.pool), Billing(world.pool), None, now=lambda: world.now)
    assert await off.send_meter_events(OrganizationRef(organization_id=world.organization_id)) == Round()
    await world.pool.execute("update organizations set stripe_customer_id = null")
    assert await MeterOutbox(world.pool).organizations(at=world.now) == []
    assert await world.send() == Round()
    assert (await world.statuses(), world.stripe.posts) == (["pending"], [])


async def test_senders_started_at_once_take_turns_and_an_outage_is_waited_out(world: MeterWorld) -> None:
    """Under a clock that skips: each organization by one workflow, woken by nudges and found by the sweep."""
    test_server = Path(sys.prefix) / "bin" / "temporal-test-server"
    async with (
        await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(test_server)) as env,
        DutyNudges().running() as nudges,
    ):
        nudges.use(env.client)
        sweep = DutySweep(
            nudges,
            outbox=MeterOutbox(world.pool),
            alerts=UsageAlerts(world.pool),
            billing=Billing(world.pool),
            notices=EndpointNotices(world.pool),
            wired=WiringStore(world.pool, Sealer("A" * 43 + "=")),
            resends=Resends(world.pool, RULES),
            reports=MeterErrorReports(AccountEvents(world.pool, PROVIDER), None, now=lambda: world.now),
            now=lambda: world.now,
        )
        async with Worker(
            env.client,
            task_queue=BILLING_QUEUE,
            workflows=[OrganizationDutyWorkflow, BillingSweepWorkflow],
            activities=[world.metering.send_meter_events, sweep.sweep_duties],
        ):
            for n in range(30):
                await world.called(f"call-{n}", 10)
            await asyncio.gather(*(start_duty(env.client, world.organization_id, SEND_METER_EVENTS) for _ in range(8)))
            handle = env.client.get_workflow_handle(duty_workflow_id(world.organization_id, SEND_METER_EVENTS))
            await handle.result()
            assert world.stripe.most_at_once == 1
            assert sorted(world.counted().values()) == [10] * 30
            assert len(world.stripe.posts) == 30

            world.stripe.failing = 429
            await world.called("late", 20)
            await env.client.execute_workflow(BILLING_SWEEP_WORKFLOW, id="sweep", task_queue=BILLING_QUEUE)

            # Only then: a clock that is set on before the failure is written has it put off beyond.
            await until(lambda: _is_put_off(world))
            assert len(world.stripe.posts) == 31
            world.stripe.failing = None
            world.now += HOUR
            await handle_result(env, world)
            assert world.counted()["call:late"] == 20


async def _is_put_off(world: MeterWorld) -> bool:
    return await world.pool.fetchval("select error is not null from meter_events where call_id = 'late'")


async def handle_result(env: WorkflowEnvironment, world: MeterWorld) -> None:
    async def done() -> bool:
        await env.sleep(600)
        return await world.statuses() == ["sent"] * 31

    await until(done)
