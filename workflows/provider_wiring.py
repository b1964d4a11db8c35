"""Every night: whether what organizations have at VAPI still points at us."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from workflows.billing_contracts import OrganizationRef
    from workflows.contracts import POSTGRES_RETRY
    from workflows.wiring_contracts import (
        CHECK_WIRING,
        LIST_WIRED,
        PROVIDER_WIRING_WORKFLOW,
        WIRING_AT_ONCE,
        WIRING_HEARTBEAT,
        WIRING_LIST_TIMEOUT,
        WIRING_RETRY,
        WIRING_TIMEOUT,
        WiredPage,
    )


@workflow.defn(name=PROVIDER_WIRING_WORKFLOW)
class ProviderWiringWorkflow:
    """One look at each organization. One whose account cannot be asked is told so in Postgres and holds up no other."""

    @workflow.run
    async def run(self, after: str | None = None) -> int:
        """How many organizations differ, or could not be looked at, on the last page."""
        page = await workflow.execute_activity(
            LIST_WIRED,
            after,
            result_type=WiredPage,
            start_to_close_timeout=WIRING_LIST_TIMEOUT,
            retry_policy=POSTGRES_RETRY,
        )
        room = asyncio.Semaphore(WIRING_AT_ONCE)

        async def agrees(organization_id: str) -> bool:
            async with room:
                return await self._agrees(organization_id)

        differ = (await asyncio.gather(*map(agrees, page.organization_ids))).count(False)
        if page.more:
            workflow.continue_as_new(page.organization_ids[-1])
        return differ

    @staticmethod
    async def _agrees(organization_id: str) -> bool:
        try:
            return await workflow.execute_activity(
                CHECK_WIRING,
                OrganizationRef(organization_id=organization_id),
                result_type=bool,
                start_to_close_timeout=WIRING_TIMEOUT,
                heartbeat_timeout=WIRING_HEARTBEAT,
                retry_policy=WIRING_RETRY,
            )
        except ActivityError:
            return False
