"""Closed days in `daily_usage`: added up once by the code that counts the live day, read for any range after it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog

from actors.domain.capacity import CapacityUse, Limits, limits_from
from actors.domain.concurrency import Concurrency
from actors.domain.histogram import Histogram
from actors.domain.local_day import day_bounds
from actors.domain.metrics import DayCounters, Sums
from storage.day_rows import day_of_rows
from storage.postgres import Connection, Pool, acquired
from storage.statements import statement
from storage.times import milliseconds, moment

log = structlog.get_logger(__name__)

K = TypeVar("K")

DUE_AT_ONCE: Final = 500

# Under their names in the table, where those differ.
_COLUMNS: Final = {"calls": "total_calls"}


async def aggregate_day(pool: Pool, organization_id: str, day: date, time_zone: str) -> DayCounters:
    """Add up a closed day from its calls and keep it in the place of what was kept. Safe to repeat at any time.

    Reads everything of one moment. Raises StorageUnavailableError.
    """
    bounds = [moment(at) for at in day_bounds(day, time_zone)]
    async with acquired(pool) as connection, connection.transaction(isolation="repeatable_read"):
        rows = await connection.fetch(statement("journal_day"), UUID(organization_id), *bounds)
        events = await connection.fetchrow(statement("journal_day_events"), UUID(organization_id), *bounds)
        if events is None:
            raise AssertionError("journal_day_events aggregates, so it always answers one row")
        limits = limits_from(await connection.fetchval(statement("limits_between"), UUID(organization_id), *bounds))
        counters = await asyncio.to_thread(day_of_rows, day, time_zone, map(dict, rows), dict(events))
        kept = _kept(counters, limits)
        await connection.execute(statement("usage_keep_day"), UUID(organization_id), day, time_zone, kept)
    return counters


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptDay:
    """A closed day as it was kept, or several together: its calls are told apart no more, only added up."""

    figures: DayCounters
    use: CapacityUse

    @property
    def until(self) -> int:
        return self.figures.concurrency.closes


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedDay:
    """A day that is over where its organization is."""

    organization_id: str
    day: date
    time_zone: str


async def due_days(pool: Pool, *, limit: int) -> Sequence[ClosedDay]:
    """Days to add up, from two in the morning: of the last three those not kept, or changed by late reports since."""
    async with acquired(pool) as connection:
        return [_closed_day(dict(row)) for row in await connection.fetch(statement("usage_due"), limit)]


async def days_of_range(
    pool: Pool,
    since: date,
    until: date,
    organization_id: str | None = None,
    *,
    after: tuple[str, date] | None = None,
    limit: int,
) -> Sequence[ClosedDay]:
    """Closed days of [since, until], of one organization or all: those after an organization's day, in their order."""
    last = (None, None) if after is None else (UUID(after[0]), after[1])
    one = UUID(organization_id) if organization_id is not None else None
    async with acquired(pool) as connection:
        rows = await connection.fetch(statement("usage_range"), since, until, one, *last, limit)
    return [_closed_day(dict(row)) for row in rows]


async def aggregate_due(pool: Pool) -> int:
    """Add up the days that are due, as many as are taken at once. How many."""
    due = await due_days(pool, limit=DUE_AT_ONCE)
    for each in due:
        await aggregate_day(pool, each.organization_id, each.day, each.time_zone)
    return len(due)


async def aggregate_range(pool: Pool, since: date, until: date, organization_id: str | None = None) -> int:
    """Every closed day of [since, until], of one organization or all. How many."""
    count, after = 0, None
    while days := await days_of_range(pool, since, until, organization_id, after=after, limit=DUE_AT_ONCE):
        for each in days:
            await aggregate_day(pool, each.organization_id, each.day, each.time_zone)
        count += len(days)
        after = (days[-1].organization_id, days[-1].day)
    return count


async def kept_days(connection: Connection, organization_id: str, since: date, until: date) -> Sequence[KeptDay]:
    """The days of [since, until] that are kept, oldest first."""
    rows = await connection.fetch(statement("usage_days"), UUID(organization_id), since, until)
    return [_day(dict(row)) for row in rows]


