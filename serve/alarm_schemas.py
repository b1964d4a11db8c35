"""Alarms in the REST API: incidents as the live feed tells them, rules with their times in seconds."""

from collections.abc import Sequence
from typing import Annotated, Self, TypeAlias

from pydantic import Field, FiniteFloat, StringConstraints, model_validator

from actors.domain.alarm_rules import Comparison, Metric, Rule, Scope, Severity
from serve.schemas import Schema, Timestamp
from storage.calls import Row
from storage.times import moment

RuleName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class IncidentEvidence(Schema):
    """What the incident opened on: the value, and since when the rule was breached."""

    value: float
    since: Timestamp
    call_id: str | None
    detail: str | None


class IncidentView(Schema):
    """One breach of a rule, with the names the live feed uses."""

    incident_id: str
    rule: str
    metric: str
    scope: Scope
    severity: Severity
    threshold: float
    call_id: str | None = Field(description="The call it is about; null for the organization as a whole.")
    evidence: IncidentEvidence
    opened_at: Timestamp
    acknowledged_at: Timestamp | None
    acknowledged_by: str | None
    muted_until: Timestamp | None
    recovered_at: Timestamp | None
    resolved_at: Timestamp | None
    resolved_by: str | None
    lasted_seconds: float | None

    @classmethod
    def of(cls, row: Row) -> "IncidentView":
        closed_at, evidence = row["closed_at"], row["evidence"]
        lasted = (closed_at - row["opened_at"]).total_seconds() if closed_at is not None else None
        told = {
            "incident_id": str(row["incident_id"]),
            "scope": Metric(row["metric"]).scope,
            "evidence": {**evidence, "since": moment(evidence["since"])},
            "lasted_seconds": max(0.0, lasted) if lasted is not None else None,
        }
        return cls.model_validate({**row, **told})


class IncidentPage(Schema):
    """Incidents, newest first. `next_cursor` is null on the last page."""

    incidents: list[IncidentView]
    next_cursor: str | None


class OwnAlarmRule(Schema):
    """A rule over one metric. Per-call metrics are judged for each live call, the others for the organization."""

    name: RuleName
    metric: Metric
    comparison: Comparison = "at-least"
    threshold: FiniteFloat
    clear: FiniteFloat = Field(
        description="The far side of this ends the incident: below it for `at-least`, at least it for `below`."
    )
    pending_seconds: Annotated[float, Field(ge=0, le=3_600)] = 0
    cooldown_seconds: Annotated[float, Field(ge=0, le=86_400)] = 0
    severity: Severity = Severity.WARNING
    assistant_id: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")] | None = None
    minimum_n: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    enabled: bool = True

    @model_validator(mode="after")
    def fits_together(self) -> Self:
        if self.comparison == "at-least" and self.clear > self.threshold:
            raise ValueError("`clear` must not lie above `threshold` of an `at-least` rule")
        if self.comparison == "below" and self.clear < self.threshold:
            raise ValueError("`clear` must not lie below `threshold` of a `below` rule")
        if self.assistant_id is not None and self.metric.scope is not Scope.CALL:
            raise ValueError("`assistant_id` narrows rules over calls only")
        return self

    def rule(self) -> Rule:
        told = self.model_dump(exclude={"pending_seconds", "cooldown_seconds", "own", "scope"})
        return Rule(
            **told, pending_ms=round(self.pending_seconds * 1000), cooldown_ms=round(self.cooldown_seconds * 1000)
        )


class AlarmRule(OwnAlarmRule):
    """A rule in force, or switched off; `own` when the organization set it."""

    own: bool
    scope: Scope

    @classmethod
    def of(cls, rule: Rule, *, own: bool) -> "AlarmRule":
        return cls(
            name=rule.name,
            metric=rule.metric,
            comparison=rule.comparison,
            threshold=rule.threshold,
            clear=rule.clear,
            pending_seconds=rule.pending_ms / 1000,
            cooldown_seconds=rule.cooldown_ms / 1000,
            severity=rule.severity,
            assistant_id=rule.assistant_id,
            minimum_n=rule.minimum_n,
            enabled=rule.enabled,
            own=own,
            scope=rule.metric.scope,
        )


class AlarmRules(Schema):
    rules: list[AlarmRule]


class OwnAlarmRules(Schema):
    """The organization's own rules, all of them."""

    rules: Annotated[Sequence[OwnAlarmRule], Field(max_length=100)]

    @model_validator(mode="after")
    def names_differ(self) -> Self:
        names = [rule.name for rule in self.rules]
        if len(names) != len(set(names)):
            raise ValueError("two rules share a name")
        return self
