"""Workers: the processes that run workflows and activities. `python -m workflows.worker` runs one on its own."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from actors.logs import configure_logs
from actors.ports import Delivery
from storage.cache import Cache
from storage.inbox import Inbox
from storage.ledger import Ledger
from storage.notifications import Notifications
from storage.postgres import close_pool, open_pool
from storage.processing import ProcessingStore
from storage.provider_keys import VAPI, ProviderKeys
from storage.reconciliation import ReconciliationStore
from storage.recordings import RecordingStore
from storage.sealing import Sealer, SealError
from storage.wiring import WiringStore
from workflows.activities.call_records import CallRecords
from workflows.activities.discretion import Discretion
from workflows.activities.internal_rows import InternalRows
from workflows.activities.notifications import CallNotifications
from workflows.activities.provider_questions import ProviderQuestions
from workflows.activities.provider_wiring import ProviderWiring
from workflows.activities.reconciliation import Reconciliation
from workflows.activities.recording_copies import RecordingCopies
from workflows.activities.step_notes import StepNotes
from workflows.activities.usage import UsageBooking
from workflows.billing_worker import BillingActivities, billing_worker, open_billing
from workflows.call_processing import CallProcessingWorkflow
from workflows.client import connect_from
from workflows.config import WorkerSettings
from workflows.contracts import CALL_PROCESSING_QUEUE, RECORDINGS_QUEUE
from workflows.delivery_worker import DeliveryParts, Running, delivery_workers, open_deliveries
from workflows.messaging import open_messaging
from workflows.notifications_worker import notifications_worker
from workflows.onboarding_worker import OnboardingActivities, onboarding_workers, open_onboarding
from workflows.reconciliation_worker import reconciliation_worker
from workflows.schedules import ensure_schedules
from workflows.search_attributes import register_search_attributes
from workflows.vendors.action_model import ActionModel
from workflows.vendors.vapi import VapiClient
from workflows.vendors.vapi_account import VapiAccount
from workflows.wiring_desk import WiringDesk

_log = structlog.get_logger(__name__)

GRACE = timedelta(seconds=20)
_POOL_SIZE = 6
_STATEMENT_SECONDS = 8.0
_MAX_ACTIVITIES = 50
_MAX_WORKFLOW_TASKS = 16
"""Of calls at once. A task holds the steps that touch Postgres, and Temporal gives it to another after ten seconds: a
hundred at once, as after an outage, took longer than that each, and were done again and again."""
_MAX_COPIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Activities:
    """Everything a worker can do, ready to be registered."""

    questions: ProviderQuestions
    records: CallRecords
    copies: RecordingCopies
    booking: UsageBooking
    billing: BillingActivities
    reconciliation: Reconciliation
    wiring: ProviderWiring
    deliveries: DeliveryParts
    onboarding: OnboardingActivities
    notifications: CallNotifications
    notes: StepNotes


@asynccontextmanager
async def open_activities(
    settings: WorkerSettings,
    *,
    notify: Callable[[Delivery], object] | None = None,
    searchable: bool = False,
    cache: Cache | None = None,
) -> AsyncGenerator[Activities]:
    """The activities over real servers, which may all be away yet; their connections end with the context.

    `notify` hands internal rows to their owner at once (see InternalRows). `searchable`: see `prepare`. `cache`: see
    `open_billing`.
    """
    pool = await open_pool(
        settings.database_url,
        size=_POOL_SIZE,
        name="worker",
        statement_seconds=_STATEMENT_SECONDS,
        prepared=settings.database_prepared_statements,
    )
    inbox = Inbox(pool)
    sealer = Sealer(settings.encryption_key.get_secret_value())
    keys = ProviderKeys(pool, sealer)
    wired = WiringStore(pool, sealer)

    async def key_for(organization_id: str, provider: str) -> str | None:
        try:
            return await keys.key_of(organization_id, provider)
        except SealError:
            # Sealed under another ENCRYPTION_KEY: what needs no key goes on as if there were none.
            _log.warning("provider_key_unreadable", organization_id=organization_id)
            return None

    key_of = partial(key_for, provider=VAPI)
    try:
        async with (
            VapiClient(settings.vapi_base_url) as vapi,
            VapiAccount(settings.vapi_base_url) as account,
            open_messaging(settings) as messaging,
            open_deliveries(settings) as deliveries,
            open_onboarding(settings, pool, messaging, cache=cache, now=_now) as onboarding,
            AsyncExitStack() as opened,
        ):
            desk = WiringDesk(wired, account, key_of=key_for, base_url=settings.public_base_url, now=_now)
            wiring = ProviderWiring(wired, desk)
            billing = await opened.enter_async_context(
                open_billing(settings, pool, messaging, wiring=wiring, wired=wired, cache=cache, now=_now)
            )
            store = ProcessingStore(pool)
            rows = InternalRows(inbox, now=_now, notify=notify)
            notes = StepNotes(rows)
            recordings = RecordingStore(settings.recordings_url)
            yield Activities(
                questions=ProviderQuestions(store, rows, vapi, key_of, searchable=searchable),
                records=CallRecords(store, rows, notes, model=_model(settings)),
                copies=RecordingCopies(store, rows, vapi, recordings, notes, key_of=key_of, now=_now),
                booking=UsageBooking(Ledger(pool), now=_now, nudge=billing.nudges.nudge),
                billing=billing,
                reconciliation=Reconciliation(
                    ReconciliationStore(pool), rows, vapi, keys_of_all=partial(keys.of_all, VAPI), now=_now
                ),
                wiring=wiring,
                deliveries=deliveries,
                onboarding=onboarding,
                notifications=CallNotifications(Notifications(pool), notes, messaging=messaging, now=_now),
                notes=notes,
            )
    finally:
        await inbox.close()
        await close_pool(pool)


def build_workers(client: Client, activities: Activities, **options: Any) -> Sequence[Running]:
    """One worker per task queue and the relay of deliveries, not running yet. `options` go to each worker.

    Workflows run outside the SDK's sandbox, which imports their modules anew for every run: that took a fifth of a
    worker's processor time. What it guards against, the tests catch: they run in it, and replay recorded histories.
    """
    shared: dict[str, Any] = {
        "graceful_shutdown_timeout": GRACE,
        "interceptors": [Discretion()],
        "workflow_runner": UnsandboxedWorkflowRunner(),
        **options,
    }
    of_processing: dict[str, Any] = {
        "max_concurrent_workflow_tasks": _MAX_WORKFLOW_TASKS,
        "max_concurrent_activities": _MAX_ACTIVITIES,
        "max_concurrent_local_activities": _MAX_ACTIVITIES,
        **shared,
    }
    of_copying: dict[str, Any] = {"max_concurrent_activities": _MAX_COPIES, **shared}
    questions, records, copies = activities.questions, activities.records, activities.copies
    deliveries = activities.deliveries.writing(client)
    processing = Worker(
        client,
        task_queue=CALL_PROCESSING_QUEUE,
        workflows=[CallProcessingWorkflow],
        activities=[
            questions.read_progress,
            questions.ask_provider,
            questions.note_report_missing,
            records.store_transcript,
            records.store_costs,
            records.store_actions,
            records.announce_processed,
            records.find_actions,
            copies.note_recording_missing,
            activities.booking.book_usage,
            deliveries.enqueue_deliveries,
            activities.notifications.plan_notifications,
            activities.notifications.give_up_notification,
            activities.notes.note_step_failed,
        ],
        **of_processing,
    )
    copying = Worker(
        client,
        task_queue=RECORDINGS_QUEUE,
        activities=[copies.copy_recording],
        **of_copying,
    )
    return (
        processing,
        copying,
        billing_worker(client, activities.billing, **shared),
        reconciliation_worker(client, activities.reconciliation, activities.wiring, **shared),
        *delivery_workers(client, activities.deliveries, shared),
        *onboarding_workers(client, activities.onboarding, shared),
        notifications_worker(client, activities.notifications, **shared),
    )


async def prepare(client: Client, settings: WorkerSettings) -> bool:
    """Have Temporal know our schedules and search attributes; whether it knows the latter. Safe to repeat.

    Raises temporalio's RPCError.
    """
    await ensure_schedules(client)
    return await register_search_attributes(client) or settings.temporal_search_attributes


async def run_workers(workers: Sequence[Running]) -> None:
    """Run until cancelled, then drain for up to 20 s. Ends with an error as soon as one worker does."""
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(worker.run())


def _model(settings: WorkerSettings) -> ActionModel | None:
    return None if settings.action_items_model is None else ActionModel(settings.action_items_model)


def _now() -> int:
    return time.time_ns() // 1_000_000


async def main() -> None:
    """Run a worker by the environment until SIGINT or SIGTERM."""
    settings = WorkerSettings()  # pyright: ignore[reportCallIssue] - the environment fills it
    client = await connect_from(settings, lazy=False)
    searchable = await prepare(client, settings)
    async with open_activities(settings, searchable=searchable) as activities:
        running = asyncio.create_task(run_workers(build_workers(client, activities)))
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            if not running.cancelled():
                raise


if __name__ == "__main__":
    configure_logs()
    asyncio.run(main())
