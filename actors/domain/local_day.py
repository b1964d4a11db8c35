"""Calendar days where an organization is: 23 or 25 hours long where clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo


@lru_cache(16_384)
def local_date(at: int, time_zone: str) -> date:
    """The calendar day of `at` (ms since the epoch) where the organization is."""
    return datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(time_zone)).date()


@lru_cache(maxsize=4096)
def day_bounds(day: date, time_zone: str) -> tuple[int, int]:
    """The day as [first moment, first moment of the next), ms since the epoch. `date.min` stands for no day: empty."""
    if day == date.min:
        return (0, 0)
    return _midnight(day, time_zone), _midnight(day + timedelta(days=1), time_zone)


def _midnight(day: date, time_zone: str) -> int:
    return round(datetime.combine(day, time.min, ZoneInfo(time_zone)).timestamp() * 1000)
