"""The worker of the queue `reconciliation`."""

from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workflows.activities.reconciliation import Reconciliation
from workflows.reconciliation import ReconciliationWorkflow
from workflows.reconciliation_contracts import AT_ONCE, RECONCILIATION_QUEUE


def reconciliation_worker(client: Client, activities: Reconciliation, **options: Any) -> Worker:
    """The worker, not running yet."""
    return Worker(
        client,
        task_queue=RECONCILIATION_QUEUE,
        workflows=[ReconciliationWorkflow],
        activities=[activities.list_accounts, activities.reconcile_account],
        max_concurrent_activities=AT_ONCE,
        **options,
    )
