"""Every night what we charged is compared with what the payment provider counts."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from workflows.billing_contracts import (
        BILLING_VENDOR_RETRY,
        CHECK_METER,
        DUTY_RETRY,
        LIST_METERED,
        METER_EQUALITY_WORKFLOW,
        MeteredPage,
        OrganizationRef,
    )

_TIMEOUT = timedelta(minutes=2)
_GIVE_UP = timedelta(hours=2)
_AT_ONCE = 4


@workflow.defn(name=METER_EQUALITY_WORKFLOW)
class MeterEqualityWorkflow:
    """One organization's difference, or a provider that is away for it, keeps no other from its comparison."""

    @workflow.run
    async def run(self, after: str | None = None) -> int:
        """How many organizations differ, or could not be compared, on the last page."""
        page = await workflow.execute_activity(
            LIST_METERED,
            after,
            result_type=MeteredPage,
            start_to_close_timeout=_TIMEOUT,
            retry_policy=DUTY_RETRY,
        )
        differ = 0
        for first in range(0, len(page.organization_ids), _AT_ONCE):
            some = page.organization_ids[first : first + _AT_ONCE]
            differ += (await asyncio.gather(*map(self._agrees, some))).count(False)
        if page.more:
            workflow.continue_as_new(page.organization_ids[-1])
        return differ

    async def _agrees(self, organization_id: str) -> bool:
        try:
            return await workflow.execute_activity(
                CHECK_METER,
                OrganizationRef(organization_id=organization_id),
                result_type=bool,
                start_to_close_timeout=_TIMEOUT,
                schedule_to_close_timeout=_GIVE_UP,
                retry_policy=BILLING_VENDOR_RETRY,
            )
        except ActivityError:
            return False
