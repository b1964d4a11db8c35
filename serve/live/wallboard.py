"""What a board on a wall is told: figures and nothing of any caller, made by naming what may be told.

Whoever walks past reads it, so nothing goes into it because it was not left out: a field that is new in the full
encoding is not here until it is named here.
"""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any, Final, TypeAlias

View: TypeAlias = Mapping[str, Any]

FIGURES_NOW: Final = ("live", "stale", "waiting")
FIGURES_OF_THE_DAY: Final = (
    "date",
    "calls",
    "answered",
    "refused",
    "abandoned",
    "peak_live",
    "peak_at",
    "service_level_share",
    "service_level_n",
    "service_level_seconds",
    "answer_seconds",
    "answer_n",
    "handle_seconds",
    "handle_n",
    "turn_latency_p95_ms",
    "turn_latency_n",
    "webhook_lag_p95_ms",
    "webhook_lag_n",
)
_ALARM_BYTES: Final = 9


def wallboard_state(state: View) -> dict[str, Any]:
    """The whole of a wallboard, of the whole of a board."""
    organization = state["organization"]
    return {
        "organization": {name: organization[name] for name in ("organization_id", "name", "time_zone")},
        "figures": _figures(state["counters"]),
        "alarms": [_alarm(incident) for incident in state.get("incidents", ())],
    }


def wallboard_events(events: Iterable[View]) -> list[dict[str, Any]]:
    """Of the board's events what a wallboard is told, in their order; of the figures the last."""
    told: list[dict[str, Any]] = []
    counters: View | None = None
    for event in events:
        match event:
            case {"type": "counters"}:
                counters = event["counters"]
            case {"type": "organization"}:
                told.append({"type": "organization", "name": event["name"], "time_zone": event["time_zone"]})
            case {"type": "incident"}:
                incident = event["incident"]
                is_open = incident["recovered_at"] is None and incident["resolved_at"] is None
                told.append({"type": "wallboard-alarm", "alarm": _alarm(incident), "open": is_open})
            case _:
                pass
    if counters is not None:
        told.append({"type": "wallboard-figures", "figures": _figures(counters)})
    return told


def _figures(counters: View) -> dict[str, Any]:
    today = counters["today"]
    return {
        **{name: counters[name] for name in FIGURES_NOW},
        "today": {name: today[name] for name in FIGURES_OF_THE_DAY},
    }


def _alarm(incident: View) -> dict[str, Any]:
    # Of one rule and call one is open at most: their digest is its name here, and tells neither.
    about = "\n".join((incident["rule"], incident["call_id"] or ""))
    return {
        "alarm_id": blake2b(about.encode(errors="surrogatepass"), digest_size=_ALARM_BYTES).hexdigest(),
        "incident": blake2b(incident["incident_id"].encode(), digest_size=_ALARM_BYTES).hexdigest(),
        "severity": incident["severity"],
        "acknowledged": incident["acknowledged_at"] is not None,
    }
