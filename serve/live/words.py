"""The page's words, for the terminal: machine words as words, and what an alarm is about."""

import re
from collections.abc import Mapping
from typing import Any, Final

from actors.domain.alarm_rules import Metric

# Equal to dashboard/src/calls/alarms.ts, which a test holds them to.
_LENGTHS: Final = {
    Metric.AGE_SECONDS: "Too long: {}",
    Metric.SILENCE_SECONDS: "Silent for {}",
    Metric.WEBHOOK_SILENCE_SECONDS: "No webhook for {} although calls go on",
}
_TIMES: Final = {
    Metric.HANGS: "The assistant hung {}",
    Metric.TOOLS_FAILED: "Tools failed {}",
    Metric.REPAIRS: "Live state repaired {} today",
}
_COUNTS: Final = {
    Metric.MISSING_REPORTS: "Reports missing: {}",
    Metric.REFUSED_CALLS: "Calls refused: {}",
    Metric.CALLS_WITH_TOOL_ERRORS: "Calls whose tools failed repeatedly: {}",
    Metric.WIRING_DIFFERENCES: "The provider points elsewhere: {} differences",
}
_DETAILED: Final = {
    Metric.SLOTS_USED_PERCENT: ("Slots in use: {}", "{} %"),
    Metric.MINUTES_USED_PERCENT: ("Minutes of the plan used: {}", "{} %"),
    Metric.UNKNOWN_ENDED_REASONS: ("Unknown ended reason: {}", "{}"),
}


def words(value: str) -> str:
    """A machine's word as words: `in-progress` → `in progress`."""
    return re.sub(r"[-._:]", " ", value)


def clock(seconds: float) -> str:
    """A length as m:ss or h:mm:ss."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def alarm_text(incident: Mapping[str, Any]) -> str:
    """What an incident is about; its rule and value where a later server's metric is not known here."""
    value, detail = incident["evidence"]["value"], incident["evidence"]["detail"]
    told = f"{value:g}"
    try:
        metric = Metric(incident["metric"])
    except ValueError:
        return f"{words(incident['rule'])}: {told}"
    if metric in _LENGTHS:
        return _LENGTHS[metric].format(clock(value))
    if metric in _TIMES:
        return _TIMES[metric].format("once" if value == 1 else f"{told} times")
    if metric in _DETAILED:
        text, otherwise = _DETAILED[metric]
        return text.format(detail or otherwise.format(told))
    if metric is Metric.SERVICE_LEVEL_PERCENT:
        return f"Service level today: {value:.0f} %"
    if metric is Metric.UNCONFIRMED:
        return "Unconfirmed: the provider knows nothing of it"
    last = (
        f", the last {words(detail.replace('refused:', 'for '))}" if metric is Metric.REFUSED_CALLS and detail else ""
    )
    text = _COUNTS[metric].format(told) + last
    return text.removesuffix("s") if metric is Metric.WIRING_DIFFERENCES and value == 1 else text
