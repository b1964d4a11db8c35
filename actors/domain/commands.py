"""What the organization is asked to take in. Each command but `Hear`, `Forget` and `Tick` comes from one inbox row."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from actors.domain.admission import UNCHECKED
from actors.domain.call import FIELD_NAMES, CallFields, CallStatus, Observation, Source, Utterance
from actors.domain.conversation import Conversation, SpeechSign, ToolsFailed
from actors.domain.json_types import JSON, Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRow:
    """An accepted event as Postgres holds it. Times are ms since the epoch; `occurred_at` is None when not told."""

    id: int
    provider: str
    event_key: str
    type: str
    call_id: str | None
    facts: Facts
    occurred_at: int | None
    received_at: int
    apply_sequence: int | None = None
    outcome: str | None = None
    """What was decided of a request when the row was applied: a replay reads it instead of deciding anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Take in one durable sign of a call; `is_replay` when it was taken in before."""

    call_id: str
    observation: Observation
    is_replay: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A call asks to begin; nothing was decided yet. `is_answerable`: an assistant would take it."""

    call_id: str
    observation: Observation
    is_answerable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingPlacement:
    """A call being placed since `since` (ms): `name` is the provider's id, or ours while it has none."""

    name: str
    assistant_id: str | None
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPlacement:
    """Somebody asks at `at` (ms) whether a call may be placed, while `pending` ones are."""

    at: int
    assistant_id: str | None
    pending: tuple[PendingPlacement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """Take in chatter: at most once, never stored. `at` is our time in ms."""

    call_id: str
    at: int
    utterance: Utterance | None = None
    sign: SpeechSign | ToolsFailed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteAbsent:
    """The provider was asked for the call and answered 404 or not at all."""

    call_id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteReportMissing:
    """The provider was asked for the report of an ended call and had none."""

    call_id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteProcessed:
    """Post-call processing finished."""

    call_id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteReleased:
    """An operator freed the slot of a call. Evidence that is newer takes it again."""

    call_id: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTags:
    """Somebody tagged the call: its tags are these, unless a row with an id greater than `row_id` told others."""

    call_id: str
    tags: tuple[str, ...]
    row_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRepair:
    """Memory and Postgres differed and were made one again: about a call, or with `call_id` None about figures."""

    call_id: str | None
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """The organization's settings changed. `policy` as `policy_from` reads it; None leaves each as it is."""

    name: str | None = None
    time_zone: str | None = None
    policy: JSON = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A message that concerns no call: stored for the record, changes no state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Drop calls that ended before `before` (ms of our clock) from memory; Postgres keeps them."""

    before: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """Time has passed: it is `at` (ms of our clock). Alarms are judged."""

    at: int


IncidentAction: TypeAlias = Literal["acknowledge", "resolve", "mute"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandleIncident:
    """Somebody (`by`) acts on an incident."""

    incident_id: str
    action: IncidentAction
    by: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureAlarms:
    """The organization's own alarm rules are these, as `actors.domain.alarm_rules.rule_facts` writes them."""

    rules: JSON


Command: TypeAlias = (
    Observe
    | Request
    | RequestPlacement
    | Hear
    | NoteAbsent
    | NoteReportMissing
    | NoteProcessed
    | NoteRepair
    | NoteReleased
    | NoteTags
    | Configure
    | Pass
    | Forget
    | Tick
    | HandleIncident
    | ConfigureAlarms
)

_SOURCES = {
    "status-update": Source.STATUS_UPDATE,
    "call-start": Source.STATUS_UPDATE,
    "call-end": Source.REPORT,
    "end-of-call-report": Source.REPORT,
    "provider-record": Source.PROVIDER_RECORD,
}

IMPLIED = {
    "assistant-request": CallStatus.RINGING,
    "call-seen": CallStatus.IN_PROGRESS,
    "hang": CallStatus.IN_PROGRESS,
    "tool-calls": CallStatus.IN_PROGRESS,
    "function-call": CallStatus.IN_PROGRESS,
    "transfer-destination-request": CallStatus.IN_PROGRESS,
    "handoff-destination-request": CallStatus.IN_PROGRESS,
    "transfer-update": CallStatus.FORWARDING,
    "end-of-call-report": CallStatus.ENDED,
    "call-end": CallStatus.ENDED,
    "call.deleted": CallStatus.ENDED,
}
"""What a message implies about a call when it tells no status itself; `transitions.AFTER` is the whole table."""


LET_THROUGH = "let-through"
"""The owner did not answer in time, so the door let the call through: as much a sign of the call as its request."""

CALL_TAGGED = "call-tagged"
"""A call's tags are as `tags` of the facts says, whole."""

CALL_CONTROL = "call-control"
"""What somebody commanded of a call: on its timeline, and no sign of the call itself."""


def command_from(row: InboxRow) -> Command:
    """The command an inbox row stands for. Total: a row of an unknown type is evidence of its call, or passes."""
    if row.provider == "internal" and (command := _of_organization(row)) is not None:
        return command
    if row.call_id is None:
        return Pass()
    if row.provider == "internal" and (command := _of_call(row, row.call_id)) is not None:
        return command
    observation = _observation(row)
    if row.type == "assistant-request" and row.apply_sequence is None and row.outcome is None:
        is_answerable = row.facts.get("is_answerable") is not False
        return Request(call_id=row.call_id, observation=observation, is_answerable=is_answerable)
    return Observe(call_id=row.call_id, observation=observation, is_replay=row.apply_sequence is not None)


def _of_call(row: InboxRow, call_id: str) -> Command | None:
    command: Command | None = None
    match row.type:
        case "provider-absent":
            command = NoteAbsent(call_id=call_id, at=row.received_at)
        case "report-missing":
            command = NoteReportMissing(call_id=call_id, at=row.received_at)
        case "call-processed":
            command = NoteProcessed(call_id=call_id, at=row.received_at)
        case _ if row.type == LET_THROUGH:
            command = Observe(call_id=call_id, observation=_let_through(row))
        case "slot-released":
            command = NoteReleased(call_id=call_id, at=row.received_at)
        case _ if row.type == CALL_TAGGED:
            command = NoteTags(call_id=call_id, tags=tuple(sorted(_texts(row.facts.get("tags")))), row_id=row.id)
        case _ if row.type == CALL_CONTROL:
            command = Pass()
        case _:
            pass
    return command


def is_configuration(row: InboxRow) -> bool:
    """Whether a row tells that settings changed."""
    return row.provider == "internal" and row.type == "organization-configured"


def has_rules(row: InboxRow) -> bool:
    """Whether a row tells that alarm rules were set."""
    return row.provider == "internal" and row.type == ALARM_RULES_CONFIGURED


def _of_organization(row: InboxRow) -> Command | None:
    if is_configuration(row):
        name, time_zone = row.facts.get("name"), row.facts.get("time_zone")
        return Configure(
            name=name if isinstance(name, str) else None,
            time_zone=time_zone if isinstance(time_zone, str) else None,
            policy=row.facts.get("policy"),
        )
    if row.type == "state-repaired":
        return NoteRepair(call_id=row.call_id, at=row.received_at)
    if row.type == CALL_REQUESTED:
        return _request_placement(row)
    return _alarm_command(row) if row.type in _ALARM_ROWS else None


CALL_REQUESTED = "call-requested"
"""Somebody asks whether a call may be placed."""


def _request_placement(row: InboxRow) -> Command:
    if row.apply_sequence is not None or row.outcome is not None:
        return Pass()
    told = row.facts.get("pending")
    pending = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    return RequestPlacement(
        at=row.received_at,
        assistant_id=_text(row.facts.get("assistant_id")),
        pending=tuple(
            PendingPlacement(
                name=str(each.get("name")),
                assistant_id=_text(each.get("assistant_id")),
                since=since if isinstance(since := each.get("since"), int) else row.received_at,
            )
            for each in pending
        ),
    )


ALARM_RULES_CONFIGURED = "alarm-rules-configured"
INCIDENT_ROWS: Mapping[str, IncidentAction] = {
    "incident-acknowledged": "acknowledge",
    "incident-resolved": "resolve",
    "incident-muted": "mute",
}
_ALARM_ROWS = frozenset({ALARM_RULES_CONFIGURED, *INCIDENT_ROWS})


def _alarm_command(row: InboxRow) -> Command:
    if row.type == ALARM_RULES_CONFIGURED:
        return ConfigureAlarms(rules=row.facts.get("rules"))
    return HandleIncident(
        incident_id=str(row.facts.get("incident_id", "")),
        action=INCIDENT_ROWS[row.type],
        by=str(row.facts.get("by", "")),
        at=row.received_at,
    )


def _observation(row: InboxRow) -> Observation:
    told = row.facts.get("status")
    return Observation(
        kind=row.type,
        source=_SOURCES.get(row.type, Source.MESSAGE),
        received_at=row.received_at,
        at=row.occurred_at or 0,
        digest=f"{row.provider}:{row.event_key}",
        status=_status(told) if isinstance(told, str) else IMPLIED.get(row.type),
        fields=_fields(row.facts.get("fields")),
        tool_call_ids=_texts(row.facts.get("tool_call_ids")),
        outcome=row.outcome,
        delivered=row.provider != "internal",
    )


def _let_through(row: InboxRow) -> Observation:
    return replace(_observation(row), status=CallStatus.RINGING, outcome=UNCHECKED, let_through=True)


def _status(text: str) -> CallStatus | None:
    # `not-found`, `deletion-failed` and statuses yet unknown have no rank: kept in the inbox, no bearing on the state.
    try:
        return CallStatus(text)
    except ValueError:
        return None


def _fields(told: JSON) -> CallFields:
    if not isinstance(told, dict):
        return CallFields()
    values: dict[str, JSON | Conversation] = {name: told[name] for name in FIELD_NAMES if told.get(name) is not None}
    conversation = values.pop("conversation", None)
    if isinstance(conversation, dict):
        values["conversation"] = Conversation.told(conversation)
    return CallFields(**values)  # pyright: ignore[reportArgumentType]


def _text(told: JSON) -> str | None:
    return told if isinstance(told, str) else None


def _texts(told: JSON) -> frozenset[str]:
    return frozenset(each for each in told if isinstance(each, str)) if isinstance(told, list) else frozenset()
