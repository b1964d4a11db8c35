"""The worker of the queue `billing`: everything that has to do with money and asks a vendor."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from storage.meter import MeterOutbox
from storage.postgres import Pool
from workflows.activities.duty_sweep import DutySweep
from workflows.activities.metering import Metering
from workflows.billing_contracts import BILLING_QUEUE
from workflows.billing_sweep import BillingSweepWorkflow
from workflows.config import WorkerSettings
from workflows.duty_nudges import DutyNudges
from workflows.organization_duty import OrganizationDutyWorkflow
from workflows.vendors.stripe_api import StripeApi

_MAX_ACTIVITIES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingActivities:
    """What the queue can do. `nudges` says that something of it is due."""

    nudges: DutyNudges
    metering: Metering
    sweep: DutySweep

    @property
    def registered(self) -> Sequence[Callable[..., Any]]:
        return [self.metering.send_meter_events, self.sweep.sweep_duties]


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
        outbox = MeterOutbox(pool)
        yield BillingActivities(
            nudges=nudges,
            metering=Metering(outbox, stripe, now=now),
            sweep=DutySweep(outbox, nudges, now=now),
        )


def billing_worker(client: Client, activities: BillingActivities, **options: Any) -> Worker:
    """The worker, not running yet."""
    activities.nudges.use(client)
    return Worker(
        client,
        task_queue=BILLING_QUEUE,
        workflows=[OrganizationDutyWorkflow, BillingSweepWorkflow],
        activities=activities.registered,
        max_concurrent_activities=_MAX_ACTIVITIES,
        **options,
    )
