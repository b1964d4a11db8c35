"""Incidents: one for each breach of a rule, from its opening to its recovery, with the evidence it opened on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self, TypeAlias
from uuid import NAMESPACE_OID, uuid5

from actors.domain.alarm_rules import Metric, Rule, Severity, effective_rules

Key: TypeAlias = "tuple[str, str | None]"
"""What at most one incident is open for: a rule's name and the call it is about, None for the fleet."""

MUTED_FOR_MS = 15 * 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an incident opened on: a value, since when the rule was breached (ms), the call and words if any."""

    value: float
    since: int
    call_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One breach. Times are ms of our clock. It ends once: recovered by itself or resolved by somebody."""

    incident_id: str
    rule: str
    metric: Metric
    severity: Severity
    threshold: float
    call_id: str | None
    evidence: Evidence
    opened_at: int
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    muted_until: int | None = None
    recovered_at: int | None = None
    resolved_at: int | None = None
    resolved_by: str | None = None

    @property
    def key(self) -> Key:
        return (self.rule, self.call_id)

    @property
    def closed_at(self) -> int | None:
        return self.recovered_at if self.recovered_at is not None else self.resolved_at

    @property
    def is_open(self) -> bool:
        return self.closed_at is None

    @property
    def lasted_ms(self) -> int | None:
        """From opening to end; None while open. A clock that was set back makes no negative time."""
        return None if self.closed_at is None else max(0, self.closed_at - self.opened_at)

    def cools(self, rule: Rule | None, at: int) -> bool:
        """Whether it ended so lately that its rule opens no other. A time to come is a clock's fault and counts not."""
        if self.closed_at is None or rule is None:
            return False
        return 0 <= at - self.closed_at < rule.cooldown_ms

    def is_muted(self, at: int) -> bool:
        return self.muted_until is not None and at < self.muted_until


def open_incident(
    rule: Rule, evidence: Evidence, *, organization_id: str, call_id: str | None, at: int, before: Incident | None
) -> Incident:
    """A new incident. Its id follows from what it is, so that the same decision made again is the same incident.

    `before` is the one of the same key that ended last, if it is still known: while that is muted, so is this.
    """
    told = (organization_id, rule.name, call_id or "", str(at), before.incident_id if before is not None else "")
    return Incident(
        incident_id=str(uuid5(NAMESPACE_OID, "\n".join(told))),
        rule=rule.name,
        metric=rule.metric,
        severity=rule.severity,
        threshold=rule.threshold,
        call_id=call_id,
        evidence=evidence,
        opened_at=at,
        muted_until=before.muted_until if before is not None and before.is_muted(at) else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms:
    """What is watched and what was found.

    Sources in Postgres: `own_rules`: alarm_rules. `incidents`: incidents, those open and those that ended so lately
    that their rule cools. Volatile: `pending`, breaches (since, in ms) that have not lasted long enough: after a
    restart they begin anew; `watched_from`, when this memory began: what was heard of calls before may be unknown.
    """

    own_rules: tuple[Rule, ...] = ()
    incidents: Mapping[Key, Incident] = field(default_factory=dict[Key, Incident])
    pending: Mapping[Key, int] = field(default_factory=dict[Key, int])
    watched_from: int = field(default=0, compare=False)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return effective_rules(self.own_rules)

    @property
    def open(self) -> tuple[Incident, ...]:
        """Open incidents, oldest first."""
        found = (incident for incident in self.incidents.values() if incident.is_open)
        return tuple(sorted(found, key=lambda each: (each.opened_at, each.incident_id)))

    @property
    def has_open(self) -> bool:
        return any(incident.is_open for incident in self.incidents.values())

    def find(self, incident_id: str) -> Incident | None:
        """The open incident of this id."""
        return next(
            (each for each in self.incidents.values() if each.incident_id == incident_id and each.is_open), None
        )

    def with_changes(self, changed: Mapping[Key, Incident]) -> Self:
        return replace(self, incidents={**self.incidents, **changed}) if changed else self

    def noting(self, pending: Mapping[Key, int], cooled: frozenset[Key]) -> Self:
        kept = {key: incident for key, incident in self.incidents.items() if key not in cooled}
        return replace(self, incidents=kept, pending=pending)
