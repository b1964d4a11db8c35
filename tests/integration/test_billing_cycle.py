"""Periods follow Stripe's, are closed by the ledger's sums, and every night three sums are one (P8)."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from actors.domain.billing_period import Period
from storage.billing import Billing
from storage.meter import MeterOutbox
from storage.postgres import open_pool
from storage.times import moment
from tests.fakes.processing_world import until
from tests.fakes.stripe_server import PRICE, Counted, StripeServer, running_stripe
from tests.integration.billing_world import DAY, MINUTE, BillingWorld
from workflows.activities.billing_cycle import BillingCycles
from workflows.activities.meter_equality import MeterEquality
from workflows.activities.metering import Metering
from workflows.billing_contracts import (
    BILLING_CYCLE_WORKFLOW,
    BILLING_CYCLES_WORKFLOW,
    BILLING_QUEUE,
    METER_EQUALITY_WORKFLOW,
    OrganizationRef,
    billing_cycle_id,
)
from workflows.billing_cycle import BillingCyclesWorkflow, BillingCycleWorkflow
from workflows.meter_equality import MeterEqualityWorkflow
from workflows.vendors.stripe_api import StripeApi

HOUR = 60 * MINUTE


class CycleWorld(BillingWorld):
    stripe: StripeServer
    env: WorkflowEnvironment
    metering: Metering
    start: int
    end: int

    @property
    def reference(self) -> OrganizationRef:
        return OrganizationRef(organization_id=self.organization_id)

    def renew(self) -> None:
        self.stripe.subscribe(
            self.subscription, self.customer, start=self.end // 1000, end=(self.end + 30 * DAY) // 1000
        )

    async def cycle(self) -> int:
        return int(
            await self.env.client.execute_workflow(
                BILLING_CYCLE_WORKFLOW,
                self.reference,
                id=billing_cycle_id(self.organization_id),
                task_queue=BILLING_QUEUE,
            )
        )

    async def equality(self) -> int:
        told: list[Any] = [None]
        return int(
            await self.env.client.execute_workflow(
                METER_EQUALITY_WORKFLOW, args=told, id="meter-equality", task_queue=BILLING_QUEUE
            )
        )

    async def send(self) -> None:
        await self.metering.send_meter_events(self.reference)

    async def events(self) -> list[Any]:
        return await self.rows(
            "select event, period_start, period_end, seconds, amount_micros, details from billing_events"
            " where organization_id = $1 order by id"
        )


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[CycleWorld]:
    test_server = Path(sys.prefix) / "bin" / "temporal-test-server"
    async with (
        running_stripe() as stripe,
        await open_pool(database_url, size=4, name="test") as pool,
        StripeApi("sk_test", stripe.base_url) as api,
        await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(test_server)) as env,
    ):
        await pool.execute("update plans set stripe_metered_price_id = $1 where id = 'metered'", PRICE)
        made = await CycleWorld.on_plan(pool)
        made.end = made.now // 1000 * 1000 - MINUTE
        made.start = made.end - 30 * DAY
        await made.subscribe(moment(made.start), moment(made.end))
        made.stripe, made.env = stripe, env
        outbox, billing = MeterOutbox(pool), Billing(pool)
        made.metering = Metering(outbox, billing, api, now=lambda: made.now)
        cycles = BillingCycles(billing, api, now=lambda: made.now, nudge=lambda _, __: None)
        equality = MeterEquality(billing, outbox, made.metering, api, now=lambda: made.now)
        async with Worker(
            env.client,
            task_queue=BILLING_QUEUE,
            workflows=[BillingCycleWorkflow, BillingCyclesWorkflow, MeterEqualityWorkflow],
            activities=[
                cycles.list_due_cycles,
                cycles.turn_period,
                cycles.close_period,
                equality.list_metered,
                equality.check_meter,
            ],
        ):
            yield made


@pytest.mark.parametrize("was_told", [True, False])
async def test_the_last_period_of_a_subscription_that_ended_is_closed_once(
    world: CycleWorld, *, was_told: bool
) -> None:
    await world.called("call-1", 60, ended_at=world.end - 1)
    world.now = world.end + 50 * MINUTE
    if was_told:
        await world.pool.execute("update organizations set subscription_status = 'canceled'")
    else:
        world.stripe.subscribe(
            world.subscription, world.customer, start=world.start // 1000, end=world.end // 1000, status="canceled"
        )
    billing = Billing(world.pool)
    assert await billing.due_cycles(at=world.now) == [world.organization_id]
    assert await world.cycle() == 1
    assert [(event, seconds) for event, _, _, seconds, *_ in await world.events()] == [
        ("period-reset", None),
        ("period-closed", 60),
    ]
    assert await billing.due_cycles(at=world.now) == []
    assert await world.cycle() == 0


async def test_a_subscription_that_stripe_does_not_know_is_at_its_end_and_says_so(world: CycleWorld) -> None:
    world.stripe.know(world.customer)
    await world.called("call-1", 60, ended_at=world.end - 1)
    world.now = world.end + 50 * MINUTE
    assert await world.cycle() == 1
    assert [(event, seconds) for event, _, _, seconds, *_ in await world.events()] == [
        ("subscription-missing", None),
        ("period-reset", None),
        ("period-closed", 60),
    ]
    [(status,)] = await world.rows("select subscription_status from organizations where id = $1")
    assert status == "missing"
    asked = len(world.stripe.asked)
    assert await Billing(world.pool).due_cycles(at=world.now + DAY) == []
    assert await world.cycle() == 0
    assert (len(world.stripe.asked), len(await world.events())) == (asked, 3), "Stripe is asked no more"


async def test_a_key_of_another_account_ends_nothing_and_is_told(world: CycleWorld) -> None:
    await world.called("call-1", 60, ended_at=world.end - 1)
    world.now = world.end + 50 * MINUTE
    world.stripe.objects["/v1/account"] = {"id": "acct_other", "object": "account"}
    handle = await world.env.client.start_workflow(
        BILLING_CYCLE_WORKFLOW, world.reference, id=billing_cycle_id(world.organization_id), task_queue=BILLING_QUEUE
    )

    async def is_told() -> bool:
        pending = (await handle.describe()).raw_description.pending_activities
        return any("acct_other" in each.last_failure.message for each in pending)

    await until(is_told)
    [(status,)] = await world.rows("select subscription_status from organizations where id = $1")
    assert (status, await world.events()) == (None, [])
    world.renew()
    assert await handle.result() == 1
    assert [event for event, *_ in await world.events()] == ["period-reset", "period-closed"]


async def test_a_period_is_taken_over_and_the_last_one_closed_by_what_the_ledger_says(world: CycleWorld) -> None:
    await world.called("call-1", 60, ended_at=world.start)
    await world.called("call-2", 30, ended_at=world.end - 1)
    await world.called("call-3", 7, ended_at=world.end)
    await world.send()
    world.renew()
    world.now = world.end + 50 * MINUTE
    assert await world.cycle() == 1
    reset, closed = await world.events()
    assert reset[:3] == ("period-reset", moment(world.start), moment(world.end))
    assert closed[:5] == ("period-closed", moment(world.start), moment(world.end), 90, 90 * 2_500)
    assert (closed[5]["overage_seconds"], closed[5]["untold_seconds"]) == (90, 0)
    [(start,)] = await world.rows("select billing_period_start from organizations where id = $1")
    assert start == moment(world.end)
    assert await world.cycle() == 0
    assert len(await world.events()) == 2


async def test_a_period_that_two_close_at_once_is_closed_once(world: CycleWorld) -> None:
    await world.called("call-1", 60, ended_at=world.end - 1)
    billing, over = Billing(world.pool), Period(start=world.start, end=world.end)
    await billing.end_last_period(world.organization_id, over, at=world.now)
    assert await billing.open_period(world.organization_id) == over
    await asyncio.gather(*(billing.close(world.organization_id, over, at=world.now) for _ in range(2)))
    assert [(event, seconds) for event, _, _, seconds, *_ in await world.events()] == [
        ("period-reset", None),
        ("period-closed", 60),
    ]


async def test_a_report_that_comes_while_the_period_is_closed_is_in_one_of_both(world: CycleWorld) -> None:
    await world.called("call-1", 60, ended_at=world.end - 1)
    world.renew()
    world.now = world.end + 50 * MINUTE
    await world.tell("call-1", duration_ms=90_000)
    assert await world.cycle() == 1
    await world.book("call-1")
    [closed] = [event for event in await world.events() if event[0] == "period-closed"]
    assert closed[3] == 60
    [(seconds,)] = await world.rows(
        "select sum(seconds)::int from usage_ledger where organization_id = $1 and charged_at >= $2", moment(world.end)
    )
    assert seconds == 30


async def test_before_its_time_nothing_is_closed_and_while_stripe_tells_the_old_period_it_is_asked_again(
    world: CycleWorld,
) -> None:
    world.stripe.subscribe(world.subscription, world.customer, start=world.start // 1000, end=world.end // 1000)
    assert await world.cycle() == 0
    assert await world.events() == []
    billing = Billing(world.pool)
    assert await billing.due_cycles(at=world.now) == [world.organization_id]
    await world.env.client.execute_workflow(BILLING_CYCLES_WORKFLOW, id="cycles", task_queue=BILLING_QUEUE)
    await world.env.client.get_workflow_handle(billing_cycle_id(world.organization_id)).result()
    assert [path for _, path, _ in world.stripe.asked] == [f"/v1/subscriptions/{world.subscription}"] * 2


async def test_every_night_ledger_told_and_counted_are_one_and_what_was_sent_is_confirmed(world: CycleWorld) -> None:
    for n in range(5):
        await world.called(f"call-{n}", 60 + n, ended_at=world.start + n * DAY)
    await world.called("now", 9, ended_at=world.now)
    await world.tell("call-1", duration_ms=10_000)
    await world.book("call-1")
    await world.send()
    world.now += 90 * MINUTE
    assert await world.equality() == 0
    assert {status for name, _, status in await world.metered() if name != "call:now"} == {"confirmed"}
    assert await world.events() == []


async def test_a_difference_is_told_once_a_day_and_mended_by_nobody(world: CycleWorld) -> None:
    await world.called("call-1", 60, ended_at=world.start)
    await world.called("call-2", 30, ended_at=world.start + DAY)
    await world.send()
    world.stripe.counted.append(
        Counted(customer=world.customer, identifier="by-hand", value=5, timestamp=world.start // 1000 + 60)
    )
    world.now += 90 * MINUTE
    posts = len(world.stripe.posts)
    assert await world.equality() == 1
    assert await world.equality() == 1
    [difference] = await world.events()
    assert difference[0] == "meter-difference"
    assert {name: difference[5][name] for name in ("charged", "told", "counted", "pending", "refused")} == {
        "charged": 90, "told": 90, "counted": 95, "pending": 0, "refused": 0,
    }  # fmt: skip
    assert len(world.stripe.posts) == posts
    assert [status for _, _, status in await world.metered()] == ["sent", "sent"]


async def test_a_period_is_closed_before_its_invoice_is_and_not_at_once(world: CycleWorld) -> None:
    await world.called("call-1", 60, ended_at=world.end - 1)
    world.renew()
    world.now = world.end + 5 * MINUTE
    handle = await world.env.client.start_workflow(
        BILLING_CYCLE_WORKFLOW,
        world.reference,
        id=billing_cycle_id(world.organization_id),
        task_queue=BILLING_QUEUE,
    )
    await world.env.sleep(39 * 60)
    assert [event[0] for event in await world.events()] == ["period-reset"]
    await world.called("late", 5, ended_at=world.end - 1)
    world.now = world.end + 46 * MINUTE
    assert await handle.result() == 1
    assert (await world.events())[-1][3] == 65
