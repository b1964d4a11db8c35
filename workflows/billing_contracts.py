"""What crosses the border between workflows and activities that have to do with money: ids, counts and moments only."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.common import RetryPolicy

BILLING_QUEUE = "billing"

DUTY_WORKFLOW = "OrganizationDutyWorkflow"
DUTY_DUE = "duty_due"

BILLING_SWEEP_WORKFLOW = "BillingSweepWorkflow"

SEND_METER_EVENTS = "send_meter_events"
TELL_USAGE_ALERTS = "tell_usage_alerts"
SWEEP_DUTIES = "sweep_duties"

USAGE_AGGREGATION_WORKFLOW = "UsageAggregationWorkflow"
AGGREGATE_DAYS = "aggregate_days"

DUTY_TIMEOUT = timedelta(minutes=3)
DUTY_SECONDS = 60.0
"""So long a round goes on before it lets another organization have its place; what is left comes next."""

DUTY_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""Until Postgres is back. What a vendor's absence means is the activity's own business: it asks for a pause."""

LONGEST_PAUSE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationRef:
    """An organization."""

    organization_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """An activity on an OrganizationRef that ends with a Round, for one organization.

    `failures` in a row: the more, the longer the next pause.
    """

    organization_id: str
    activity: str
    failures: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """How a round of a duty ended: `more` is left, or it cannot go on before a pause of (at least) so many seconds."""

    more: bool = False
    pause_seconds: float | None = None


def duty_workflow_id(organization_id: str, activity: str) -> str:
    """One workflow for each duty and organization: what it does is never done twice at once."""
    return f"{activity}-{organization_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregationSpan:
    """Closed days of [since, until] (ISO dates), of one organization or all; without dates, those that are due.

    They are taken in the order of organizations and days, after those that `after` names.
    """

    since: str | None = None
    until: str | None = None
    organization_id: str | None = None
    after_organization: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregated:
    """A page of days was added up, up to the day `after`; perhaps there are `more`."""

    days: int
    more: bool = False
    after_organization: str | None = None
    after: str | None = None
