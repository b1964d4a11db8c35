"""Onboarding: the steps and how long each is tried, names, inputs, results. Ids and verdicts alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from temporalio.common import RetryPolicy

ONBOARDING_QUEUE: Final = "onboarding"
ONBOARDING_WORKFLOW: Final = "OnboardingWorkflow"

BEGIN_ONBOARDING: Final = "begin_onboarding"
FAIL_STEP: Final = "fail_onboarding_step"
FINISH_ONBOARDING: Final = "finish_onboarding"

STEP_TIMEOUT: Final = timedelta(minutes=5)
STEP_HEARTBEAT: Final = timedelta(minutes=1)
"""What a dead worker had taken is given to another after this long.

Longer than any request takes, and than a busy process is late with a sign of life: two at once could make a thing twice
where its vendor knows no key.
"""


class Step(StrEnum):
    """A step, under the name that people see."""

    ORGANIZATION = "organization"
    CUSTOMER = "stripe_customer"
    SUBSCRIPTION = "stripe_subscription"
    ASSISTANT = "assistant"
    MONITOR = "monitor_authentication"
    NUMBER = "phone_number"
    IMPORT = "phone_number_import"
    PROBE = "probe"
    TEST_CALL = "test_call"
    WELCOME = "welcome_email"

    @property
    def activity(self) -> str:
        """What carries it out."""
        return f"onboard_{self}"

    @property
    def undoing(self) -> str:
        """What takes it back."""
        return f"undo_{self}"


_FINAL: Final = ["AbsentError", "RefusedError", "UnstorableError"]
"""Trying again changes nothing."""

VENDOR_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=5), non_retryable_error_types=_FINAL
)
"""Until the vendor is back: what was asked for is found before it is asked for again."""

PROOF_RETRY: Final = RetryPolicy(
    initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=1), non_retryable_error_types=_FINAL
)

UNDO_RETRY: Final = RetryPolicy(initial_interval=timedelta(seconds=2), maximum_interval=timedelta(minutes=15))
"""For ever: what was bought and is not wanted costs money until it is given back, whatever is in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a step is tried, and for how long. `undone`: whether there is something to take back."""

    step: Step
    retry: RetryPolicy
    give_up: timedelta
    undone: bool = False


PLANS: Final[Sequence[Plan]] = (
    Plan(step=Step.ORGANIZATION, retry=VENDOR_RETRY, give_up=timedelta(days=1)),
    # Stripe knows an idempotency key for a day.
    Plan(step=Step.CUSTOMER, retry=VENDOR_RETRY, give_up=timedelta(hours=20), undone=True),
    Plan(step=Step.SUBSCRIPTION, retry=VENDOR_RETRY, give_up=timedelta(hours=20), undone=True),
    Plan(step=Step.ASSISTANT, retry=VENDOR_RETRY, give_up=timedelta(days=1), undone=True),
    Plan(step=Step.MONITOR, retry=VENDOR_RETRY, give_up=timedelta(days=1)),
    Plan(step=Step.NUMBER, retry=VENDOR_RETRY, give_up=timedelta(days=1), undone=True),
    Plan(step=Step.IMPORT, retry=VENDOR_RETRY, give_up=timedelta(days=1), undone=True),
    Plan(step=Step.PROBE, retry=PROOF_RETRY, give_up=timedelta(minutes=30)),
    Plan(step=Step.TEST_CALL, retry=PROOF_RETRY, give_up=timedelta(minutes=30)),
    # Last, for it cannot be taken back; it tells of a line that works, and its failure takes that from nobody. Resend
    # knows an idempotency key for a day.
    Plan(step=Step.WELCOME, retry=VENDOR_RETRY, give_up=timedelta(hours=20)),
)
"""In their order: nothing is bought before what it is for is there, and nobody is told before it is proven."""


class StepState(StrEnum):
    """Where a step stands; one that was not begun has no state yet."""

    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


class OnboardingState(StrEnum):
    """Where an onboarding stands."""

    PENDING = "pending"
    RUNNING = "running"
    UNDOING = "undoing"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnboardingRef:
    """An onboarding."""

    organization_id: str
    onboarding_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepFailure:
    """A step that was given up. `undoes`: what was made is taken back because of it."""

    onboarding: OnboardingRef
    step: Step
    undoes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an onboarding ended."""

    onboarding: OnboardingRef
    state: OnboardingState


def onboarding_workflow_id(onboarding_id: str) -> str:
    """One workflow for each onboarding, whoever starts it."""
    return f"onboarding-{onboarding_id}"
