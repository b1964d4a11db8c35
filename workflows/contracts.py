"""What crosses the border between workflows, activities and clients: names, inputs, results, policies.

Everything here ends up in Temporal's histories, so it holds ids, counts and verdicts, never what was said or by whom.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from temporalio.common import RetryPolicy

CALL_PROCESSING_QUEUE = "call-processing"
RECORDINGS_QUEUE = "call-recordings"
"""A queue of its own: a dead recording host may fill its slots and delays nothing else."""

CALL_PROCESSING_WORKFLOW = "CallProcessingWorkflow"
CALL_CHANGED = "call_changed"

READ_PROGRESS = "read_progress"
ASK_PROVIDER = "ask_provider"
NOTE_REPORT_MISSING = "note_report_missing"
STORE_TRANSCRIPT = "store_transcript"
STORE_COSTS = "store_costs"
STORE_ACTIONS = "store_actions"
ANNOUNCE_PROCESSED = "announce_processed"
COPY_RECORDING = "copy_recording"
NOTE_RECORDING_MISSING = "note_recording_missing"

UNSTORABLE = "UnstorableError"
"""Postgres refuses the value itself; trying again changes nothing."""

NON_RETRYABLE = [UNSTORABLE]

POSTGRES_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=NON_RETRYABLE,
)
"""Until Postgres is back."""

PROVIDER_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=5),
    maximum_interval=timedelta(minutes=1),
    non_retryable_error_types=NON_RETRYABLE,
)
"""A blip of the provider is asked again; the activity itself decides when silence is the answer."""

RECORDING_RETRY = RetryPolicy(
    initial_interval=timedelta(seconds=10),
    maximum_interval=timedelta(minutes=30),
    non_retryable_error_types=NON_RETRYABLE,
)

POSTGRES_TIMEOUT = timedelta(seconds=10)
PROVIDER_TIMEOUT = timedelta(seconds=40)
RECORDING_TIMEOUT = timedelta(minutes=20)
RECORDING_HEARTBEAT = timedelta(minutes=1)
RECORDING_GIVE_UP = timedelta(days=7)


def processing_workflow_id(organization_id: str, call_id: str) -> str:
    """One workflow per call: a second start of the same call finds the first."""
    return f"call-{organization_id}-{call_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRef:
    """A call by its organization and the provider's id."""

    organization_id: str
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProcessingInput:
    """The call, and how long it may be silent before the provider is asked (seconds)."""

    organization_id: str
    call_id: str
    quiet_seconds: int = 900


class ProcessingResult(StrEnum):
    """How a run ended."""

    PROCESSED = "processed"
    UNKNOWN = "unknown"
    """Postgres has no such call."""
    UNCONFIRMED = "unconfirmed"
    """No sign of the call's end, and nobody left to ask. The next sign starts a new run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a call is, as Postgres has it. Times are ms of our clock.

    `found` is False when the organization has no such call; nothing else is told then. `processed` is the number of
    reports the last finished processing knew, None before the first. `searchable`: Temporal knows our
    search attributes.
    """

    found: bool = True
    ended: bool = False
    ended_at: int = 0
    evidence_at: int = 0
    reports: int = 0
    report_missing: bool = False
    processed: int | None = None
    recording_stored: bool = False
    provider_key: bool = False
    searchable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Ask the provider for the call. `asked_at` (ms) names the question: repeated, it is answered once.

    `ended`: only the report is in doubt, so that the provider's silence says nothing about the call.
    """

    organization_id: str
    call_id: str
    asked_at: int
    ended: bool


class Answer(StrEnum):
    """What the provider had to say."""

    REPORTED = "reported"
    ENDED = "ended"
    LIVE = "live"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedNote:
    """Processing finished with this many reports known; `failed` names the steps that will not succeed."""

    organization_id: str
    call_id: str
    reports: int
    failed: list[str]


class RecordingOutcome(StrEnum):
    """Where the copy of a recording stands."""

    STORED = "stored"
    NONE = "none"
    """The report speaks of no recording."""
    MISSING = "missing"
    """The report speaks of one, and it is gone, forbidden or too large."""
