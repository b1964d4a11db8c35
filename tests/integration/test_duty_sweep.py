"""What is due and nobody was told of is found, and somebody is there to do it."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio
from temporalio.worker import Worker

from serve.stack.temporal_server import TemporalServer
from storage.account_events import AccountEvents
from storage.billing import Billing
from storage.endpoint_notices import EndpointNotices
from storage.meter import MeterOutbox
from storage.postgres import Pool, open_pool
from storage.resends import Resends
from storage.sealing import Sealer
from storage.times import moment
from storage.usage_alerts import UsageAlerts
from storage.vendor_words import VendorWords, Word
from storage.wiring import WiringStore
from tests.fakes.processing_world import processing_world
from tests.fakes.stripe_server import running_stripe
from tests.fakes.vapi_server import running_vapi
from tests.integration.billing_world import MINUTE, BillingWorld
from workflows.activities.account_events import PROVIDER, MeterErrorReports
from workflows.activities.duty_sweep import DutySweep
from workflows.activities.resends import RULES
from workflows.billing_contracts import (
    APPLY_STRIPE_EVENTS,
    BILLING_QUEUE,
    RESEND_MESSAGES,
    SEND_METER_EVENTS,
    TELL_DISABLED_ENDPOINTS,
    TELL_USAGE_ALERTS,
)
from workflows.client import connect
from workflows.duty_nudges import DutyNudges
from workflows.schedules import SCHEDULES
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.stripe_events import METER_ERRORS
from workflows.wiring_contracts import REPAIR_WIRING
from workflows.worker import build_workers, open_activities

DUTIES = {
    SEND_METER_EVENTS,
    TELL_USAGE_ALERTS,
    APPLY_STRIPE_EVENTS,
    TELL_DISABLED_ENDPOINTS,
    REPAIR_WIRING,
    RESEND_MESSAGES,
}


class Nudged(DutyNudges):
    """Keeps what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []

    def nudge(self, organization_id: str, activity: str) -> None:
        self.told.append((organization_id, activity))


@dataclass(kw_only=True)
class SweepWorld:
    pool: Pool
    billing: BillingWorld
    nudged: Nudged
    sweep: DutySweep

    async def found(self) -> list[str]:
        self.nudged.told.clear()
        await self.sweep.sweep_duties()
        assert {organization_id for organization_id, _ in self.nudged.told} <= {self.billing.organization_id}
        return [activity for _, activity in self.nudged.told]


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[SweepWorld]:
    async with (
        running_stripe() as stripe,
        await open_pool(database_url, size=4, name="test") as pool,
        StripeApi("sk_test", stripe.base_url) as api,
    ):
        billing, nudged = await BillingWorld.on_plan(pool), Nudged()
        sweep = DutySweep(
            nudged,
            outbox=MeterOutbox(pool),
            alerts=UsageAlerts(pool),
            billing=Billing(pool),
            notices=EndpointNotices(pool),
            wired=WiringStore(pool, Sealer("A" * 43 + "=")),
            resends=Resends(pool, RULES),
            reports=MeterErrorReports(AccountEvents(pool, PROVIDER), api, now=lambda: billing.now),
            now=lambda: billing.now,
        )
        yield SweepWorld(pool=pool, billing=billing, nudged=nudged, sweep=sweep)


async def test_a_repair_that_nobody_carried_out_is_found_after_half_a_minute(world: SweepWorld) -> None:
    asked = moment(world.billing.now)
    await world.pool.execute(
        """insert into wiring_findings
               (id, organization_id, kind, subject_id, provider_id, aspects, found_at, seen_at, repair_asked_at,
                repair_asked_by)
           values ($1, $2, 'assistant', $1, 'a-1', '{secret}', $3, $3, $3, 'key:somebody')""",
        uuid4(),
        UUID(world.billing.organization_id),
        asked,
    )
    assert await world.found() == [], "whoever asked is at it"
    world.billing.now += MINUTE
    assert await world.found() == [REPAIR_WIRING]
    await world.pool.execute("update wiring_findings set closed_at = now(), closed_as = 'repaired'")
    assert await world.found() == []


async def test_a_message_that_is_to_go_again_is_found_until_it_went(world: SweepWorld) -> None:
    await world.pool.execute(
        """insert into notifications
               (id, created_at, organization_id, kind, channel, recipient, provider, vendor_id, status, rank, error,
                body)
           values ($1, now(), $2, 'usage', 'sms', '+15550100001', 'twilio', 'SM1', 'undelivered', 8, '30003',
                   'Hello')""",
        uuid4(),
        UUID(world.billing.organization_id),
    )
    assert await world.found() == []
    world.billing.now += 6 * MINUTE
    assert await world.found() == [RESEND_MESSAGES]
    resends = Resends(world.pool, RULES)
    assert await resends.plan(world.billing.organization_id, at=world.billing.now, limit=10) == 1
    assert await world.found() == [RESEND_MESSAGES], "written down is not sent"
    await world.pool.execute("update notifications set vendor_id = 'SM2', status = 'sent' where resend_of is not null")
    assert await world.found() == []


async def test_reports_of_the_account_are_read_by_the_way(world: SweepWorld) -> None:
    word = Word(provider=PROVIDER, key="evt_1", type=METER_ERRORS, facts={}, received_at=world.billing.now)
    await VendorWords(world.pool, seconds=5).keep_of_account(word)
    assert await world.found() == []
    [row] = await world.pool.fetch("select organizations, error from account_events")
    assert (row["organizations"], row["error"]) == (0, "Stripe has no such event any more")


async def test_every_duty_and_every_scheduled_workflow_has_a_worker(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    client = await connect(temporal_server.address, lazy=False)
    async with (
        running_vapi() as vapi,
        processing_world(database_url, vapi, tmp_path, client) as calls,
        open_activities(calls.settings) as activities,
    ):
        workers = [each for each in build_workers(client, activities) if isinstance(each, Worker)]
    by_queue: dict[str, Mapping[str, Any]] = {worker.task_queue: {**worker.config()} for worker in workers}
    activities_of_duties = _names(by_queue[BILLING_QUEUE]["activities"], "__temporal_activity_definition")
    assert activities_of_duties >= DUTIES
    for each in SCHEDULES:
        workflows = _names(by_queue[each.task_queue]["workflows"], "__temporal_workflow_definition")
        assert each.workflow in workflows
        assert each.catch_up


def _names(registered: Iterable[Any], definition: str) -> set[str]:
    return {str(getattr(each, definition).name) for each in registered}
