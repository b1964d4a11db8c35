"""Every few minutes: what the provider knows of calls is held against what we were told."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from workflows.contracts import POSTGRES_RETRY
    from workflows.reconciliation_contracts import (
        AT_ONCE,
        LIST_ACCOUNTS,
        LIST_TIMEOUT,
        RECONCILE_ACCOUNT,
        RECONCILE_HEARTBEAT,
        RECONCILE_RETRY,
        RECONCILE_TIMEOUT,
        RECONCILIATION_WORKFLOW,
        Account,
        Accounts,
        Reconciled,
    )


@workflow.defn(name=RECONCILIATION_WORKFLOW)
class ReconciliationWorkflow:
    """One round over all accounts. An account that fails is told so in Postgres and holds up no other."""

    @workflow.run
    async def run(self) -> Reconciled:
        """Reconcile; the result is for people who look at the workflow, nothing depends on it."""
        due = await workflow.execute_activity(
            LIST_ACCOUNTS, result_type=Accounts, start_to_close_timeout=LIST_TIMEOUT, retry_policy=POSTGRES_RETRY
        )
        room = asyncio.Semaphore(AT_ONCE)

        async def reconciled(account: Account) -> Reconciled:
            async with room:
                return await self._reconcile(account)

        found = await asyncio.gather(*map(reconciled, due.accounts))
        total = Reconciled()
        for each in found:
            total = total.plus(each)
        return total

    async def _reconcile(self, account: Account) -> Reconciled:
        try:
            return await workflow.execute_activity(
                RECONCILE_ACCOUNT,
                account,
                result_type=Reconciled,
                start_to_close_timeout=RECONCILE_TIMEOUT,
                heartbeat_timeout=RECONCILE_HEARTBEAT,
                retry_policy=RECONCILE_RETRY,
            )
        except ActivityError:
            return Reconciled(failed=1)
