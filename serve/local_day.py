"""An organization's calendar day as two moments, by the same rule as the live counters."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import Field

from actors.domain.local_day import local_date
from storage.times import milliseconds

CalendarDate: TypeAlias = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]
"""A day that somebody asks for: so far from both ends of the calendar that days can be added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDay:
    """[start, end): 23 or 25 hours long where clocks change."""

    date: date
    start: datetime
    end: datetime


def local_day(now: datetime, time_zone: str) -> LocalDay:
    """The day that `now` falls on in that zone."""
    day = local_date(milliseconds(now), time_zone)
    start, end = (
        datetime.combine(each, time.min, tzinfo=ZoneInfo(time_zone)) for each in (day, day + timedelta(days=1))
    )
    return LocalDay(date=day, start=start, end=end)
