"""The further steps of call processing, and what becomes of steps: names, inputs, results, policies."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final

from temporalio.common import Priority, RetryPolicy

NOTIFICATIONS_QUEUE: Final = "notifications"
"""A queue of its own: a dead vendor of messages may fill its slots and delays nothing else."""

STEPS: Final = "steps"
"""The query."""

PLAN_NOTIFICATIONS: Final = "plan_notifications"
SEND_NOTIFICATION: Final = "send_notification"
GIVE_UP_NOTIFICATION: Final = "give_up_notification"
FIND_ACTIONS: Final = "find_actions"
NOTE_STEP_FAILED: Final = "note_step_failed"

NOTIFICATIONS: Final = "notifications"
"""The step, under the name that people see."""

ITEMS_AWAITED: Final = timedelta(minutes=2)
"""How long messages wait for the action items that they would carry."""

SEND_TIMEOUT: Final = timedelta(seconds=90)
SEND_GIVE_UP: Final = timedelta(days=2)
SEND_RETRY: Final = RetryPolicy(initial_interval=timedelta(seconds=10), maximum_interval=timedelta(minutes=15))

FIND_TIMEOUT: Final = timedelta(minutes=2)
FIND_GIVE_UP: Final = timedelta(minutes=30)
FIND_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=10),
    maximum_interval=timedelta(minutes=5),
    non_retryable_error_types=["RefusedError", "UnstorableError"],
)


def shared_fairly(organization_id: str) -> Priority:
    """Organizations take turns, however much one of them has queued."""
    return Priority(fairness_key=organization_id)


class StepState(StrEnum):
    """What a step has come to."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """It will not succeed; the call's timeline tells so."""


class ItemsOutcome(StrEnum):
    """Where the action items of a call come from."""

    STORED = "stored"
    ASK_MODEL = "ask-model"
    """What rules found is stored; a model is to look closer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationRef:
    """A message to one recipient about a call. `created_at` is ISO 8601."""

    organization_id: str
    call_id: str
    notification_id: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedNotifications:
    """Messages that are written down and not sent yet."""

    notifications: list[NotificationRef] = field(default_factory=list[NotificationRef])


class SendOutcome(StrEnum):
    """What became of a message."""

    SENT = "sent"
    WITHHELD = "withheld"
    """Its vendor is not set up, or the recipient must not be written to."""
    FAILED = "failed"
    """The vendor refuses it for good; the call's timeline tells so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedStep:
    """A step of a call that was given up."""

    organization_id: str
    call_id: str
    step: str
    reports: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSteps:
    """The answer to the query `steps`: where the run stands, and what each step has come to."""

    stage: str
    steps: dict[str, str]
