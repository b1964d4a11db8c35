"""The worker of the queue `billing`: everything that has to do with money and asks a vendor."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from storage.billing import Billing
from storage.ledger import Ledger
from storage.meter import MeterOutbox
from storage.postgres import Pool
from storage.usage_alerts import UsageAlerts
from workflows.activities.aggregation import Aggregation
from workflows.activities.alerting import Alerting, Mailing, Texting
from workflows.activities.billing_cycle import BillingCycles
from workflows.activities.duty_sweep import DutySweep
from workflows.activities.meter_equality import MeterEquality
from workflows.activities.metering import Metering
from workflows.activities.stripe_events import StripeEvents
from workflows.billing_contracts import BILLING_QUEUE
from workflows.billing_cycle import BillingCyclesWorkflow, BillingCycleWorkflow
from workflows.billing_sweep import BillingSweepWorkflow
from workflows.config import WorkerSettings
from workflows.duty_nudges import DutyNudges
from workflows.meter_equality import MeterEqualityWorkflow
from workflows.organization_duty import OrganizationDutyWorkflow
from workflows.usage_aggregation import UsageAggregationWorkflow
from workflows.vendors.resend_api import ResendApi
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.twilio_api import TwilioApi

_MAX_ACTIVITIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingActivities:
    """What the queue can do. `nudges` says that something of it is due."""

    nudges: DutyNudges
    metering: Metering
    alerting: Alerting
    aggregation: Aggregation
    events: StripeEvents
    cycles: BillingCycles
    equality: MeterEquality
    sweep: DutySweep

    @property
    def registered(self) -> Sequence[Callable[..., Any]]:
        return [
            self.metering.send_meter_events,
            self.alerting.tell_usage_alerts,
            self.aggregation.aggregate_days,
            self.events.apply_stripe_events,
            self.cycles.list_due_cycles,
            self.cycles.turn_period,
            self.cycles.close_period,
            self.equality.list_metered,
            self.equality.check_meter,
            self.sweep.sweep_duties,
        ]


@asynccontextmanager
async def open_billing(
    settings: WorkerSettings, pool: Pool, *, now: Callable[[], int]
) -> AsyncGenerator[BillingActivities]:
    """The activities, with the vendors that are set; their connections end with the context."""
    async with AsyncExitStack() as opened:
        nudges = await opened.enter_async_context(DutyNudges().running())
        stripe: StripeApi | None = None
        if settings.stripe_secret_key is not None:
            key = settings.stripe_secret_key.get_secret_value()
            stripe = await opened.enter_async_context(StripeApi(key, settings.stripe_base_url))
        outbox, alerts, account = MeterOutbox(pool), UsageAlerts(pool), Billing(pool)
        metering = Metering(outbox, stripe, now=now)
        yield BillingActivities(
            nudges=nudges,
            metering=metering,
            alerting=Alerting(
                alerts,
                texting=await _texting(settings, opened),
                mailing=await _mailing(settings, opened),
                now=now,
            ),
            aggregation=Aggregation(pool, Ledger(pool), now=now, nudge=nudges.nudge),
            events=StripeEvents(account, outbox, stripe, now=now),
            cycles=BillingCycles(account, stripe, now=now, nudge=nudges.nudge),
            equality=MeterEquality(account, outbox, metering, stripe, now=now),
            sweep=DutySweep(outbox, alerts, account, nudges, now=now),
        )


async def _texting(settings: WorkerSettings, opened: AsyncExitStack) -> Texting | None:
    sid, token, sender = settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_from
    if sid is None or token is None or sender is None:
        return None
    api = await opened.enter_async_context(TwilioApi(sid, token.get_secret_value(), settings.twilio_base_url))
    base = settings.public_base_url
    return Texting(api=api, sender=sender, status_callback=f"{base.rstrip('/')}/webhooks/twilio" if base else None)


async def _mailing(settings: WorkerSettings, opened: AsyncExitStack) -> Mailing | None:
    key, sender = settings.resend_api_key, settings.resend_from
    if key is None or sender is None:
        return None
    api = await opened.enter_async_context(ResendApi(key.get_secret_value(), settings.resend_base_url))
    return Mailing(api=api, sender=sender)


def billing_worker(client: Client, activities: BillingActivities, **options: Any) -> Worker:
    """The worker, not running yet."""
    activities.nudges.use(client)
    return Worker(
        client,
        task_queue=BILLING_QUEUE,
        workflows=[
            OrganizationDutyWorkflow,
            BillingSweepWorkflow,
            UsageAggregationWorkflow,
            BillingCycleWorkflow,
            BillingCyclesWorkflow,
            MeterEqualityWorkflow,
        ],
        activities=activities.registered,
        max_concurrent_activities=_MAX_ACTIVITIES,
        **options,
    )
