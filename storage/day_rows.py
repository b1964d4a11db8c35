"""Rows of `calls` as the figures of a day read them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from actors.domain.admission import is_refusal
from actors.domain.measured import Measured
from actors.domain.metrics import DayCounters
from storage.times import milliseconds


def day_of_rows(day: date, time_zone: str, rows: Iterable[Mapping[str, Any]], events: Mapping[str, Any]) -> DayCounters:
    """The figures of a day from the rows of `journal_day` and the one of `journal_day_events`."""
    return DayCounters.of(
        day, time_zone, map(measured_row, rows), duplicates=events["duplicates"], repairs=events["repairs"]
    )


def measured_row(row: Mapping[str, Any]) -> Measured:
    """The row of a statement that selects the columns of `journal_day`; equal to `measured` of the call it records."""
    return Measured(
        created_at=milliseconds(row["created_at"]),
        is_ended=row["status"] == "ended",
        ended_reason=row["ended_reason"],
        success_evaluation=row["success_evaluation"],
        reported_at=_ms(row["reported_at"]),
        is_report_missing=row["report"] == "missing",
        is_refused=is_refusal(row["admission"]),
        direction=row["direction"],
        queued_at=_ms(row["queued_at"]),
        ringing_at=_ms(row["ringing_at"]),
        answered_at=_ms(row["answered_at"]),
        forwarded_at=_ms(row["forwarded_at"]),
        ended_at=_ms(row["ended_at"]),
        live_from=_ms(row["live_from"]),
        live_until=_ms(row["live_until"]),
        duration_ms=row["duration_ms"],
        cost_micros=row["cost_micros"],
        first_word_at=_ms(row["first_word_at"]),
        turn_latencies_ms=tuple(row["turn_latencies_ms"] or ()),
        silence_ms=row["silence_ms"],
        tools_called=row["tools_called"] or 0,
        tools_failed=row["tools_failed"] or 0,
        tool_latencies_ms=tuple(row["tool_latencies_ms"] or ()),
        interruptions=row["interruptions"] or 0,
        webhook_lags_ms=tuple(row["webhook_lags_ms"]),
        reorders=row["reorders"],
    )


def _ms(at: datetime | None) -> int | None:
    return milliseconds(at) if at is not None else None
