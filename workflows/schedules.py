"""Workflows that run by the clock: each is there once, however many workers start."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from workflows.billing_contracts import (
    BILLING_CYCLES_WORKFLOW,
    BILLING_QUEUE,
    BILLING_SWEEP_WORKFLOW,
    METER_EQUALITY_WORKFLOW,
    USAGE_AGGREGATION_WORKFLOW,
)
from workflows.reconciliation_contracts import RECONCILIATION_QUEUE, RECONCILIATION_WORKFLOW
from workflows.wiring_contracts import PROVIDER_WIRING_WORKFLOW

_RPC_TIMEOUT = timedelta(seconds=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """A workflow without input, run by the clock. `catch_up`: how late a run may begin that Temporal was away for."""

    id: str
    workflow: str
    task_queue: str
    every: timedelta | None = None
    calendars: Sequence[ScheduleCalendarSpec] = ()
    overlap: ScheduleOverlapPolicy = ScheduleOverlapPolicy.SKIP
    catch_up: timedelta
    execution_timeout: timedelta | None = None

    def schedule(self) -> Schedule:
        """The schedule as Temporal keeps it."""
        intervals = [] if self.every is None else [ScheduleIntervalSpec(every=self.every)]
        return Schedule(
            action=ScheduleActionStartWorkflow(
                self.workflow, id=self.id, task_queue=self.task_queue, execution_timeout=self.execution_timeout
            ),
            spec=ScheduleSpec(intervals=intervals, calendars=self.calendars),
            policy=SchedulePolicy(overlap=self.overlap, catchup_window=self.catch_up),
        )


SCHEDULES: Final[Sequence[Recurring]] = (
    # A round that was missed is made up by the next: it starts where the last one ended.
    Recurring(
        id="reconciliation",
        workflow=RECONCILIATION_WORKFLOW,
        task_queue=RECONCILIATION_QUEUE,
        every=timedelta(minutes=5),
        catch_up=timedelta(minutes=5),
        execution_timeout=timedelta(hours=2),
    ),
    # What a nudge did not tell. A look that was missed is made up by the next.
    Recurring(
        id="billing-sweep",
        workflow=BILLING_SWEEP_WORKFLOW,
        task_queue=BILLING_QUEUE,
        every=timedelta(minutes=1),
        catch_up=timedelta(minutes=1),
        execution_timeout=timedelta(minutes=10),
    ),
    # Zones differ by quarters of an hour; two in the morning is when days become due.
    Recurring(
        id="usage-aggregation",
        workflow=USAGE_AGGREGATION_WORKFLOW,
        task_queue=BILLING_QUEUE,
        every=timedelta(minutes=15),
        catch_up=timedelta(minutes=15),
        execution_timeout=timedelta(hours=12),
    ),
    Recurring(
        id="billing-cycles",
        workflow=BILLING_CYCLES_WORKFLOW,
        task_queue=BILLING_QUEUE,
        every=timedelta(minutes=10),
        catch_up=timedelta(minutes=10),
        execution_timeout=timedelta(hours=1),
    ),
    # A night that was missed is made up for: the last run settles what the one before would have.
    Recurring(
        id="meter-equality",
        workflow=METER_EQUALITY_WORKFLOW,
        task_queue=BILLING_QUEUE,
        calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(3)], minute=[ScheduleRange(30)])],
        catch_up=timedelta(days=3),
        overlap=ScheduleOverlapPolicy.BUFFER_ONE,
        execution_timeout=timedelta(hours=20),
    ),
    # A night that was missed is made up for the same day; after that the next look finds the same.
    Recurring(
        id="provider-wiring",
        workflow=PROVIDER_WIRING_WORKFLOW,
        task_queue=RECONCILIATION_QUEUE,
        calendars=[ScheduleCalendarSpec(hour=[ScheduleRange(4)], minute=[ScheduleRange(10)])],
        catch_up=timedelta(hours=20),
        execution_timeout=timedelta(hours=20),
    ),
)


async def ensure_schedules(client: Client, schedules: Sequence[Recurring] = SCHEDULES) -> None:
    """Every schedule exists as it is declared here. Safe to repeat, and from many workers at once.

    One that an operator paused stays paused. Raises temporalio's RPCError.
    """
    for each in schedules:
        try:
            await client.create_schedule(each.id, each.schedule(), rpc_timeout=_RPC_TIMEOUT)
        except ScheduleAlreadyRunningError:
            await _declare_anew(client, each)


async def _declare_anew(client: Client, recurring: Recurring) -> None:
    async def changed(held: ScheduleUpdateInput) -> ScheduleUpdate:
        schedule = recurring.schedule()
        schedule.state = held.description.schedule.state
        return ScheduleUpdate(schedule=schedule)

    await client.get_schedule_handle(recurring.id).update(changed, rpc_timeout=_RPC_TIMEOUT)
