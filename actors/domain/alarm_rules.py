"""What is watched: metrics, the rules over them, and those every organization begins with."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Literal, TypeAlias, cast, get_args

from actors.domain.json_types import JSON

Comparison: TypeAlias = Literal["at-least", "below"]


class Scope(StrEnum):
    """What a metric is measured of: each live call, or the organization as a whole."""

    CALL = "call"
    FLEET = "fleet"


class Severity(StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTICE = "notice"


class Metric(StrEnum):
    """What can be watched; `actors.domain.readings` says how each is measured. Names carry their units."""

    AGE_SECONDS = "age_seconds"
    SILENCE_SECONDS = "silence_seconds"
    HANGS = "hangs"
    UNCONFIRMED = "unconfirmed"
    TOOLS_FAILED = "tools_failed"
    WEBHOOK_SILENCE_SECONDS = "webhook_silence_seconds"
    MISSING_REPORTS = "missing_reports"
    UNKNOWN_ENDED_REASONS = "unknown_ended_reasons"
    SLOTS_USED_PERCENT = "slots_used_percent"
    REFUSED_CALLS = "refused_calls"
    MINUTES_USED_PERCENT = "minutes_used_percent"
    REPAIRS = "repairs"
    SERVICE_LEVEL_PERCENT = "service_level_percent"
    CALLS_WITH_TOOL_ERRORS = "calls_with_tool_errors"
    WIRING_DIFFERENCES = "wiring_differences"

    @property
    def scope(self) -> Scope:
        return Scope.CALL if self in _CALL_METRICS else Scope.FLEET


_CALL_METRICS = frozenset(
    {Metric.AGE_SECONDS, Metric.SILENCE_SECONDS, Metric.HANGS, Metric.UNCONFIRMED, Metric.TOOLS_FAILED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that must not last: `name` is unique in its organization.

    Breached while a value is `at-least` or `below` the threshold; after `pending_ms` of it an incident opens. It
    recovers on the far side of `clear` (hysteresis: between the two nothing changes), and for `cooldown_ms` after its
    end no other opens. With `minimum_n` a value drawn from fewer cases says nothing. `assistant_id` narrows a rule
    over calls to one assistant's.
    """

    name: str
    metric: Metric
    comparison: Comparison = "at-least"
    threshold: float
    clear: float
    pending_ms: int = 0
    cooldown_ms: int = 0
    severity: Severity = Severity.WARNING
    assistant_id: str | None = None
    minimum_n: int = 0
    enabled: bool = True

    def is_breached(self, value: float) -> bool:
        return value >= self.threshold if self.comparison == "at-least" else value < self.threshold

    def is_cleared(self, value: float) -> bool:
        return value < self.clear if self.comparison == "at-least" else value >= self.clear


_MINUTE = 60_000

