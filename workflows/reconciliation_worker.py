"""The worker of the queue `reconciliation`: what the provider keeps, held against what we do."""

from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workflows.activities.provider_wiring import ProviderWiring
from workflows.activities.reconciliation import Reconciliation
from workflows.provider_wiring import ProviderWiringWorkflow
from workflows.reconciliation import ReconciliationWorkflow
from workflows.reconciliation_contracts import AT_ONCE, RECONCILIATION_QUEUE
from workflows.wiring_contracts import WIRING_AT_ONCE


def reconciliation_worker(client: Client, activities: Reconciliation, wiring: ProviderWiring, **options: Any) -> Worker:
    """The worker, not running yet."""
    # So that the nightly look takes no place of a reconciliation's.
    told: dict[str, Any] = {"max_concurrent_activities": AT_ONCE + WIRING_AT_ONCE, **options}
    return Worker(
        client,
        task_queue=RECONCILIATION_QUEUE,
        workflows=[ReconciliationWorkflow, ProviderWiringWorkflow],
        activities=[
            activities.list_accounts,
            activities.reconcile_account,
            wiring.list_wired,
            wiring.check_wiring,
        ],
        **told,
    )
