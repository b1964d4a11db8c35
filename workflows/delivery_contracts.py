"""What crosses the border between the deliveries' workflows, activities and clients: ids, counts and times alone."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from temporalio.common import Priority, RetryPolicy

WEBHOOK_DELIVERIES_QUEUE: Final = "webhook-deliveries"

WEBHOOK_DELIVERY_WORKFLOW: Final = "WebhookDeliveryWorkflow"
DELIVERY_REPLAY_WORKFLOW: Final = "DeliveryReplayWorkflow"
SEND_AGAIN: Final = "send_again"

ENQUEUE_DELIVERIES: Final = "enqueue_deliveries"
"""On a CallRef, as a local activity of call processing: writes `call.completed` for each endpoint that wants it."""
ATTEMPT_DELIVERY: Final = "attempt_delivery"
REPLAY_PAGE: Final = "replay_page"
REPLAY_DONE: Final = "replay_done"

CALL_COMPLETED: Final = "call.completed"

DELAYS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Between one attempt and the next: ten attempts over three days, as Standard Webhooks has it."""
JITTER: Final = 0.1
"""Each delay is longer by up to this share of it, so that what failed together does not come back together."""

ATTEMPT_RETRY: Final = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))
"""Until Postgres is back, or another worker takes over. That an endpoint failed is a result and no error."""
ATTEMPT_TIMEOUT: Final = timedelta(seconds=45)
ATTEMPT_HEARTBEAT: Final = timedelta(seconds=10)
"""What a dead worker had taken is given to another after this long."""
REPLAY_TIMEOUT: Final = timedelta(seconds=60)


def delivery_workflow_id(delivery_id: str) -> str:
    """One workflow per delivery, whoever starts it."""
    return f"webhook-{delivery_id}"


def replay_workflow_id(replay_id: str) -> str:
    """One workflow per replay."""
    return f"webhook-replay-{replay_id}"


def shared_fairly(organization_id: str, *, first: bool) -> Priority:
    """Organizations take turns, however much one of them has queued; first attempts go ahead of repeated ones."""
    return Priority(priority_key=2 if first else 4, fairness_key=organization_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryRef:
    """A delivery. `created_at` is ISO 8601."""

    organization_id: str
    delivery_id: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryInput:
    """A delivery, and how far an earlier part of the same run came: attempts made, and whether it stood in line."""

    delivery: DeliveryRef
    made: int = 0
    waited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOrder:
    """Attempt a delivery. `retry_after_ms`: when the next attempt is due after this one fails; None: it is the last.

    `jitter` in [0, 1) is the workflow's own, so that what is decided by it is decided once.
    """

    delivery: DeliveryRef
    retry_after_ms: int | None
    waited: bool
    jitter: float


class AttemptResult(StrEnum):
    """What became of an order."""

    SETTLED = "settled"
    """Delivered, given up, or not wanted any more."""
    FAILED = "failed"
    """The next attempt is due at `due_at`."""
    WAITING = "waiting"
    """Nothing was sent: the endpoint is busy, or its circuit open, until `due_at`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptReport:
    """`status` is the delivery's once it is settled; `due_at` (ms) is told by the two others."""

    result: AttemptResult
    status: str = "pending"
    due_at: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRef:
    """A request to send deliveries again."""

    organization_id: str
    replay_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPosition:
    """How far a replay is: deliveries sent again, and the last of them. Empty at the beginning."""

    replay: ReplayRef
    deliveries: int = 0
    after_created_at: str = ""
    after_id: str = ""
    finished: bool = False
