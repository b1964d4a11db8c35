"""What an organization has coming, done one at a time: the provider's meter, its word, messages about money."""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.billing_contracts import (
        DUTY_DUE,
        DUTY_RETRY,
        DUTY_TIMEOUT,
        DUTY_WORKFLOW,
        LONGEST_PAUSE,
        Duty,
        OrganizationRef,
        Round,
    )

_ROUNDS = 200
_FIRST_PAUSE = timedelta(seconds=5)


@workflow.defn(name=DUTY_WORKFLOW)
class OrganizationDutyWorkflow:
    """Rounds of one activity until nothing is due. Postgres holds what is due; signals say only that it may be more.

    While a vendor is away the pauses between rounds double, up to a quarter of an hour.
    """

    def __init__(self) -> None:
        self._due = False

    @workflow.signal(name=DUTY_DUE)
    def duty_due(self) -> None:
        """Something is due, perhaps."""
        self._due = True

    @workflow.run
    async def run(self, duty: Duty) -> None:
        """Do what is due."""
        failures = duty.failures
        for _ in range(_ROUNDS):
            self._due = False
            done = await workflow.execute_activity(
                duty.activity,
                OrganizationRef(organization_id=duty.organization_id),
                result_type=Round,
                start_to_close_timeout=DUTY_TIMEOUT,
                retry_policy=DUTY_RETRY,
            )
            if done.pause_seconds is not None:
                pause = max(_FIRST_PAUSE * 2 ** min(failures, 10), timedelta(seconds=done.pause_seconds))
                failures += 1
                await workflow.sleep(min(pause, LONGEST_PAUSE))
                continue
            failures = 0
            if not done.more and not self._due:
                return
        workflow.continue_as_new(replace(duty, failures=failures))
