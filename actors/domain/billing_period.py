"""Billing periods: as the payment provider told the last one, or calendar months where there is no subscription."""

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

from actors.domain.local_day import day_bounds, local_date

_MONTHS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """[start, end), ms since the epoch."""

    start: int
    end: int


def period_of(at: int, *, subscribed: Period | None, time_zone: str) -> Period:
    """The billing period that `at` (ms) falls into.

    `subscribed` is the subscription's period as it was last told. Those after it begin at its end, those before it end
    at its start, each as many months long (one at least), on its day of the month in UTC or on a shorter month's last.
    Without a subscription a period is a calendar month of `time_zone`.
    """
    if subscribed is None:
        return _calendar_month(at, time_zone)
    if subscribed.start <= at < subscribed.end:
        return subscribed
    start, end = _utc(subscribed.start), _utc(subscribed.end)
    months = max(1, _month_of(end) - _month_of(start))
    turn, step = (end, months) if at >= subscribed.end else (start, -months)
    # A period from January 31 ends on February 28: the subscription's day is the 31st.
    cut = min(start, end, key=lambda each: each.day)
    day = max(start.day, end.day) if cut.day == _days(cut.year, cut.month) else turn.day
    # As many steps as are surely not too many, then on until the moment is passed.
    steps = max(0, abs(_month_of(_utc(at)) - _month_of(turn)) // months - 1)
    near, far = (_moved(turn, each * step, day) for each in (steps, steps + 1))
    while not min(near, far) <= at < max(near, far):
        steps += 1
        near, far = far, _moved(turn, (steps + 1) * step, day)
    return Period(start=min(near, far), end=max(near, far))


def periods(since: int, until: int, *, subscribed: Period | None, time_zone: str) -> Iterator[Period]:
    """The periods that hold a moment of [since, until], the newest first."""
    period = period_of(until, subscribed=subscribed, time_zone=time_zone)
    while period.end > since:
        yield period
        period = period_of(period.start - 1, subscribed=subscribed, time_zone=time_zone)


def _calendar_month(at: int, time_zone: str) -> Period:
    first = local_date(at, time_zone).replace(day=1)
    following = date(first.year + first.month // _MONTHS, first.month % _MONTHS + 1, 1)
    return Period(start=day_bounds(first, time_zone)[0], end=day_bounds(following, time_zone)[0])


def _moved(turn: datetime, months: int, day: int) -> int:
    year, month = divmod(_month_of(turn) + months, _MONTHS)
    return _ms(turn.replace(year=year, month=month + 1, day=min(day, _days(year, month + 1))))


def _days(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _month_of(at: datetime) -> int:
    return at.year * _MONTHS + at.month - 1


def _utc(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
