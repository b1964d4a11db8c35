"""Durable post-call processing: wait for the end, wait for the report, store what the call left behind."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from workflows.call_steps import CallStepsRun
    from workflows.contracts import (
        ANNOUNCE_PROCESSED,
        ASK_PROVIDER,
        CALL_CHANGED,
        CALL_PROCESSING_WORKFLOW,
        NOTE_REPORT_MISSING,
        POSTGRES_RETRY,
        POSTGRES_TIMEOUT,
        PROVIDER_RETRY,
        PROVIDER_TIMEOUT,
        READ_PROGRESS,
        STORE_ACTIONS,
        STORE_COSTS,
        STORE_TRANSCRIPT,
        Answer,
        CallProcessingInput,
        CallRef,
        ProcessedNote,
        ProcessingResult,
        Progress,
        Question,
    )
    from workflows.local_steps import ask_local, run_local
    from workflows.search_attributes import upsert
    from workflows.step_contracts import STEPS, CallSteps
    from workflows.usage_contracts import BOOK_USAGE

REPORT_ASKED_AFTER_MS = (120_000, 600_000)
MAX_SILENT_ASKS = 9
"""The last is asked after 511 quiet times of silence: five days, at fifteen minutes each."""
SHOWN_AFTER_MS = 5_000
"""What takes longer than that is shown to whoever looks for calls that wait. Each showing is a write at Temporal."""

ANNOUNCED_ONCE_DURABLE = "announced-once-durable"
"""Runs that began before announce within a workflow task."""


@workflow.defn(name=CALL_PROCESSING_WORKFLOW)
class CallProcessingWorkflow:
    """Level-triggered: each round re-reads Postgres and does the one thing that is due.

    Signals carry nothing and may be doubled or lost after the first; the state decides. A run ends when nothing is
    due any more; a report that comes later starts the next run.
    """

    def __init__(self) -> None:
        self._changed = False
        self._silent_asks = 0
        self._evidence_at = 0
        self._report_asks = 0
        self._stage = "started"
        self._shown: tuple[str, Sequence[str], Sequence[str]] | None = None
        self._steps = CallStepsRun()

    @workflow.signal(name=CALL_CHANGED)
    def call_changed(self) -> None:
        """Something about the call is new in Postgres."""
        self._changed = True

    @workflow.query(name=STEPS)
    def steps(self) -> CallSteps:
        """Where the run stands, and what each step has come to."""
        return CallSteps(stage=self._stage, steps={step: str(state) for step, state in self._steps.states.items()})

    @workflow.run
    async def run(self, start: CallProcessingInput) -> ProcessingResult:
        """Process the call; the result is for people who look at the workflow, nothing depends on it."""
        call = CallRef(organization_id=start.organization_id, call_id=start.call_id)
        while True:
            self._changed = False
            progress = await ask_local(READ_PROGRESS, call, Progress)
            if not progress.found:
                return ProcessingResult.UNKNOWN
            if not progress.ended:
                if self._nobody_left_to_ask(progress):
                    return ProcessingResult.UNCONFIRMED
                await self._await_end(call, progress, quiet_ms=start.quiet_seconds * 1000)
            elif progress.reports == 0 and not progress.report_missing:
                await self._await_report(call, progress)
            elif progress.processed is None or progress.processed < progress.reports:
                await self._process(call, progress)
            elif self._steps.pending:
                await self._await_vendors(progress)
            elif not self._changed:
                self._stage = "processed"
                self._show(self._stage, progress)
                return ProcessingResult.PROCESSED

    def _show(self, stage: str, progress: Progress) -> None:
        """Tell whoever looks for calls that wait or failed; one that did neither costs nothing."""
        seen = (stage, self._steps.pending, self._steps.failed)
        is_worth_it = self._shown is not None or any(seen[1:]) or stage != "processed"
        if progress.searchable and is_worth_it and seen != self._shown:
            upsert(*seen)
            self._shown = seen

    def _nobody_left_to_ask(self, progress: Progress) -> bool:
        if progress.evidence_at != self._evidence_at:
            self._evidence_at, self._silent_asks = progress.evidence_at, 0
        return not progress.provider_key or self._silent_asks >= MAX_SILENT_ASKS

    async def _await_end(self, call: CallRef, progress: Progress, *, quiet_ms: int) -> None:
        self._stage = "waiting-for-the-end"
        # Asked after 1, 3, 7, 15 … quiet times of silence: a lost webhook is noticed soon, a dead call costs little.
        due = progress.evidence_at + quiet_ms * (2 ** (self._silent_asks + 1) - 1)
        if await self._wait_until(due):
            return
        self._silent_asks += 1
        await self._ask(call, ended=False)

    async def _await_vendors(self, progress: Progress) -> None:
        self._stage = "waiting-for-vendors"

        def is_over() -> bool:
            return self._changed or not self._steps.pending

        try:
            await workflow.wait_condition(is_over, timeout=timedelta(milliseconds=SHOWN_AFTER_MS))
        except TimeoutError:
            self._show(self._stage, progress)
            await workflow.wait_condition(is_over)

    async def _await_report(self, call: CallRef, progress: Progress) -> None:
        self._stage = "waiting-for-the-report"
        if await self._wait_until(progress.ended_at + SHOWN_AFTER_MS):
            return
        self._show(self._stage, progress)
        if await self._wait_until(progress.ended_at + REPORT_ASKED_AFTER_MS[self._report_asks]):
            return
        self._report_asks += 1
        reported = progress.provider_key and await self._ask(call, ended=True) is Answer.REPORTED
        if not reported and self._report_asks == len(REPORT_ASKED_AFTER_MS):
            await run_local(NOTE_REPORT_MISSING, call)

    async def _process(self, call: CallRef, progress: Progress) -> None:
        self._stage = "processing"
        if not progress.recording_stored:
            self._steps.begin_copying(call)
        storing = {step: self._steps.store(step, call) for step in (STORE_TRANSCRIPT, STORE_COSTS, BOOK_USAGE)}
        storing[STORE_ACTIONS] = self._steps.store_actions(call, reports=progress.reports)
        outcomes = await asyncio.gather(*storing.values())
        failed = [step for step, stored in zip(storing, outcomes, strict=True) if not stored]
        self._steps.begin_telling(call, reports=progress.reports)
        await self._announce(call, progress, failed)

    @staticmethod
    async def _announce(call: CallRef, progress: Progress, failed: Sequence[str]) -> None:
        note = ProcessedNote(
            organization_id=call.organization_id,
            call_id=call.call_id,
            reports=progress.reports,
            failed=[*failed],
        )
        if not workflow.patched(ANNOUNCED_ONCE_DURABLE):
            await run_local(ANNOUNCE_PROCESSED, note)
            return
        # Not local: a run that finds the call announced begins nothing, so Temporal must hold what is under way first.
        await workflow.execute_activity(
            ANNOUNCE_PROCESSED, note, start_to_close_timeout=POSTGRES_TIMEOUT, retry_policy=POSTGRES_RETRY
        )

    async def _ask(self, call: CallRef, *, ended: bool) -> Answer:
        question = Question(
            organization_id=call.organization_id,
            call_id=call.call_id,
            asked_at=int(workflow.now().timestamp() * 1000),
            ended=ended,
        )
        return await workflow.execute_activity(
            ASK_PROVIDER,
            question,
            result_type=Answer,
            start_to_close_timeout=PROVIDER_TIMEOUT,
            retry_policy=PROVIDER_RETRY,
        )

    async def _wait_until(self, due: int) -> bool:
        """Sleep until signalled, or until `due` (ms); True when signalled."""
        timeout = timedelta(milliseconds=due) - timedelta(seconds=workflow.now().timestamp())
        if timeout <= timedelta():
            return False
        try:
            await workflow.wait_condition(lambda: self._changed, timeout=timeout)
        except TimeoutError:
            return False
        return True
