from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.billing_period import Period, period_of, periods
from actors.domain.projection import Course, course
from actors.domain.usage import mark, overage


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def of(start: str, end: str) -> Period:
    return Period(start=ms(start), end=ms(end))


SUBSCRIBED = of("2026-03-31T10:00Z", "2026-04-30T10:00Z")


@pytest.mark.parametrize(
    ("at", "start", "end"),
    [
        ("2026-04-01T00:00Z", "2026-03-31T10:00Z", "2026-04-30T10:00Z"),
        ("2026-04-30T10:00Z", "2026-04-30T10:00Z", "2026-05-31T10:00Z"),
        ("2026-06-30T09:59Z", "2026-05-31T10:00Z", "2026-06-30T10:00Z"),
        ("2027-02-28T10:00Z", "2027-02-28T10:00Z", "2027-03-31T10:00Z"),
        ("2026-03-31T09:59Z", "2026-02-28T10:00Z", "2026-03-31T10:00Z"),
        ("2024-02-29T09:00Z", "2024-01-31T10:00Z", "2024-02-29T10:00Z"),
    ],
)
def test_a_subscriptions_periods_follow_its_day(at: str, start: str, end: str) -> None:
    assert period_of(ms(at), subscribed=SUBSCRIBED, time_zone="Europe/Berlin") == of(start, end)


def test_a_year_and_a_trial_are_periods_too() -> None:
    year = of("2025-02-01T00:00Z", "2026-02-01T00:00Z")
    following = period_of(ms("2026-12-31T00:00Z"), subscribed=year, time_zone="UTC")
    assert following == of("2026-02-01T00:00Z", "2027-02-01T00:00Z")
    trial = of("2026-05-03T00:00Z", "2026-05-17T00:00Z")
    assert period_of(ms("2026-05-10T00:00Z"), subscribed=trial, time_zone="UTC") == trial
    after = period_of(ms("2026-06-01T00:00Z"), subscribed=trial, time_zone="UTC")
    assert after == of("2026-05-17T00:00Z", "2026-06-17T00:00Z")
    over_the_month = of("2026-05-25T00:00Z", "2026-06-08T00:00Z")
    after = period_of(ms("2026-07-01T00:00Z"), subscribed=over_the_month, time_zone="UTC")
    assert after == of("2026-06-08T00:00Z", "2026-07-08T00:00Z")


def test_without_a_subscription_it_is_the_organizations_month() -> None:
    told = period_of(ms("2026-04-01T02:00Z"), subscribed=None, time_zone="America/New_York")
    assert told == of("2026-03-01T00:00-05:00", "2026-04-01T00:00-04:00")
    december = period_of(ms("2026-12-31T23:00Z"), subscribed=None, time_zone="UTC")
    assert december == of("2026-12-01T00:00Z", "2027-01-01T00:00Z")


MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds are naive


@given(begun=MOMENTS, lasts=st.integers(1, 400), at=MOMENTS, subscribes=st.booleans())
def test_periods_hold_their_moment_and_leave_no_gap(
    begun: datetime, lasts: int, at: datetime, *, subscribes: bool
) -> None:
    start = round(begun.timestamp() * 1000)
    subscribed = Period(start=start, end=start + lasts * 86_400_000) if subscribes else None
    moment = round(at.timestamp() * 1000)
    found = period_of(moment, subscribed=subscribed, time_zone="Europe/Berlin")
    assert found.start <= moment < found.end
    for inside in (found.start, found.end - 1):
        assert period_of(inside, subscribed=subscribed, time_zone="Europe/Berlin") == found
    before = period_of(found.start - 1, subscribed=subscribed, time_zone="Europe/Berlin")
    assert before.end == found.start


def test_periods_of_a_range_come_newest_first() -> None:
    found = list(periods(ms("2026-01-31T00:00Z"), ms("2026-03-01T00:00Z"), subscribed=None, time_zone="UTC"))
    assert [each.start for each in found] == [ms(f"2026-0{month}-01T00:00Z") for month in (3, 2, 1)]


JUNE = of("2026-06-01T00:00Z", "2026-07-01T00:00Z")


def line(used: int, at: int) -> Course | None:
    return course(used, JUNE, at, history={}, time_zone="UTC")


def straight(used: int, at: int) -> Course:
    told = line(used, at)
    assert told is not None
    assert told.basis == "straight_line"
    return told


