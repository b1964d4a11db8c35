"""The live protocol: every frame, event and view that a socket brings. The one source of its types.

From these models come `/asyncapi.json` (`serve.live.asyncapi`) and `dashboard/src/live/protocol.ts`
(`serve.live.typescript`). The frames themselves are built by `actors.domain.views`, which knows no pydantic; tests hold
everything that is sent to these models, field by field.
"""

from datetime import date
from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typing_extensions import TypeAliasType

from actors.domain.alarm_rules import Metric, Scope, Severity
from actors.domain.call import CallStatus, ReportState
from actors.domain.ended_reasons import EndedClass, FaultOwner
from actors.domain.events import IncidentChange
from serve.figure_schemas import DayFigures
from serve.live.frames import Reason
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


class CallEvent(Strict):
    """A call's record is now `call`; what was said in it stays."""

    type: Literal["call"]
    kind: str = Field(description="The message that changed it.")
    call: CallView


class CallCompletedEvent(Strict):
    """Everything that follows a call was done; its record is now `call`."""

    type: Literal["call-completed"]
    kind: Literal["call-processed"]
    call: CallView


class UtteranceEvent(Strict):
    """Something was said: it follows the others, in place of partial ones of its role."""

    type: Literal["utterance"]
    call_id: str
    evidence_at: Timestamp
    utterance: UtteranceView


class EvidenceEvent(Strict):
    """A sign that the call goes on, and how it is talked."""

    type: Literal["evidence"]
    call_id: str
    evidence_at: Timestamp
    conversation: ConversationView


class CallRemovedEvent(Strict):
    """An ended call left the board. Its record is kept, and the REST API has it."""

    type: Literal["call-removed"]
    call_id: str


class StateRepairedEvent(Strict):
    """Memory and database had differed and were made one again; so often on this day."""

    type: Literal["state-repaired"]
    repairs: int


class OrganizationEvent(Strict):
    """The organization's settings are now these."""

    type: Literal["organization"]
    name: str
    time_zone: str


class IncidentEvent(Strict):
    """An incident is now `incident`."""

    type: Literal["incident"]
    kind: IncidentChange
    incident: LiveIncident


class CountersEvent(Strict):
    """The figures are now these."""

    type: Literal["counters"]
    counters: CountersView


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


class WallboardFiguresEvent(Strict):
    """To wallboards: the figures are now these."""

    type: Literal["wallboard-figures"]
    figures: WallboardFigures


class WallboardAlarmEvent(Strict):
    """To wallboards: an incident opened, changed, or (`open` false) ended."""

    type: Literal["wallboard-alarm"]
    alarm: WallboardAlarm
    open: bool


LiveEvent = TypeAliasType(
    "LiveEvent",
    Annotated[
        CallEvent
        | CallCompletedEvent
        | UtteranceEvent
        | EvidenceEvent
        | CallRemovedEvent
        | StateRepairedEvent
        | OrganizationEvent
        | IncidentEvent
        | CountersEvent
        | WallboardFiguresEvent
        | WallboardAlarmEvent,
        Field(discriminator="type"),
    ],
)


class SnapshotFrame(Strict):
    """The whole board as of `position`, in place of what the client has."""

    type: Literal["snapshot"]
    position: Position
    reason: Reason = Field(
        description="`first`: nothing was asked for. `gap`: what followed the client's position is not known any more."
        " `epoch`: another owner has begun."
    )
    state: BoardState


class WallboardState(Strict):
    """What a board on a wall shows: figures, and nothing of any caller."""

    organization: OrganizationView
    figures: WallboardFigures
    alarms: list[WallboardAlarm] = Field(description="Those open.")


class WallboardFrame(Strict):
    """What who may see no more is sent in place of a snapshot: the whole wallboard as of `position`."""

    type: Literal["wallboard"]
    position: Position
    reason: Reason = Field(description="As a snapshot's.")
    state: WallboardState


class EventsFrame(Strict):
    """What brings a board from `after` to `position`. Dropped by a client whose position is not smaller.

    A client whose position is smaller than `after` has lost a frame on the way: it resumes from where it is.
    """

    type: Literal["events"]
    position: Position
    after: Position
    events: list[LiveEvent]


class HeartbeatFrame(Strict):
    """Every 5 s, and at once after a resumption that missed nothing. Three missed: the connection is dead.

    Its position is that of the last frame: a client whose position is smaller has lost one, and resumes.
    """

    type: Literal["heartbeat"]
    position: Position
    time: Timestamp = Field(description="The server's clock.")
    current: bool = Field(description="False while the feed cannot be read: the board may be older than `time`.")


class Watcher(Strict):
    """A credential with open sockets, at all hubs together."""

    subject: str = Field(description="`user:` or `key:` and an id: whom `acknowledged_by` and the audit log name.")
    name: str | None = Field(description="What the organization calls them; null for people who gave no name.")
    since: Timestamp
    sockets: int
    calls: list[str] = Field(description="Which calls it has open, 8 at most, in the order of their ids.")


class Actor(Strict):
    """The last command that somebody gave a call within the last minute."""

    subject: str
    name: str | None
    call_id: str
    action: str = Field(description="`say`, `whisper`, `mute`, `unmute`, `transfer`, `end`; others may come.")
    at: Timestamp


class PresenceFrame(Strict):
    """Who watches this board and who acts on its calls, whole: it takes the place of the one before.

    Within a second at one hub, 2 s between hubs; what a hub that died told is gone after 8 s, the call that a page had
    open half a minute after the page told of it last. It has no position.
    """

    type: Literal["presence"]
    watching: list[Watcher] = Field(description="Longest there first.")
    more: int = Field(description="So many more credentials watch.")
    acting: list[Actor] = Field(description="Newest first, 20 at most.")


LiveFrame = TypeAliasType(
    "LiveFrame",
    Annotated[
        SnapshotFrame | WallboardFrame | EventsFrame | HeartbeatFrame | PresenceFrame, Field(discriminator="type")
    ],
)

FRAMES: Final[tuple[type[Strict], ...]] = (SnapshotFrame, WallboardFrame, EventsFrame, HeartbeatFrame, PresenceFrame)
EVENT: Final[TypeAdapter[Any]] = TypeAdapter(LiveEvent)
FRAME: Final[TypeAdapter[Any]] = TypeAdapter(LiveFrame)


class ProtocolError(Exception):
    """Something is not what the protocol says."""


def exactly(told: bytes, model: TypeAdapter[Any] = FRAME) -> Any:
    """The frame (or event, or view) as JSON values. Raises when it is not, to the letter, what the model writes."""
    values = orjson.loads(told)
    written = model.dump_python(model.validate_json(told, strict=True), mode="json")
    if written != values:
        raise ProtocolError(f"{values!r} is written {written!r}")
    return values
