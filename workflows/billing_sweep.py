"""Finds what is due and nobody was told of, and has it done."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.billing_contracts import BILLING_SWEEP_WORKFLOW, DUTY_RETRY, SWEEP_DUTIES

_TIMEOUT = timedelta(minutes=1)


@workflow.defn(name=BILLING_SWEEP_WORKFLOW)
class BillingSweepWorkflow:
    """Run by a schedule, every minute."""

    @workflow.run
    async def run(self) -> None:
        """One look."""
        await workflow.execute_activity(SWEEP_DUTIES, start_to_close_timeout=_TIMEOUT, retry_policy=DUTY_RETRY)
