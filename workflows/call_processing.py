"""Durable post-call processing: wait for the end, wait for the report, store what the call left behind."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workflows.contracts import (
        ANNOUNCE_PROCESSED,
        ASK_PROVIDER,
        CALL_CHANGED,
        CALL_PROCESSING_WORKFLOW,
        COPY_RECORDING,
        NOTE_RECORDING_MISSING,
        NOTE_REPORT_MISSING,
        POSTGRES_RETRY,
        POSTGRES_TIMEOUT,
        PROVIDER_RETRY,
        PROVIDER_TIMEOUT,
        READ_PROGRESS,
        RECORDING_GIVE_UP,
        RECORDING_HEARTBEAT,
        RECORDING_RETRY,
        RECORDING_TIMEOUT,
        RECORDINGS_QUEUE,
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
        RecordingOutcome,
    )

REPORT_ASKED_AFTER_MS = (120_000, 600_000)
MAX_SILENT_ASKS = 9
"""The last is asked after 511 quiet times of silence: five days, at fifteen minutes each."""
STORING_STEPS = (STORE_TRANSCRIPT, STORE_COSTS, STORE_ACTIONS)


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
        self._recording: asyncio.Task[None] | None = None

    @workflow.signal(name=CALL_CHANGED)
    def call_changed(self) -> None:
        """Something about the call is new in Postgres."""
        self._changed = True

    @workflow.run
    async def run(self, start: CallProcessingInput) -> ProcessingResult:
        """Process the call; the result is for people who look at the workflow, nothing depends on it."""
        call = CallRef(organization_id=start.organization_id, call_id=start.call_id)
        while True:
            self._changed = False
            progress = await self._read(call)
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
            elif self._recording is not None and not self._recording.done():
                await self._wait_until(None, or_recording=True)
            elif not self._changed:
                return ProcessingResult.PROCESSED

    def _nobody_left_to_ask(self, progress: Progress) -> bool:
        if progress.evidence_at != self._evidence_at:
            self._evidence_at, self._silent_asks = progress.evidence_at, 0
        return not progress.provider_key or self._silent_asks >= MAX_SILENT_ASKS

    async def _await_end(self, call: CallRef, progress: Progress, *, quiet_ms: int) -> None:
        # Asked after 1, 3, 7, 15 … quiet times of silence: a lost webhook is noticed soon, a dead call costs little.
        due = progress.evidence_at + quiet_ms * (2 ** (self._silent_asks + 1) - 1)
        if await self._wait_until(due):
            return
        self._silent_asks += 1
        await self._ask(call, ended=False)

    async def _await_report(self, call: CallRef, progress: Progress) -> None:
        if await self._wait_until(progress.ended_at + REPORT_ASKED_AFTER_MS[self._report_asks]):
            return
        self._report_asks += 1
        reported = progress.provider_key and await self._ask(call, ended=True) is Answer.REPORTED
        if not reported and self._report_asks == len(REPORT_ASKED_AFTER_MS):
            await self._local(NOTE_REPORT_MISSING, call)

    async def _process(self, call: CallRef, progress: Progress) -> None:
        if not progress.recording_stored and (self._recording is None or self._recording.done()):
            self._recording = asyncio.create_task(self._copy_recording(call))
        outcomes = await asyncio.gather(*(self._store(step, call) for step in STORING_STEPS))
        note = ProcessedNote(
            organization_id=call.organization_id,
            call_id=call.call_id,
            reports=progress.reports,
            failed=[step for step, stored in zip(STORING_STEPS, outcomes, strict=True) if not stored],
        )
        await self._local(ANNOUNCE_PROCESSED, note)

    async def _store(self, step: str, call: CallRef) -> bool:
        """Whether the step succeeded; False only when no further try can help."""
        try:
            await self._local(step, call)
        # A local activity's failure comes as it is, without the wrapping of a remote one.
        except (ActivityError, ApplicationError):
            return False
        return True

    async def _copy_recording(self, call: CallRef) -> None:
        try:
            await workflow.execute_activity(
                COPY_RECORDING,
                call,
                result_type=RecordingOutcome,
                task_queue=RECORDINGS_QUEUE,
                start_to_close_timeout=RECORDING_TIMEOUT,
                heartbeat_timeout=RECORDING_HEARTBEAT,
                schedule_to_close_timeout=RECORDING_GIVE_UP,
                retry_policy=RECORDING_RETRY,
            )
        except ActivityError:
            await self._local(NOTE_RECORDING_MISSING, call)

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

    async def _wait_until(self, due: int | None, *, or_recording: bool = False) -> bool:
        """Sleep until signalled, until `due` (ms), or until the recording settles; True when not by `due`."""

        def woken() -> bool:
            return self._changed or (or_recording and self._recording is not None and self._recording.done())

        if due is None:
            await workflow.wait_condition(woken)
            return True
        timeout = timedelta(milliseconds=due) - timedelta(seconds=workflow.now().timestamp())
        if timeout <= timedelta():
            return False
        try:
            await workflow.wait_condition(woken, timeout=timeout)
        except TimeoutError:
            return False
        return True

    async def _read(self, call: CallRef) -> Progress:
        return await workflow.execute_local_activity(
            READ_PROGRESS,
            call,
            result_type=Progress,
            start_to_close_timeout=POSTGRES_TIMEOUT,
            retry_policy=POSTGRES_RETRY,
        )

    async def _local(self, activity: str, argument: CallRef | ProcessedNote) -> None:
        """Run a step that touches Postgres alone."""
        await workflow.execute_local_activity(
            activity,
            argument,
            start_to_close_timeout=POSTGRES_TIMEOUT,
            retry_policy=POSTGRES_RETRY,
        )
