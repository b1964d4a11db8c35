"""What a board on a wall is told: figures and nothing of any caller, made by naming what may be told.

Whoever walks past reads it, so nothing goes into it because it was not left out: a field that is new in the full
encoding is not here until it is named here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Self, TypeAlias

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


@dataclass(frozen=True, slots=True)
class Wallboard:
    """Makes what the wallboards of one organization are told.

    Alarms are named by their cause under `key`: alike at every hub of a release and an ENCRYPTION_KEY, and to nobody
    without it does a name tell a cause. Who comes from a hub that named them otherwise begins with the whole.
    """

    key: bytes = field(repr=False)

    @classmethod
    def of(cls, organization_id: str, secret: bytes) -> Self:
        """That of an organization; `secret` is 64 bytes at most, the same for all hubs."""
        return cls(blake2b(organization_id.encode(), key=secret).digest())

    def state(self, state: View) -> dict[str, Any]:
        """The whole of a wallboard, of the whole of a board."""
        organization = state["organization"]
        return {
            "organization": {name: organization[name] for name in ("organization_id", "name", "time_zone")},
            "figures": _figures(state["counters"]),
            "alarms": [self._alarm(incident) for incident in state.get("incidents", ())],
        }

    def events(self, events: Iterable[View]) -> list[dict[str, Any]]:
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
                    told.append({"type": "wallboard-alarm", "alarm": self._alarm(incident), "open": is_open})
                case _:
                    pass
        if counters is not None:
            told.append({"type": "wallboard-figures", "figures": _figures(counters)})
        return told

    def _alarm(self, incident: View) -> dict[str, Any]:
        return {
            # Of one rule and call one is open at most.
            "alarm_id": self._name(incident["rule"], incident["call_id"] or ""),
            "incident": self._name(incident["incident_id"]),
            "severity": incident["severity"],
            "acknowledged": incident["acknowledged_at"] is not None,
        }

    def _name(self, *cause: str) -> str:
        text = "\n".join(cause).encode(errors="surrogatepass")
        return blake2b(text, key=self.key, digest_size=_ALARM_BYTES).hexdigest()


def _figures(counters: View) -> dict[str, Any]:
    today = counters["today"]
    return {
        **{name: counters[name] for name in FIGURES_NOW},
        "today": {name: today[name] for name in FIGURES_OF_THE_DAY},
    }
