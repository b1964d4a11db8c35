"""What happened to an organization's live state. Values, never increments: applying one twice changes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from actors.domain.alarm_rules import Rule
from actors.domain.alarms import Incident, Key
from actors.domain.call import Call, Utterance
from actors.domain.policy import Policy
from actors.domain.replacing import replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class CallChanged:
    """A call's record is now `call`. `kind` is the message that changed it."""

    call: Call
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeard:
    """Chatter renewed a call's evidence; `utterance` if something was said. Not durable."""

    call: Call
    utterance: Utterance | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProcessed:
    """Post-call processing finished; the record is `call`."""

    call: Call


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForgotten:
    """An ended call left memory. Its record stays in Postgres."""

    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRepaired:
    """Memory and Postgres had differed; the day's count of that is now `repairs`."""

    repairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationConfigured:
    """The organization's settings."""

    name: str
    time_zone: str
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRulesConfigured:
    """The organization's own rules are these, no others."""

    rules: tuple[Rule, ...]


IncidentChange: TypeAlias = Literal["opened", "acknowledged", "muted", "recovered", "resolved"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentChanged:
    """An incident is now `incident`."""

    incident: Incident
    kind: IncidentChange


@dataclass(frozen=True, slots=True, kw_only=True)
class BreachesNoted:
    """Breaches that do not last long enough yet, and ended incidents that leave memory. Volatile, told to nobody."""

    pending: Mapping[Key, int]
    cooled: frozenset[Key]


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleNoted:
    """The stale calls are these, no others. Volatile: the figures tell how many they are."""

    call_ids: frozenset[str]


Event: TypeAlias = (
    CallChanged
    | CallHeard
    | CallProcessed
    | CallForgotten
    | StateRepaired
    | OrganizationConfigured
    | AlarmRulesConfigured
    | IncidentChanged
    | BreachesNoted
    | StaleNoted
)


def at_version(events: Sequence[Event], apply_sequence: int) -> tuple[Event, ...]:
    """The events with their calls stamped by the history's position that caused them."""
    return tuple(
        replaced(event, call=replaced(event.call, version=apply_sequence))
        if isinstance(event, CallChanged | CallProcessed)
        else event
        for event in events
    )
