"""What frames and events of the live protocol carry: a call and its talk, incidents, figures, the whole of a board.

`actors.domain.views` builds them, which knows no pydantic; tests hold everything that is sent to these models.
"""

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypeAliasType

from actors.domain.alarm_rules import Metric, Scope, Severity
from actors.domain.call import CallStatus, ReportState
from actors.domain.ended_reasons import EndedClass, FaultOwner
from serve.figure_schemas import DayFigures
from serve.schemas import Timestamp


class Strict(BaseModel):
    """What is sent has these fields, all of them and no others. Later versions may send more."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Position = TypeAliasType(
    "Position",
    Annotated[
        str,
        Field(
            pattern=r"^(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})$",
            description="`<epoch>-<n>`, ordered as two numbers of 64 bits; within an epoch `n` has no holes.",
        ),
    ],
)


class UtteranceView(Strict):
    """Something said. A partial one is replaced by the next of the same role."""

    role: str = Field(description="`user` is the caller, `assistant` answers; others are the provider's.")
    text: str
    final: bool
    at: Timestamp


class ConversationView(Strict):
    """How a call is talked: from speech as it is heard, exact once the report came."""

    exact: bool
    first_word_at: Timestamp | None = Field(description="The assistant's first audio.")
    turns: int = Field(description="Answers whose latency is known.")
    turn_latency_p50_ms: int | None = Field(description="End of the caller's words to the start of the answer.")
    turn_latency_p95_ms: int | None
    turn_latency_max_ms: int | None
    silence_seconds: float | None = Field(description="In pauses of more than 2 s in which nobody spoke.")
    interruptions: int = Field(description="How often the caller spoke into the assistant's words.")
    tools_failed: int


class CallView(Strict):
    """One call's record, whole. Times of the call are its provider's; `created_at` and evidence are of our clock."""

    call_id: str
    status: CallStatus
    type: str | None = Field(description="The provider's word, as `inboundPhoneCall`.")
    direction: str | None
    assistant_id: str | None
    assistant_name: str | None
    from_number: str | None
    to_number: str | None
    customer_name: str | None
    campaign_id: str | None
    transferred_to: str | None
    created_at: Timestamp = Field(description="First seen.")
    ringing_at: Timestamp | None
    answered_at: Timestamp | None
    ended_at: Timestamp | None
    ended_reason: str | None = Field(description="The provider's word, of an open set.")
    ended_class: EndedClass | None
    fault_owner: FaultOwner | None
    duration_seconds: float | None = Field(description="Answered to ended.")
    cost_usd: float | None
    tool_calls: int
    hangs: int = Field(description="How often the provider told that the assistant kept the caller waiting.")
    conversation: ConversationView
    report: ReportState = Field(description="The end-of-call report, which follows the end by seconds.")
    processed_at: Timestamp | None = Field(description="When everything that follows a call was done.")
    evidence_at: Timestamp = Field(description="The last sign of the call. Its age is for the client to tell.")
    evidence_kind: str = Field(description="Which message that was, or `speech`.")
    absent_at: Timestamp | None = Field(
        description="When its provider, asked, knew nothing of it: not before `evidence_at` means *unconfirmed*."
    )
    admission: str | None = Field(description="`accepted`, `accepted:…`, `refused:…`; null when it never asked.")
    released_at: Timestamp | None = Field(description="When an operator freed the call's slot.")
    tags: list[str] = Field(description="What people sort it by: short words, ordered, 10 at most.")
    version: int = Field(description="Grows with each change of the record.")


class BoardCall(CallView):
    """A call of a snapshot: its record and the last of what was said, oldest first, 30 at most."""

    utterances: list[UtteranceView]


class IncidentEvidenceView(Strict):
    """What an incident opened on."""

    value: float = Field(description="In the unit of the metric's name.")
    since: Timestamp = Field(description="Since when the rule was breached.")
    call_id: str | None
    detail: str | None


class LiveIncident(Strict):
    """One breach of a rule. An open one has neither `recovered_at` nor `resolved_at`."""

    incident_id: str
    rule: str
    metric: Metric
    scope: Scope
    severity: Severity
    threshold: float = Field(description="In the unit of the metric's name.")
    call_id: str | None = Field(description="The call it is about; null for the organization as a whole.")
    evidence: IncidentEvidenceView
    opened_at: Timestamp
    acknowledged_at: Timestamp | None
    acknowledged_by: str | None
    muted_until: Timestamp | None
    recovered_at: Timestamp | None
    resolved_at: Timestamp | None
    resolved_by: str | None
    lasted_seconds: float | None = Field(description="Opening to end; null while open.")


class CountersView(Strict):
    """Figures over the whole organization, as values: a client counts nothing."""

    live: int = Field(description="Calls that ring or are talked, refused ones apart.")
    stale: int = Field(
        description="Of the live ones, those without any sign for a quarter of an hour, and those of which their"
        " provider, asked, knew nothing."
    )
    waiting: int = Field(description="Scheduled or queued.")
    today: DayFigures


class OrganizationView(Strict):
    """Whose board it is."""

    organization_id: str
    name: str
    time_zone: str = Field(description="IANA name; the day of `counters.today` is its.")


class BoardState(Strict):
    """The whole board: calls by `created_at`, ended ones for an hour; open incidents by `opened_at`."""

    organization: OrganizationView
    calls: list[BoardCall]
    counters: CountersView
    incidents: list[LiveIncident]


class WallboardDay(Strict):
    """The day's figures that a wallboard shows."""

    date: date
    calls: int
    answered: int
    refused: int
    abandoned: int
    peak_live: int
    peak_at: Timestamp | None
    service_level_share: float | None
    service_level_n: int
    service_level_seconds: float
    answer_seconds: float | None
    answer_n: int
    handle_seconds: float | None
    handle_n: int
    turn_latency_p95_ms: int | None
    turn_latency_n: int
    webhook_lag_p95_ms: int | None
    webhook_lag_n: int


class WallboardFigures(Strict):
    """The figures that a wallboard shows; each means what it means in the counters."""

    live: int
    stale: int
    waiting: int
    today: WallboardDay


class WallboardAlarm(Strict):
    """An open incident, without what it is about. A later one of the same `alarm_id` takes its place."""

    alarm_id: str
    incident: str = Field(description="Tells an incident from the next of the same `alarm_id`.")
    severity: Severity
    acknowledged: bool


class WallboardState(Strict):
    """What a board on a wall shows: figures, and nothing of any caller."""

    organization: OrganizationView
    figures: WallboardFigures
    alarms: list[WallboardAlarm] = Field(description="Those open.")