def total(kept: Sequence[KeptDay]) -> KeptDay:
    """Several closed days as one: sums and histograms add up, the peak is the highest, shares are of all the time."""
    days = [each.figures for each in kept]
    first, last = days[0], days[-1]
    best = max((day.concurrency for day in days), key=lambda each: each.peak)
    levels = _added(day.concurrency.level_ms for day in days)
    lasted = sum(day.concurrency.closes - day.concurrency.opens for day in days)
    closes = last.concurrency.closes
    sums: dict[str, Any] = {
        name: sum(getattr(day, name) for day in days) for name in (*Sums._fields, "duplicates", "repairs")
    }
    figures = DayCounters(
        day=first.day,
        **sums,
        outcomes=_added(day.outcomes for day in days),
        first_word=_merged(day.first_word for day in days),
        turn_latency=_merged(day.turn_latency for day in days),
        webhook_lag=_merged(day.webhook_lag for day in days),
        report_delay=_merged(day.report_delay for day in days),
        tool_latency=_merged(day.tool_latency for day in days),
        # Days that are missing in between are no part of the time that shares are over.
        concurrency=Concurrency(
            opens=closes - lasted, closes=closes, level_ms=levels, peak=best.peak, peak_at=best.peak_at
        ),
    )
    return KeptDay(figures=figures, use=reduce(CapacityUse.plus, (each.use for each in kept)))


def _merged(histograms: Iterable[Histogram]) -> Histogram:
    return Histogram(_added(each.counts for each in histograms))


def _added(counts: Iterable[Mapping[K, int]]) -> dict[K, int]:
    added: dict[K, int] = {}
    for each in counts:
        for key, n in each.items():
            added[key] = added.get(key, 0) + n
    return added


def _kept(day: DayCounters, limits: Limits) -> Mapping[str, Any]:
    """The row of a day, as JSON that Postgres reads by its columns' types."""
    live = day.concurrency
    changed = len(list(limits.over(live.opens, live.closes))) > 1
    return {
        **(_kept_use(live.use(limits, live.closes)) if changed else {}),
        **{_COLUMNS.get(name, name): getattr(day, name) for name in (*Sums._fields, "duplicates", "repairs")},
        "peak_concurrency": live.peak,
        "peak_at": moment(live.peak_at).isoformat() if live.peak_at is not None else None,
        "level_ms": _texts(live.level_ms),
        "attempted_outcomes": dict(day.outcomes),
        "first_word_ms": _texts(day.first_word.counts),
        "turn_latency_ms": _texts(day.turn_latency.counts),
        "webhook_lag_ms": _texts(day.webhook_lag.counts),
        "report_delay_ms": _texts(day.report_delay.counts),
        "tool_latency_ms": _texts(day.tool_latency.counts),
    }


def _kept_use(use: CapacityUse) -> Mapping[str, int]:
    return {"capacity_ms": use.capacity_ms, "capacity_used_ms": use.used_ms, "saturated_ms": use.saturated_ms}


def _day(row: Mapping[str, Any]) -> KeptDay:
    opens, closes = day_bounds(row["date"], row["time_zone"])
    peak_at: datetime | None = row["peak_at"]
    sums: dict[str, Any] = {name: row[_COLUMNS.get(name, name)] for name in (*Sums._fields, "duplicates", "repairs")}
    figures = DayCounters(
        day=row["date"],
        **sums,
        outcomes=row["attempted_outcomes"] or {},
        first_word=Histogram(_numbers(row["first_word_ms"])),
        turn_latency=Histogram(_numbers(row["turn_latency_ms"])),
        webhook_lag=Histogram(_numbers(row["webhook_lag_ms"])),
        report_delay=Histogram(_numbers(row["report_delay_ms"])),
        tool_latency=Histogram(_numbers(row["tool_latency_ms"])),
        concurrency=Concurrency(
            opens=opens,
            closes=closes,
            level_ms=_numbers(row["level_ms"]),
            peak=row["peak_concurrency"],
            peak_at=milliseconds(peak_at) if peak_at is not None else None,
        ),
    )
    return KeptDay(figures=figures, use=_use(row, figures.concurrency))


def _use(row: Mapping[str, Any], live: Concurrency) -> CapacityUse:
    if row["capacity_ms"] is None:
        return live.use(Limits.always(row["concurrency_limit"]), live.closes)
    return CapacityUse(
        window_ms=live.closes - live.opens,
        capacity_ms=row["capacity_ms"],
        used_ms=row["capacity_used_ms"],
        saturated_ms=row["saturated_ms"],
    )


def _closed_day(row: Mapping[str, Any]) -> ClosedDay:
    return ClosedDay(organization_id=str(row["organization_id"]), day=row["date"], time_zone=row["time_zone"])


def _texts(counts: Mapping[int, int]) -> Mapping[str, int]:
    return {str(key): value for key, value in counts.items()}


def _numbers(counts: Mapping[str, int]) -> Mapping[int, int]:
    return {int(key): value for key, value in counts.items()}