DEFAULT_RULES: tuple[Rule, ...] = (
    Rule(name="call-too-long", metric=Metric.AGE_SECONDS, threshold=1_800, clear=1_800, cooldown_ms=5 * _MINUTE),
    Rule(name="call-silent", metric=Metric.SILENCE_SECONDS, threshold=15, clear=5, cooldown_ms=_MINUTE // 2),
    Rule(name="call-hangs", metric=Metric.HANGS, threshold=1, clear=1),
    Rule(name="call-unconfirmed", metric=Metric.UNCONFIRMED, threshold=1, clear=1, cooldown_ms=_MINUTE),
    # Failures do not go away: it ends with the call, even when a restart forgot some of them.
    Rule(name="call-tools-failing", metric=Metric.TOOLS_FAILED, threshold=2, clear=1),
    Rule(
        name="webhooks-silent",
        metric=Metric.WEBHOOK_SILENCE_SECONDS,
        threshold=120,
        clear=10,
        cooldown_ms=5 * _MINUTE,
        severity=Severity.CRITICAL,
    ),
    Rule(name="reports-missing", metric=Metric.MISSING_REPORTS, threshold=1, clear=1, cooldown_ms=15 * _MINUTE),
    Rule(
        name="ended-reason-unknown",
        metric=Metric.UNKNOWN_ENDED_REASONS,
        threshold=1,
        clear=1,
        cooldown_ms=15 * _MINUTE,
        severity=Severity.NOTICE,
    ),
    Rule(
        name="slots-80-percent",
        metric=Metric.SLOTS_USED_PERCENT,
        threshold=80,
        clear=70,
        pending_ms=10_000,
        cooldown_ms=5 * _MINUTE,
    ),
    Rule(
        name="slots-full",
        metric=Metric.SLOTS_USED_PERCENT,
        threshold=100,
        clear=95,
        cooldown_ms=5 * _MINUTE,
        severity=Severity.CRITICAL,
    ),
    Rule(name="calls-refused", metric=Metric.REFUSED_CALLS, threshold=1, clear=1, cooldown_ms=5 * _MINUTE),
    Rule(
        name="minutes-80-percent", metric=Metric.MINUTES_USED_PERCENT, threshold=80, clear=80, severity=Severity.NOTICE
    ),
    Rule(
        name="minutes-used-up", metric=Metric.MINUTES_USED_PERCENT, threshold=100, clear=100, severity=Severity.CRITICAL
    ),
    Rule(
        name="service-level-low",
        metric=Metric.SERVICE_LEVEL_PERCENT,
        comparison="below",
        threshold=80,
        clear=85,
        pending_ms=_MINUTE,
        cooldown_ms=15 * _MINUTE,
        minimum_n=20,
    ),
    Rule(name="tools-failing", metric=Metric.CALLS_WITH_TOOL_ERRORS, threshold=1, clear=1, cooldown_ms=5 * _MINUTE),
    # Counted since midnight: whoever has seen to it resolves it, and it stays quiet for the day.
    Rule(
        name="state-repaired",
        metric=Metric.REPAIRS,
        threshold=1,
        clear=1,
        cooldown_ms=24 * 60 * _MINUTE,
        severity=Severity.CRITICAL,
    ),
    # Looked at once a night: whoever has seen to it resolves it, and it stays quiet until the next look.
    Rule(
        name="provider-wiring-differs",
        metric=Metric.WIRING_DIFFERENCES,
        threshold=1,
        clear=1,
        cooldown_ms=24 * 60 * _MINUTE,
        severity=Severity.CRITICAL,
    ),
)


@cache
def effective_rules(own: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules that are judged: an organization's own replace defaults of the same name and add to the others."""
    rules = {rule.name: rule for rule in (*DEFAULT_RULES, *own)}
    return tuple(rule for rule in rules.values() if rule.enabled)


def rule_facts(rule: Rule) -> dict[str, JSON]:
    """The rule as JSON under the names of its fields."""
    return {
        "name": rule.name,
        "metric": str(rule.metric),
        "comparison": rule.comparison,
        "threshold": rule.threshold,
        "clear": rule.clear,
        "pending_ms": rule.pending_ms,
        "cooldown_ms": rule.cooldown_ms,
        "severity": str(rule.severity),
        "assistant_id": rule.assistant_id,
        "minimum_n": rule.minimum_n,
        "enabled": rule.enabled,
    }


def rules_from(told: JSON) -> tuple[Rule, ...]:
    """The rules of a list of `rule_facts`. Total: what this release cannot judge is left out."""
    found = (_rule(each) for each in told if isinstance(each, dict)) if isinstance(told, list) else ()
    return tuple(_unique(rule for rule in found if rule is not None))


def _unique(rules: Iterable[Rule]) -> Iterable[Rule]:
    return {rule.name: rule for rule in rules}.values()


def _rule(told: Mapping[str, JSON]) -> Rule | None:
    try:
        comparison = told.get("comparison", "at-least")
        if comparison not in get_args(Comparison):
            return None
        assistant_id = told.get("assistant_id")
        return Rule(
            name=str(told["name"]),
            metric=Metric(str(told["metric"])),
            comparison=cast("Comparison", comparison),
            threshold=_number(told["threshold"]),
            clear=_number(told["clear"]),
            pending_ms=int(_number(told.get("pending_ms", 0))),
            cooldown_ms=int(_number(told.get("cooldown_ms", 0))),
            severity=Severity(str(told.get("severity", Severity.WARNING))),
            assistant_id=assistant_id if isinstance(assistant_id, str) else None,
            minimum_n=int(_number(told.get("minimum_n", 0))),
            enabled=told.get("enabled", True) is not False,
        )
    except (KeyError, ValueError):
        return None


def _number(told: JSON) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float):
        raise ValueError(f"{told!r} is no number")  # noqa: TRY004  # one kind of fault for whatever cannot be read
    return told
