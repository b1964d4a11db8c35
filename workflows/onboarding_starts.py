"""Takes up onboardings that were asked for: a workflow of its own for each, however often it is started."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError

from storage.onboarding import OnboardingKey, Onboardings
from workflows.client import TemporalUnavailableError
from workflows.onboarding_contracts import (
    ONBOARDING_QUEUE,
    ONBOARDING_WORKFLOW,
    OnboardingRef,
    onboarding_workflow_id,
)
from workflows.rounds import Rounds

_EVERY_SECONDS: Final = 2.0
_ALL_EVERY: Final = 60
_AT_ONCE: Final = 50
_RPC_TIMEOUT: Final = timedelta(seconds=5)


class OnboardingStarts:
    """Looks for them in Postgres. Any number of processes may: to start a workflow twice is to start it once.

    Every two minutes those under way are started, too: one whose workflow Temporal lost goes on.
    """

    def __init__(self, client: Client, store: Onboardings) -> None:
        self._client = client
        self._store = store
        self._rounds = Rounds(self._look, what="onboardings", every_seconds=_EVERY_SECONDS)

    @property
    def is_running(self) -> bool:
        return self._rounds.is_running

    async def run(self) -> None:
        """Look every two seconds until cancelled. Postgres or Temporal away is waited for."""
        await self._rounds.run()

    async def _look(self, rounds: int) -> None:
        for key in await self._store.unfinished(new=rounds % _ALL_EVERY != 0, limit=_AT_ONCE):
            await self.start(key)

    async def start(self, key: OnboardingKey) -> None:
        """Have it carried out. Raises TemporalUnavailableError."""
        onboarding_id = str(key.id)
        try:
            await self._client.start_workflow(
                ONBOARDING_WORKFLOW,
                OnboardingRef(organization_id=key.organization_id, onboarding_id=onboarding_id),
                id=onboarding_workflow_id(onboarding_id),
                task_queue=ONBOARDING_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                rpc_timeout=_RPC_TIMEOUT,
            )
        except (RPCError, RuntimeError) as away:
            raise TemporalUnavailableError(f"no onboarding was started: {type(away).__name__}") from away
