"""What a moment makes of the alarms: incidents open, recover, are acknowledged, muted, resolved."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from actors.domain.alarm_rules import Rule
from actors.domain.alarms import MUTED_FOR_MS, Alarms, Evidence, Incident, Key, open_incident
from actors.domain.events import BreachesNoted, Event, IncidentChange, IncidentChanged


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A metric's value, out of how many cases if it is a share, and the call that shows it best."""

    value: float | None
    n: int | None = None
    call_id: str | None = None
    detail: str | None = None


Measure: TypeAlias = Callable[[Rule], Iterable[tuple[str | None, Reading]]]
"""The readings a rule is judged on, each with the call it is about, or None for the fleet."""


def judge(alarms: Alarms, measure: Measure, *, organization_id: str, at: int) -> tuple[Event, ...]:
    """What has to change at `at` (ms): nothing, mostly.

    A reading of None neither opens nor ends anything. What is no longer measured (the call ended or left memory, the
    rule was taken back) recovers. A clock that was set back restarts pending times; it never opens an incident.
    """
    events: list[Event] = []
    pending: dict[Key, int] = {}
    measured: set[Key] = set()
    for rule in alarms.rules:
        for call_id, reading in measure(rule):
            key = (rule.name, call_id)
            measured.add(key)
            value = _value(rule, reading)
            held, since = alarms.incidents.get(key), alarms.pending.get(key)
            if held is not None and held.is_open:
                if value is not None and rule.is_cleared(value):
                    events.append(_recovered(held, at))
            elif value is None:
                if since is not None:
                    pending[key] = since
            elif rule.is_breached(value):
                since = at if since is None else min(since, at)
                if at - since < rule.pending_ms or (held is not None and held.cools(rule, at)):
                    pending[key] = since
                else:
                    evidence = Evidence(value=value, since=since, call_id=reading.call_id, detail=reading.detail)
                    incident = open_incident(
                        rule, evidence, organization_id=organization_id, call_id=call_id, at=at, before=held
                    )
                    events.append(IncidentChanged(incident=incident, kind="opened"))
    events.extend(_recovered(each, at) for each in alarms.open if each.key not in measured)
    cooled = _cooled(alarms, at, changed={each.incident.key for each in events if isinstance(each, IncidentChanged)})
    if cooled or pending != alarms.pending:
        events.append(BreachesNoted(pending=pending, cooled=cooled))
    return tuple(events)


def acknowledge(alarms: Alarms, incident_id: str, *, by: str, at: int) -> tuple[Event, ...]:
    """Somebody looks after it. The first to say so stands."""
    held = alarms.find(incident_id)
    if held is None or held.acknowledged_at is not None:
        return ()
    return (IncidentChanged(incident=replace(held, acknowledged_at=at, acknowledged_by=by), kind="acknowledged"),)


def resolve(alarms: Alarms, incident_id: str, *, by: str, at: int) -> tuple[Event, ...]:
    """Somebody ends it. Should the breach last, another opens once the rule has cooled."""
    held = alarms.find(incident_id)
    if held is None:
        return ()
    return (IncidentChanged(incident=replace(held, resolved_at=at, resolved_by=by), kind="resolved"),)


def mute(alarms: Alarms, incident_id: str, *, at: int) -> tuple[Event, ...]:
    """Silence for 15 minutes, for the next incident of the same rule and call too. It stays open and visible."""
    held = alarms.find(incident_id)
    if held is None:
        return ()
    return (IncidentChanged(incident=replace(held, muted_until=at + MUTED_FOR_MS), kind="muted"),)


def incidents_changed(before: Alarms, after: Alarms) -> tuple[IncidentChanged, ...]:
    """What a reader of `before` has to be told to know `after`."""
    return tuple(
        IncidentChanged(incident=incident, kind=_last_change(incident))
        for key, incident in after.incidents.items()
        if before.incidents.get(key) != incident
    )


def _last_change(incident: Incident) -> IncidentChange:
    if incident.recovered_at is not None:
        return "recovered"
    if incident.resolved_at is not None:
        return "resolved"
    return "acknowledged" if incident.acknowledged_at is not None else "opened"


def _value(rule: Rule, reading: Reading) -> float | None:
    if reading.n is not None and reading.n < rule.minimum_n:
        return None
    return reading.value


def _recovered(held: Incident, at: int) -> Event:
    return IncidentChanged(incident=replace(held, recovered_at=at), kind="recovered")


def _cooled(alarms: Alarms, at: int, *, changed: set[Key]) -> frozenset[Key]:
    """Ended incidents that memory has no more use for."""
    if not alarms.incidents:
        return frozenset()
    rules = {rule.name: rule for rule in alarms.rules}
    return frozenset(
        key
        for key, held in alarms.incidents.items()
        if key not in changed
        and not held.is_open
        and not held.cools(rules.get(held.rule), at)
        and not held.is_muted(at)
    )
