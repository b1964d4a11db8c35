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
APPLY_STRIPE_EVENTS = "apply_stripe_events"
TELL_DISABLED_ENDPOINTS = "tell_disabled_endpoints"
RESEND_MESSAGES = "resend_messages"
SWEEP_DUTIES = "sweep_duties"

USAGE_AGGREGATION_WORKFLOW = "UsageAggregationWorkflow"
AGGREGATE_DAYS = "aggregate_days"

BILLING_CYCLE_WORKFLOW = "BillingCycleWorkflow"
BILLING_CYCLES_WORKFLOW = "BillingCyclesWorkflow"
LIST_DUE_CYCLES = "list_due_cycles"
TURN_PERIOD = "turn_period"
CLOSE_PERIOD = "close_period"

METER_EQUALITY_WORKFLOW = "MeterEqualityWorkflow"
LIST_METERED = "list_metered"
CHECK_METER = "check_meter"

DUTY_TIMEOUT = timedelta(minutes=3)
DUTY_SECONDS = 60.0
"""So long a round goes on before it lets another organization have its place; what is left comes next."""

DUTY_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""Until Postgres is back. What a vendor's absence means is the activity's own business: it asks for a pause."""

BILLING_VENDOR_RETRY = RetryPolicy(initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=15))
"""Until the vendor is back, or the activity is given up: whoever runs it by the clock tries again."""

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


def billing_cycle_id(organization_id: str) -> str:
    """One workflow for each organization."""
    return f"billing-cycle-{organization_id}"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """The period that is over and not closed, and when it is to be; no start: there is none."""

    period_start: int | None = None
    closes_in_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredPage:
    """Organizations that the payment provider meters; perhaps there are `more`."""

    organization_ids: list[str]
    more: bool = False
