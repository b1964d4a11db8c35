"""Reconciliation: names, inputs, results, policies."""

from dataclasses import dataclass, field
from datetime import timedelta

from temporalio.common import RetryPolicy

RECONCILIATION_QUEUE = "reconciliation"
RECONCILIATION_WORKFLOW = "ReconciliationWorkflow"

LIST_ACCOUNTS = "list_accounts"
RECONCILE_ACCOUNT = "reconcile_account"

MAX_ACCOUNTS = 500
"""In one round; those that waited longest come first, so none is left out for ever."""

AT_ONCE = 8

LIST_TIMEOUT = timedelta(seconds=30)
RECONCILE_TIMEOUT = timedelta(minutes=20)
RECONCILE_HEARTBEAT = timedelta(minutes=1)

RECONCILE_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=10), maximum_interval=timedelta(minutes=1), maximum_attempts=3
)
"""Few: the next round comes anyway, and starts where this one should have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at the provider, by the organizations whose key is its own."""

    organization_ids: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Accounts to reconcile."""

    accounts: list[Account] = field(default_factory=list[Account])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What a round found, added up: `strangers` are calls of the account that are no organization's of ours."""

    looked_at: int = 0
    repaired: int = 0
    strangers: int = 0
    failed: int = 0

    def plus(self, other: "Reconciled") -> "Reconciled":
        """Both together."""
        return Reconciled(
            looked_at=self.looked_at + other.looked_at,
            repaired=self.repaired + other.repaired,
            strangers=self.strangers + other.strangers,
            failed=self.failed + other.failed,
        )
