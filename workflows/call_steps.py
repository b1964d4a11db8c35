"""Steps of a call's processing that take their time: under way beside each other, each delayed by its own vendor."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from workflows.contracts import (
        COPY_RECORDING,
        NOTE_RECORDING_MISSING,
        RECORDING_GIVE_UP,
        RECORDING_HEARTBEAT,
        RECORDING_RETRY,
        RECORDING_TIMEOUT,
        RECORDINGS_QUEUE,
        STORE_ACTIONS,
        CallRef,
        RecordingOutcome,
    )
    from workflows.delivery_contracts import ENQUEUE_DELIVERIES
    from workflows.local_steps import ask_local, run_local
    from workflows.step_contracts import (
        FIND_ACTIONS,
        FIND_GIVE_UP,
        FIND_RETRY,
        FIND_TIMEOUT,
        GIVE_UP_NOTIFICATION,
        ITEMS_AWAITED,
        NOTE_STEP_FAILED,
        NOTIFICATIONS,
        NOTIFICATIONS_QUEUE,
        PLAN_NOTIFICATIONS,
        SEND_GIVE_UP,
        SEND_NOTIFICATION,
        SEND_RETRY,
        SEND_TIMEOUT,
        FailedStep,
        ItemsOutcome,
        NotificationRef,
        PlannedNotifications,
        SendOutcome,
        StepState,
        shared_fairly,
    )


class CallStepsRun:
    """What the steps of one call have come to. Lives in its workflow, and only there."""

    def __init__(self) -> None:
        self.states: dict[str, StepState] = {}
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._sending: set[str] = set()

    @property
    def pending(self) -> Sequence[str]:
        """Steps under way, by name."""
        return sorted(step for step, task in self._under_way.items() if not task.done())

    @property
    def failed(self) -> Sequence[str]:
        return sorted(step for step, state in self.states.items() if state is StepState.FAILED)

    def begin(self, step: str, work: Callable[[], Awaitable[bool]]) -> None:
        """Have a step under way beside everything else, unless it is already. It answers whether it succeeded."""
        if step not in self.pending:
            self._under_way[step] = asyncio.create_task(self._settle(step, work))

    def begin_copying(self, call: CallRef) -> None:
        """Have the call's recording copied."""
        self.begin(COPY_RECORDING, lambda: self._copy_recording(call))

    async def store(self, step: str, call: CallRef) -> bool:
        """Run a step that touches Postgres alone; whether it succeeded: False only when no further try can help."""
        return await self._attempt(step, run_local(step, call))

    async def store_actions(self, call: CallRef, *, reports: int) -> bool:
        """Store the action items; a model that is to look closer does so meanwhile."""

        async def stored() -> None:
            if await ask_local(STORE_ACTIONS, call, ItemsOutcome) is ItemsOutcome.ASK_MODEL:
                self.begin(FIND_ACTIONS, lambda: self._find_actions(call, reports=reports))

        return await self._attempt(STORE_ACTIONS, stored())

    def begin_telling(self, call: CallRef, *, reports: int) -> None:
        """Have endpoints and people told of the call, once its action items are there or are awaited no longer."""
        self.begin(ENQUEUE_DELIVERIES, lambda: self._tell_endpoints(call, reports=reports))
        self.begin(NOTIFICATIONS, lambda: self._tell_people(call, reports=reports))

    async def _attempt(self, step: str, work: Awaitable[None]) -> bool:
        self.states[step] = StepState.RUNNING
        try:
            await work
        # A local activity's failure comes as it is, without the wrapping of a remote one.
        except (ActivityError, ApplicationError):
            self.states[step] = StepState.FAILED
            return False
        self.states[step] = StepState.DONE
        return True

    async def _settle(self, step: str, work: Callable[[], Awaitable[bool]]) -> None:
        self.states[step] = StepState.RUNNING
        self.states[step] = StepState.DONE if await work() else StepState.FAILED

    async def _copy_recording(self, call: CallRef) -> bool:
        try:
            copied = await workflow.execute_activity(
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
            await run_local(NOTE_RECORDING_MISSING, call)
            return False
        return copied is not RecordingOutcome.MISSING

    async def _find_actions(self, call: CallRef, *, reports: int) -> bool:
        try:
            await workflow.execute_activity(
                FIND_ACTIONS,
                call,
                start_to_close_timeout=FIND_TIMEOUT,
                schedule_to_close_timeout=FIND_GIVE_UP,
                retry_policy=FIND_RETRY,
                priority=shared_fairly(call.organization_id),
            )
        except ActivityError:
            # What rules found stays.
            await self._note_failed(call, FIND_ACTIONS, reports)
            return False
        return True

    async def _tell_endpoints(self, call: CallRef, *, reports: int) -> bool:
        """Each delivery is a workflow of its own: it is not waited for here."""
        await self._await_items()
        try:
            await run_local(ENQUEUE_DELIVERIES, call)
        except (ActivityError, ApplicationError):
            await self._note_failed(call, ENQUEUE_DELIVERIES, reports)
            return False
        return True

    async def _tell_people(self, call: CallRef, *, reports: int) -> bool:
        await self._await_items()
        try:
            planned = await ask_local(PLAN_NOTIFICATIONS, call, PlannedNotifications)
        except (ActivityError, ApplicationError):
            await self._note_failed(call, NOTIFICATIONS, reports)
            return False
        unsent = [each for each in planned.notifications if each.notification_id not in self._sending]
        outcomes = await asyncio.gather(*map(self._send, unsent))
        return SendOutcome.FAILED not in outcomes

    async def _await_items(self) -> None:
        if FIND_ACTIONS in self.pending:
            try:
                await workflow.wait_condition(lambda: FIND_ACTIONS not in self.pending, timeout=ITEMS_AWAITED)
            except TimeoutError:
                return

    async def _send(self, order: NotificationRef) -> SendOutcome:
        self._sending.add(order.notification_id)
        try:
            return await workflow.execute_activity(
                SEND_NOTIFICATION,
                order,
                result_type=SendOutcome,
                task_queue=NOTIFICATIONS_QUEUE,
                start_to_close_timeout=SEND_TIMEOUT,
                schedule_to_close_timeout=SEND_GIVE_UP,
                retry_policy=SEND_RETRY,
                priority=shared_fairly(order.organization_id),
            )
        except ActivityError:
            await run_local(GIVE_UP_NOTIFICATION, order)
            return SendOutcome.FAILED
        finally:
            self._sending.discard(order.notification_id)

    @staticmethod
    async def _note_failed(call: CallRef, step: str, reports: int) -> None:
        failed = FailedStep(organization_id=call.organization_id, call_id=call.call_id, step=step, reports=reports)
        await run_local(NOTE_STEP_FAILED, failed)
