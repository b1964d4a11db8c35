"""What a period's usage will have come to at its end: a course in straight stretches, from now on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from actors.domain.billing_period import Period
from actors.domain.local_day import day_bounds, local_date

HISTORY_DAYS: Final = 28
"""Closed days that weekdays' means are taken over: four of each."""

Basis: TypeAlias = Literal["weekday_means", "straight_line"]

_DAY_MS: Final = 24 * 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """[start, end), ms since the epoch, in which `amount` comes evenly."""

    start: int
    end: int
    amount: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How usage goes on from what is `used`, and what that is taken from."""

    basis: Basis
    used: int
    stretches: Sequence[Stretch]

    @property
    def total(self) -> int:
        """What will have been used at the end, to the nearest whole."""
        return int(self.used + sum((each.amount for each in self.stretches), Fraction()) + Fraction(1, 2))

    def reaches(self, level: int) -> int | None:
        """When `level` is reached (ms); None where it is already, and where it is not before the end."""
        missing = Fraction(level - self.used)
        if missing <= 0:
            return None
        for each in self.stretches:
            if missing <= each.amount:
                reached = each.start - (-missing * (each.end - each.start) // each.amount)
                return reached if reached < self.stretches[-1].end else None
            missing -= each.amount
        return None


def history_range(at: int, time_zone: str) -> tuple[date, date]:
    """The first and the last of the HISTORY_DAYS before the day of `at`."""
    today = local_date(at, time_zone)
    return today - timedelta(days=HISTORY_DAYS), today - timedelta(days=1)


def course(used: int, period: Period, at: int, *, history: Mapping[date, int], time_zone: str) -> Course | None:
    """How usage goes on from `at` to the period's end.

    Each day that remains, and what remains of today, brings what its weekday brought on average of the closed days of
    `history`. Where a weekday that is needed is not among them, it is a straight line instead: used / (at - start) for
    all the rest, of which a first day tells nothing. None then, and once the period is over.
    """
    if at >= period.end:
        return None
    stretches = [
        Stretch(start=start, end=end, amount=mean * Fraction(end - start, lasts))
        for start, end, lasts, mean in _days(period, at, _means(history), time_zone)
        if mean is not None
    ]
    if sum(each.end - each.start for each in stretches) == period.end - at:
        return Course(basis="weekday_means", used=used, stretches=stretches)
    elapsed = at - period.start
    if elapsed < _DAY_MS:
        return None
    line = Stretch(start=at, end=period.end, amount=Fraction(used * (period.end - at), elapsed))
    return Course(basis="straight_line", used=used, stretches=[line])


def _means(history: Mapping[date, int]) -> Mapping[int, Fraction]:
    """By weekday."""
    told: dict[int, list[int]] = {}
    for day, amount in history.items():
        told.setdefault(day.weekday(), []).append(amount)
    return {weekday: Fraction(max(0, sum(amounts)), len(amounts)) for weekday, amounts in told.items()}


def _days(
    period: Period, at: int, means: Mapping[int, Fraction], time_zone: str
) -> Iterator[tuple[int, int, int, Fraction | None]]:
    """What remains of each day from `at` on: its bounds, how long the whole day is, its weekday's mean."""
    day = local_date(at, time_zone)
    while (bounds := day_bounds(day, time_zone))[0] < period.end:
        opens, closes = bounds
        yield max(opens, at), min(closes, period.end), closes - opens, means.get(day.weekday())
        day += timedelta(days=1)
