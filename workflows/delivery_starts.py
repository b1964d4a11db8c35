"""Has deliveries sent: a workflow of its own for each, however often it is asked for."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from storage.deliveries import DeliveryKey
from workflows.client import TemporalUnavailableError
from workflows.delivery_contracts import (
    DELIVERY_REPLAY_WORKFLOW,
    SEND_AGAIN,
    WEBHOOK_DELIVERIES_QUEUE,
    WEBHOOK_DELIVERY_WORKFLOW,
    DeliveryInput,
    DeliveryRef,
    ReplayPosition,
    ReplayRef,
    delivery_workflow_id,
    replay_workflow_id,
    shared_fairly,
)

_AT_ONCE: Final = 8
_RPC_TIMEOUT: Final = timedelta(seconds=5)


class DeliveryStarts:
    """Safe to repeat: a workflow that runs goes on, and one that ended finds in Postgres what is left to be sent."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def start(self, deliveries: Sequence[DeliveryKey], *, again: bool = False) -> None:
        """Have them sent; `again` begins a new series of attempts at once. Raises TemporalUnavailableError."""
        await asyncio.gather(*(self._start(each, again=again) for each in deliveries))

    async def _start(self, key: DeliveryKey, *, again: bool) -> None:
        delivery_id, organization_id = str(key.delivery_id), str(key.organization_id)
        ref = DeliveryRef(
            organization_id=organization_id, delivery_id=delivery_id, created_at=key.created_at.isoformat()
        )
        async with self._turns:
            try:
                await self._client.start_workflow(
                    WEBHOOK_DELIVERY_WORKFLOW,
                    DeliveryInput(delivery=ref),
                    id=delivery_workflow_id(delivery_id),
                    task_queue=WEBHOOK_DELIVERIES_QUEUE,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                    start_signal=SEND_AGAIN if again else None,
                    priority=shared_fairly(organization_id, first=not again),
                    rpc_timeout=_RPC_TIMEOUT,
                )
            except (RPCError, RuntimeError) as away:
                raise TemporalUnavailableError(f"no delivery was started: {type(away).__name__}") from away

    async def start_replay(self, organization_id: str, replay_id: str) -> None:
        """Have a replay carried out. Raises TemporalUnavailableError."""
        try:
            await self._client.start_workflow(
                DELIVERY_REPLAY_WORKFLOW,
                ReplayPosition(replay=ReplayRef(organization_id=organization_id, replay_id=replay_id)),
                id=replay_workflow_id(replay_id),
                task_queue=WEBHOOK_DELIVERIES_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                priority=shared_fairly(organization_id, first=False),
                rpc_timeout=_RPC_TIMEOUT,
            )
        except (RPCError, RuntimeError) as away:
            raise TemporalUnavailableError(f"no replay was started: {type(away).__name__}") from away
