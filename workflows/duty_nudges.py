"""Says that something is due for an organization, at most once a second each: a hint that the sweep makes up for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from workflows.billing_contracts import (
    BILLING_QUEUE,
    DUTY_DUE,
    DUTY_WORKFLOW,
    Duty,
    duty_workflow_id,
)

_log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
_RPC_TIMEOUT: Final = timedelta(seconds=5)


async def start_duty(client: Client, organization_id: str, activity: str) -> None:
    """Have a duty done now, or once more if it is being done. Safe to repeat. Raises RPCError, RuntimeError."""
    workflow_id = duty_workflow_id(organization_id, activity)
    try:
        await client.start_workflow(
            DUTY_WORKFLOW,
            Duty(organization_id=organization_id, activity=activity),
            id=workflow_id,
            task_queue=BILLING_QUEUE,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=DUTY_DUE,
            rpc_timeout=_RPC_TIMEOUT,
        )
    except WorkflowAlreadyStartedError:
        # Some servers lose the signal of the second of two starts at once.
        await client.get_workflow_handle(workflow_id).signal(DUTY_DUE, rpc_timeout=_RPC_TIMEOUT)


class DutyNudges:
    """Collects what is due and tells Temporal, as `running` goes on. Before `use` it only collects."""

    def __init__(self) -> None:
        self._client: Client | None = None
        self._due: set[tuple[str, str]] = set()
        self._told = asyncio.Event()

    def use(self, client: Client) -> None:
        """Tell this one."""
        self._client = client

    def nudge(self, organization_id: str, activity: str) -> None:
        """A duty may be due. Never blocks; many of the same are one."""
        self._due.add((organization_id, activity))
        self._told.set()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator["DutyNudges"]:
        """Nudges are passed on inside."""
        passing = asyncio.create_task(self._pass_on(), name="duty nudges")
        try:
            yield self
        finally:
            passing.cancel()
            await asyncio.gather(passing, return_exceptions=True)

    async def _pass_on(self) -> None:
        while True:
            await self._told.wait()
            self._told.clear()
            due, self._due = self._due, set()
            if self._client is not None:
                for organization_id, activity in sorted(due):
                    try:
                        await start_duty(self._client, organization_id, activity)
                    # A client that cannot connect raises a bare RuntimeError.
                    except (RPCError, RuntimeError) as away:
                        _log.warning("a duty waits for the sweep", activity=activity, reason=type(away).__name__)
            await asyncio.sleep(PAUSE_SECONDS)
