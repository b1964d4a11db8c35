"""What a client knows of its organization: a pure fold of frames."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, cast

from storage.live_position import Position

View: TypeAlias = dict[str, Any]
IncidentKey: TypeAlias = tuple[str, str | None]
UTTERANCES_KEPT: Final = 30
"""As many as the server keeps, so that a board that was patched and one that was sent whole are equal."""

Applied: TypeAlias = Literal["snapshot", "events", "heartbeat", "presence", "dropped", "hole"]
"""`hole`: the frame does not follow what the board has, so one was lost on the way, and the board is as it was."""


@dataclass(slots=True)
class LiveBoard:
    """The board as of `position`. Frames that are not newer change nothing, so repeating one is safe."""

    position: Position | None = None
    organization: View = field(default_factory=dict[str, Any])
    calls: dict[str, View] = field(default_factory=dict[str, View])
    counters: View = field(default_factory=dict[str, Any])
    incidents: dict[IncidentKey, View] = field(default_factory=dict[IncidentKey, View])
    """Those open. Of one rule and call there is one at most."""
    is_wallboard: bool = False
    """It is told figures and alarms alone, by the names that protocol has for a wallboard's."""
    alarms: dict[str, View] = field(default_factory=dict[str, View])
    """A wallboard's: open incidents without what they are about."""
    presence: View | None = None
    """Who watches and who acts, as last told; no part of the state, and without a position."""

    def apply(self, frame: Mapping[str, Any]) -> Applied:
        """Take a frame in, and say what it was. Unknown types of frames and events are passed over."""
        match frame:
            case {"type": "snapshot", "position": str(position), "state": state}:
                self._replace(cast("Mapping[str, Any]", state))
                self.position = Position.parse(position)
                return "snapshot"
            case {"type": "wallboard", "position": str(position), "state": state}:
                self._replace_by_wallboard(cast("Mapping[str, Any]", state))
                self.position = Position.parse(position)
                return "snapshot"
            case {"type": "events", "position": str(text), "events": events}:
                position = Position.parse(text)
                if position is None or self.position is None or position <= self.position:
                    return "dropped"
                if self._lies_before(frame.get("after")):
                    return "hole"
                for event in cast("Sequence[Mapping[str, Any]]", events):
                    self._take(event)
                self.position = position
                return "events"
            case {"type": "presence"}:
                self.presence = dict(frame)
                return "presence"
            case {"type": "heartbeat"}:
                return "hole" if self._lies_before(frame.get("position")) else "heartbeat"
            case _:
                return "dropped"

    def state(self) -> View:
        """The board in the form a snapshot has."""
        calls = sorted(self.calls.values(), key=lambda call: (call["created_at"], call["call_id"]))
        incidents = sorted(self.incidents.values(), key=lambda each: (each["opened_at"], each["incident_id"]))
        return {
            "organization": self.organization,
            "calls": calls,
            "counters": self.counters,
            "incidents": incidents,
        }

    def _lies_before(self, text: object) -> bool:
        """Whether the board has not yet come to that position. A hub of the release before may tell none."""
        position = Position.parse(text) if isinstance(text, str) else None
        return position is not None and self.position is not None and self.position < position

    def _replace(self, state: Mapping[str, Any]) -> None:
        self.organization = dict(state["organization"])
        self.calls = {call["call_id"]: dict(call) for call in state["calls"]}
        self.counters = dict(state["counters"])
        self.incidents = {_key(incident): incident for incident in state.get("incidents", ())}
        self.is_wallboard, self.alarms = False, {}

    def _replace_by_wallboard(self, state: Mapping[str, Any]) -> None:
        self.organization = dict(state["organization"])
        self.calls, self.incidents = {}, {}
        self.counters = dict(state["figures"])
        self.is_wallboard, self.alarms = True, {alarm["alarm_id"]: alarm for alarm in state["alarms"]}

    def _take(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"type": "call" | "call-completed", "call": {"call_id": str(call_id)} as call}:
                held = self.calls.get(call_id)
                self.calls[call_id] = {**call, "utterances": held["utterances"] if held else []}
            case {"type": "call-removed", "call_id": str(call_id)}:
                self.calls.pop(call_id, None)
            case {"type": "counters", "counters": counters}:
                self.counters = dict(counters)
            case {"type": "incident", "incident": {"incident_id": str(incident_id)} as incident}:
                held = self.incidents.get(_key(incident))
                if incident["recovered_at"] is None and incident["resolved_at"] is None:
                    self.incidents[_key(incident)] = incident
                elif held is not None and held["incident_id"] == incident_id:
                    del self.incidents[_key(incident)]
            case {"type": "organization", "name": name, "time_zone": time_zone}:
                self.organization |= {"name": name, "time_zone": time_zone}
            case {"type": "utterance" | "evidence", "call_id": str(call_id), "evidence_at": evidence_at}:
                if (call := self.calls.get(call_id)) is not None:
                    _hear(call, evidence_at, event.get("utterance"))
                    call["conversation"] = event.get("conversation", call.get("conversation"))
            case _:
                self._take_of_wallboard(event)

    def _take_of_wallboard(self, event: Mapping[str, Any]) -> None:
        match event:
            case {"type": "wallboard-figures", "figures": figures}:
                self.counters = dict(figures)
            case {"type": "wallboard-alarm", "alarm": {"alarm_id": str(alarm_id)} as alarm, "open": is_open}:
                if is_open:
                    self.alarms[alarm_id] = alarm
                elif (held := self.alarms.get(alarm_id)) is not None and held["incident"] == alarm["incident"]:
                    del self.alarms[alarm_id]
            case _:
                pass


def _key(incident: Mapping[str, Any]) -> IncidentKey:
    return (incident["rule"], incident["call_id"])


def _hear(call: View, evidence_at: str, said: View | None) -> None:
    # ISO times of one form order as text. Evidence that a record did not bring was heard.
    if evidence_at > call["evidence_at"]:
        call["evidence_at"], call["evidence_kind"] = evidence_at, "speech"
    if said is not None:
        kept = [each for each in call["utterances"] if each["final"] or each["role"] != said["role"]]
        call["utterances"] = [*kept, said][-UTTERANCES_KEPT:]
