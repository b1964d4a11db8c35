"""An organization is set up at its vendors: a saga, whose steps are taken back when one of them fails for good."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from workflows.local_steps import ask_local, run_local
    from workflows.onboarding_contracts import (
        BEGIN_ONBOARDING,
        FAIL_STEP,
        FINISH_ONBOARDING,
        ONBOARDING_WORKFLOW,
        PLANS,
        STEP_HEARTBEAT,
        STEP_TIMEOUT,
        UNDO_RETRY,
        OnboardingRef,
        OnboardingState,
        Outcome,
        Step,
        StepFailure,
        StepState,
    )


@workflow.defn(name=ONBOARDING_WORKFLOW)
class OnboardingWorkflow:
    """One step after another, each until it is done or given up. Postgres holds what came of each.

    What is made is named after the onboarding at its vendor, so that a step that is tried again finds what the one
    before had done, and taking it back finds what nobody was told of. Nothing is given up half: what was begun to be
    taken back is, however long a vendor is away.
    """

    @workflow.run
    async def run(self, onboarding: OnboardingRef) -> OnboardingState:
        """Set it up. Safe to repeat: a run that finds it begun goes on."""
        state = await ask_local(BEGIN_ONBOARDING, onboarding, OnboardingState)
        if state is OnboardingState.RUNNING:
            state = await self._carry_out(onboarding)
        if state is OnboardingState.UNDOING:
            await self._undo(onboarding)
            state = OnboardingState.FAILED
        await run_local(FINISH_ONBOARDING, Outcome(onboarding=onboarding, state=state))
        return state

    async def _carry_out(self, onboarding: OnboardingRef) -> OnboardingState:
        for plan in PLANS:
            try:
                await workflow.execute_activity(
                    plan.step.activity,
                    onboarding,
                    result_type=StepState,
                    start_to_close_timeout=STEP_TIMEOUT,
                    heartbeat_timeout=STEP_HEARTBEAT,
                    schedule_to_close_timeout=plan.give_up,
                    retry_policy=plan.retry,
                )
            except ActivityError:
                undoes = plan.step is not Step.WELCOME
                await run_local(FAIL_STEP, StepFailure(onboarding=onboarding, step=plan.step, undoes=undoes))
                if undoes:
                    return OnboardingState.UNDOING
        return OnboardingState.COMPLETED

    @staticmethod
    async def _undo(onboarding: OnboardingRef) -> None:
        """The last first. A step that was not begun, or found what was there before, has nothing to take back."""
        for plan in reversed(PLANS):
            if plan.undone:
                await workflow.execute_activity(
                    plan.step.undoing,
                    onboarding,
                    start_to_close_timeout=STEP_TIMEOUT,
                    heartbeat_timeout=STEP_HEARTBEAT,
                    retry_policy=UNDO_RETRY,
                )
