"""One billing period of an organization after another, as the payment provider tells them."""

from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy

with workflow.unsafe.imports_passed_through():
    from workflows.billing_contracts import (
        BILLING_CYCLE_WORKFLOW,
        BILLING_CYCLES_WORKFLOW,
        BILLING_VENDOR_RETRY,
        CLOSE_PERIOD,
        DUTY_RETRY,
        LIST_DUE_CYCLES,
        TURN_PERIOD,
        Cycle,
        OrganizationRef,
        billing_cycle_id,
    )

_TIMEOUT = timedelta(minutes=1)
_GIVE_UP = timedelta(hours=6)
_MARGIN = timedelta(seconds=1)
_PERIODS = 24


@workflow.defn(name=BILLING_CYCLE_WORKFLOW)
class BillingCycleWorkflow:
    """The period of the subscription's item is taken over; the one that is over is closed before its invoice is.

    What is closed, and by which sums, stands in `billing_events`; while Stripe still tells the old period, or is away
    for hours, the run ends and the next look begins another.
    """

    @workflow.run
    async def run(self, organization: OrganizationRef) -> int:
        """How many periods were closed."""
        for closed in range(_PERIODS):
            try:
                cycle = await workflow.execute_activity(
                    TURN_PERIOD,
                    organization,
                    result_type=Cycle,
                    start_to_close_timeout=_TIMEOUT,
                    schedule_to_close_timeout=_GIVE_UP,
                    retry_policy=BILLING_VENDOR_RETRY,
                )
            except ActivityError:
                return closed
            if cycle.period_start is None:
                return closed
            if cycle.closes_in_ms:
                await workflow.sleep(timedelta(milliseconds=cycle.closes_in_ms) + _MARGIN)
            await workflow.execute_activity(
                CLOSE_PERIOD, organization, start_to_close_timeout=_TIMEOUT, retry_policy=DUTY_RETRY
            )
        return _PERIODS


@workflow.defn(name=BILLING_CYCLES_WORKFLOW)
class BillingCyclesWorkflow:
    """Run by a schedule: a BillingCycleWorkflow for each organization whose period is over, unless one is at it."""

    @workflow.run
    async def run(self) -> None:
        """One look."""
        due = await workflow.execute_activity(
            LIST_DUE_CYCLES, result_type=list[str], start_to_close_timeout=_TIMEOUT, retry_policy=DUTY_RETRY
        )
        for organization_id in due:
            try:
                await workflow.start_child_workflow(
                    BILLING_CYCLE_WORKFLOW,
                    OrganizationRef(organization_id=organization_id),
                    id=billing_cycle_id(organization_id),
                    parent_close_policy=ParentClosePolicy.ABANDON,
                )
            except WorkflowAlreadyStartedError:
                continue