def test_usage_goes_on_in_a_straight_line_while_nothing_came_before() -> None:
    tenth = ms("2026-06-11T00:00Z")
    assert straight(1_000, tenth).total == 3_000
    assert straight(0, tenth).total == 0
    assert straight(1, ms("2026-06-08T00:00Z")).total == 4, "30 / 7, to the nearest"
    at = JUNE.start + timedelta(days=24) // timedelta(milliseconds=1)
    assert straight(1_000, tenth).reaches(2_400) == at
    assert straight(1_000, tenth).reaches(3_001) is None, "not within the period"
    assert straight(1_000, tenth).reaches(3_000) is None, "the end is no part of it"
    assert straight(1_000, tenth).reaches(1_000) is None, "reached already"
    assert straight(0, tenth).reaches(1) is None


def test_a_first_day_without_days_before_and_a_period_that_is_over_project_nothing() -> None:
    assert line(500, JUNE.start + 86_399_999) is None
    assert line(500, JUNE.end) is None


# Weekends bring nothing; Monday 100, Tuesday 200, and so on to Friday.
WEEK = [100, 200, 300, 400, 500, 0, 0]


def before(today: str, days: int = 28) -> dict[date, int]:
    closed = [date.fromisoformat(today) - timedelta(days=back) for back in range(1, days + 1)]
    return {day: WEEK[day.weekday()] for day in closed}


def test_each_day_that_remains_brings_what_its_weekday_brought() -> None:
    friday = ms("2026-06-26T12:00Z")
    told = course(7_000, JUNE, friday, history=before("2026-06-26"), time_zone="UTC")
    assert told is not None
    assert told.basis == "weekday_means"
    assert told.total == 7_000 + 250 + 100 + 200, "half of Friday, then Monday and Tuesday"
    assert told.reaches(7_125) == ms("2026-06-26T18:00Z")
    assert told.reaches(7_300) == ms("2026-06-29T12:00Z"), "nothing comes at a weekend"
    assert told.reaches(7_550) is None, "the end is no part of it"
    assert told.reaches(7_551) is None


def test_a_weekday_is_worth_the_mean_of_its_days_and_a_first_day_is_enough() -> None:
    history = before("2026-06-01") | {date(2026, 5, 31): 40}
    told = course(0, JUNE, JUNE.start, history=history, time_zone="UTC")
    assert told is not None
    # June 2026 begins on a Monday: four weeks, a Monday and a Tuesday. One of four Sundays brought 40.
    assert told.total == 4 * 1_500 + 100 + 200 + 4 * 10


def test_without_a_weekday_that_is_needed_it_is_the_line() -> None:
    friday = ms("2026-06-26T12:00Z")
    history = before("2026-06-26")
    no_mondays = {day: amount for day, amount in history.items() if day.weekday() != 0}
    assert (told := course(7_000, JUNE, friday, history=no_mondays, time_zone="UTC")) is not None
    assert told.basis == "straight_line"
    no_wednesdays = {day: amount for day, amount in history.items() if day.weekday() != 2}
    assert (told := course(7_000, JUNE, friday, history=no_wednesdays, time_zone="UTC")) is not None
    assert told.basis == "weekday_means", "none is left in this month"


def test_days_are_the_organizations_and_a_period_may_end_within_one() -> None:
    # Clocks go forward on March 29: that Sunday has 23 hours, of which 11.5 remain at 12:30.
    ends = of("2026-03-01T00:00+01:00", "2026-03-30T12:00+02:00")
    history = dict.fromkeys(before("2026-03-29"), 240)
    told = course(0, ends, ms("2026-03-29T12:30+02:00"), history=history, time_zone="Europe/Berlin")
    assert told is not None
    assert told.total == 120 + 120


@given(
    used=st.integers(0, 10**9),
    at=st.integers(JUNE.start, JUNE.end - 1),
    days=st.integers(0, 28),
    level=st.integers(0, 2 * 10**9),
)
def test_what_is_reached_is_within_the_period_and_no_more_than_the_total(
    used: int, at: int, days: int, level: int
) -> None:
    today = datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
    told = course(used, JUNE, at, history=before(today, days), time_zone="UTC")
    if told is None:
        assert at - JUNE.start < 86_400_000
        return
    assert told.total >= used
    reached = told.reaches(level)
    if reached is not None:
        assert at < reached < JUNE.end
        assert used < level <= told.total + 1


def test_marks_and_overage() -> None:
    assert (mark(1_000, 80), mark(999, 80), mark(1, 100), mark(0, 80)) == (800, 800, 1, 0)
    assert (overage(90, 100), overage(100, 100), overage(130, 100)) == (0, 0, 30)
