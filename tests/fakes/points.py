"""Every point of a workflow's history at which whoever works on it may die, and a way to stand still at one of them.

The points of a workflow are counted as they are come to: before and after each piece of a workflow task, before and
after each activity, and before and after each request to a vendor.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from functools import wraps
from threading import Event, Lock
from typing import Any, Final

from temporalio import activity
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    UnsandboxedWorkflowRunner,
    WorkflowInstance,
    WorkflowInstanceDetails,
)
from temporalio.workflow import Info

from workflows.vendors.resend_api import ResendApi
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.twilio_api import TwilioApi
from workflows.vendors.vapi_account import VapiAccount
from workflows.vendors.vapi_placing import PlacingClient
from workflows.vendors.webhook_sender import WebhookSender

Method = Callable[..., Awaitable[Any]]

REQUESTS: Final = (
    (TwilioApi, "send_sms"),
    (ResendApi, "send_email"),
    (StripeApi, "record_meter_event"),
    (WebhookSender, "send"),
    (StripeApi, "create_customer"),
    (StripeApi, "create_subscription"),
    (StripeApi, "cancel_subscription"),
    (StripeApi, "delete_customer"),
    (VapiAccount, "create_assistant"),
    (VapiAccount, "update"),
    (VapiAccount, "import_twilio_number"),
    (VapiAccount, "delete"),
    (TwilioApi, "buy_number"),
    (TwilioApi, "release_number"),
    (PlacingClient, "place"),
)


class Points(Interceptor):
    """Counts the points of each workflow, by its id.

    A workflow of `stop_at` stands still from the point of that number on, with everything that is done for it; at its
    last one, if it came by with fewer: what goes on at once may be worked on in one piece or in several.
    `all_stand_still` is called, in whatever thread, once they all do.
    """

    def __init__(
        self, stop_at: Mapping[str, int] | None = None, *, all_stand_still: Callable[[], object] | None = None
    ) -> None:
        self.counted: Counter[str] = Counter()
        self._stop_at = stop_at or {}
        self._all_stand_still = all_stand_still
        self._standing: set[str] = set()
        self._turn = Lock()

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        return _PassingActivity(next, self)

    def runner(self) -> UnsandboxedWorkflowRunner:
        """What runs workflows by these points."""
        return _PassingRunner(self)

    @contextmanager
    def at_requests(self) -> Generator[None]:
        """Requests to vendors are points inside."""
        kept = [(owner, name, getattr(owner, name)) for owner, name in REQUESTS]
        for owner, name, method in kept:
            setattr(owner, name, self._passing(method))
        try:
            yield
        finally:
            for owner, name, method in kept:
                setattr(owner, name, method)

    async def come(self, workflow_id: str) -> None:
        """In an event loop: never returns when the workflow is to stand still."""
        if self._stands_still(workflow_id):
            await asyncio.Event().wait()

    def come_in_thread(self, workflow_id: str, *, last: bool = False) -> None:
        """In a thread of its own: never returns when the workflow is to stand still."""
        if self._stands_still(workflow_id, last=last):
            Event().wait()

    def _stands_still(self, workflow_id: str, *, last: bool = False) -> bool:
        with self._turn:
            self.counted[workflow_id] += 1
            wanted = self._stop_at.get(workflow_id)
            if wanted is None or (self.counted[workflow_id] < wanted and not last):
                return False
            self._standing.add(workflow_id)
            if len(self._standing) == len(self._stop_at) and self._all_stand_still is not None:
                self._all_stand_still()
            return True

    def _passing(self, method: Method) -> Method:
        @wraps(method)
        async def passing(*arguments: Any, **named: Any) -> Any:
            workflow_id = activity.info().workflow_id if activity.in_activity() else None
            if workflow_id is None:
                return await method(*arguments, **named)
            await self.come(workflow_id)
            answer = await method(*arguments, **named)
            await self.come(workflow_id)
            return answer

        return passing


class _PassingActivity(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, points: Points) -> None:  # noqa: A002 - Temporal's name
        super().__init__(next)
        self._points = points

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - Temporal's name
        workflow_id = activity.info().workflow_id
        assert workflow_id is not None
        await self._points.come(workflow_id)
        answer = await super().execute_activity(input)
        await self._points.come(workflow_id)
        return answer


class _PassingRunner(UnsandboxedWorkflowRunner):
    def __init__(self, points: Points) -> None:
        self._points = points

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        return _PassingInstance(super().create_instance(det), self._points, det.info.workflow_id)


class _PassingInstance(WorkflowInstance):
    """Another instance, with a point before and after each thing it is told."""

    def __init__(self, instance: WorkflowInstance, points: Points, workflow_id: str) -> None:
        self._instance = instance
        self._points = points
        self._workflow_id = workflow_id

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        if act.is_replaying or any(job.HasField("remove_from_cache") for job in act.jobs):
            return self._instance.activate(act)
        self._points.come_in_thread(self._workflow_id)
        completion = self._instance.activate(act)
        self._points.come_in_thread(self._workflow_id, last=_ends(completion))
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Info:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()


def _ends(completion: WorkflowActivationCompletion) -> bool:
    return any(
        command.HasField("complete_workflow_execution") or command.HasField("fail_workflow_execution")
        for command in completion.successful.commands
    )
