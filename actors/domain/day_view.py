"""The figures of a day as clients see them: units in the names, None where there is no denominator."""

from actors.domain.capacity import CapacityUse
from actors.domain.histogram import Histogram
from actors.domain.iso_time import iso
from actors.domain.json_types import JSON
from actors.domain.metrics import SERVICE_LEVEL_MS, DayCounters

_P50, _P95 = 0.50, 0.95


def day_view(today: DayCounters, *, use: CapacityUse, until: int | None = None) -> dict[str, JSON]:
    """The day; a share lies in 0 to 1 and names its count as `…_n` where that is no other figure.

    `use`: of the limit of calls at once over the day, up to `until`.
    `until` (ms): how far the averages over time reach, the end of a closed day; by default as far as calls are known.
    """
    live = today.concurrency
    average = live.average(until)
    return {
        "date": today.day.isoformat(),
        "calls": today.calls,
        "offered": today.offered,
        "answered": today.answered,
        "refused": today.refused,
        "refused_share": _rounded(today.refused_share),
        "abandoned": today.abandoned,
        "short_abandoned": today.short_abandoned,
        "abandoned_share": _rounded(today.abandoned_share),
        "ended": today.ended,
        "talk_seconds": today.talk_ms / 1000,
        "cost_usd": today.cost_micros / 1_000_000,
        "peak_live": live.peak,
        "peak_at": iso(live.peak_at),
        "average_live": _rounded(average),
        "average_until": iso(max(live.known_until, until or 0)) if average is not None else None,
        "saturated_share": _rounded(use.saturated_share),
        "capacity_share": _rounded(use.capacity_share),
        "service_level_share": _rounded(today.service_level),
        "service_level_n": today.service_level_n,
        "service_level_seconds": SERVICE_LEVEL_MS / 1000,
        "answer_seconds": _seconds(today.average_answer_ms),
        "answer_n": today.answered_waits,
        "handle_seconds": _seconds(today.average_handle_ms),
        "handle_n": today.handled,
        **_percentiles("first_word", today.first_word),
        **_percentiles("turn_latency", today.turn_latency),
        **_percentiles("post_processing", today.report_delay),
        "attempted": today.attempted,
        "connected_share": _rounded(today.connected_share),
        "voicemails": today.voicemails,
        "attempted_outcomes": dict(sorted(today.outcomes.items())),
        "contained_share": _rounded(today.contained_share),
        "contained_n": today.concluded,
        "succeeded_share": _rounded(today.succeeded_share),
        "evaluated": today.evaluated,
        "not_evaluated": today.ended - today.evaluated,
        "silence_share": _rounded(today.silence_share),
        "tool_calls": today.tools_called,
        "tool_error_share": _rounded(today.tool_error_share),
        **_percentiles("tool_latency", today.tool_latency),
        "interruptions": today.interruptions,
        **_percentiles("webhook_lag", today.webhook_lag),
        "clock_skewed": today.clock_skewed,
        "reports_missing": today.reports_missing,
        "reports_missing_share": _rounded(today.reports_missing_share),
        "webhooks": today.webhooks,
        **_per_thousand(today, "duplicates", today.duplicates),
        **_per_thousand(today, "reorders", today.reorders),
        **_per_thousand(today, "repairs", today.repairs),
    }


def _percentiles(name: str, values: Histogram) -> dict[str, JSON]:
    p50, p95 = values.percentiles(_P50, _P95)
    return {f"{name}_p50_ms": p50, f"{name}_p95_ms": p95, f"{name}_n": values.n}


def _per_thousand(today: DayCounters, name: str, count: int) -> dict[str, JSON]:
    return {name: count, f"{name}_per_1000": _rounded(today.per_thousand_webhooks(count))}


def _rounded(value: float | None) -> float | None:
    return round(value, 4) if value is not None else None


def _seconds(ms: float | None) -> float | None:
    return round(ms / 1000, 3) if ms is not None else None
