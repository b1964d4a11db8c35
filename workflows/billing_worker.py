"""The worker of the queue `billing`: what has to do with money and asks a vendor, and organizations' other duties."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from storage.account_events import AccountEvents
from storage.billing import Billing
from storage.cache import Cache
from storage.endpoint_notices import EndpointNotices
from storage.ledger import Ledger
from storage.meter import MeterOutbox
from storage.notifications import Notifications
from storage.postgres import Pool
from storage.resends import Resends
from storage.usage_alerts import UsageAlerts
from storage.wiring import WiringStore
from workflows.activities.account_events import PROVIDER, MeterErrorReports
from workflows.activities.aggregation import Aggregation
from workflows.activities.alerting import Alerting
from workflows.activities.billing_cycle import BillingCycles
from workflows.activities.duty_sweep import DutySweep
from workflows.activities.endpoint_notices import DisabledEndpoints
from workflows.activities.meter_equality import MeterEquality
from workflows.activities.metering import Metering
from workflows.activities.provider_wiring import ProviderWiring
from workflows.activities.resends import RULES, MessageResends
from workflows.activities.stripe_events import StripeEvents
from workflows.billing_contracts import BILLING_QUEUE
from workflows.billing_cycle import BillingCyclesWorkflow, BillingCycleWorkflow
from workflows.billing_sweep import BillingSweepWorkflow
from workflows.config import WorkerSettings
from workflows.duty_nudges import DutyNudges
from workflows.message_sending import MessageSender
from workflows.messaging import Messaging
from workflows.meter_equality import MeterEqualityWorkflow
from workflows.organization_duty import OrganizationDutyWorkflow
from workflows.usage_aggregation import UsageAggregationWorkflow
from workflows.vendors.stripe_api import StripeApi

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
    disabled: DisabledEndpoints
    wiring: ProviderWiring
    resends: MessageResends
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
            self.disabled.tell_disabled_endpoints,
            self.wiring.repair_wiring,
            self.resends.resend_messages,
            self.sweep.sweep_duties,
        ]


@asynccontextmanager
async def open_billing(
    settings: WorkerSettings,
    pool: Pool,
    messaging: Messaging,
    *,
    wiring: ProviderWiring,
    wired: WiringStore,
    cache: Cache | None,
    now: Callable[[], int],
) -> AsyncGenerator[BillingActivities]:
    """The activities, with Stripe if it is set; its connections end with the context.

    `cache` holds copies of accounts, which what Stripe tells makes stale; without it they are shown until they expire.
    """
    async with AsyncExitStack() as opened:
        nudges = await opened.enter_async_context(DutyNudges().running())
        stripe: StripeApi | None = None
        if settings.stripe_secret_key is not None:
            key = settings.stripe_secret_key.get_secret_value()
            stripe = await opened.enter_async_context(StripeApi(key, settings.stripe_base_url))
        outbox, alerts, account = MeterOutbox(pool), UsageAlerts(pool), Billing(pool, cache)
        notices, messages, resends = EndpointNotices(pool), Notifications(pool), Resends(pool, RULES)
        metering = Metering(outbox, account, stripe, now=now)
        sender = MessageSender(messages, messaging, now=now)
        reports = MeterErrorReports(AccountEvents(pool, PROVIDER), stripe, now=now)
        yield BillingActivities(
            nudges=nudges,
            metering=metering,
            alerting=Alerting(alerts, messaging, now=now),
            aggregation=Aggregation(pool, Ledger(pool), now=now, nudge=nudges.nudge),
            events=StripeEvents(account, outbox, stripe, now=now),
            cycles=BillingCycles(account, stripe, now=now, nudge=nudges.nudge),
            equality=MeterEquality(account, outbox, metering, stripe, now=now),
            disabled=DisabledEndpoints(notices, messages, sender, base_url=settings.public_base_url, now=now),
            wiring=wiring,
            resends=MessageResends(resends, messages, sender, now=now),
            sweep=DutySweep(
                nudges,
                outbox=outbox,
                alerts=alerts,
                billing=account,
                notices=notices,
                wired=wired,
                resends=resends,
                reports=reports,
                now=now,
            ),
        )


def billing_worker(client: Client, activities: BillingActivities, **options: Any) -> Worker:
    """The worker, not running yet."""
    activities.nudges.use(client)
    told: dict[str, Any] = {"max_concurrent_activities": _MAX_ACTIVITIES, **options}
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
        **told,
    )
