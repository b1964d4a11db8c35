from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.billing_period import Period, period_of, periods
from actors.domain.usage import expected_at, mark, overage, projected


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


def test_usage_goes_on_in_a_straight_line() -> None:
    tenth = ms("2026-06-11T00:00Z")
    assert projected(1_000, JUNE, tenth) == 3_000
    assert projected(0, JUNE, tenth) == 0
    assert projected(1, JUNE, ms("2026-06-08T00:00Z")) == 4, "30 / 7, to the nearest"
    assert expected_at(2_400, 1_000, JUNE, tenth) == JUNE.start + timedelta(days=24) // timedelta(milliseconds=1)
    assert expected_at(3_001, 1_000, JUNE, tenth) is None, "not within the period"
    assert expected_at(1_000, 1_000, JUNE, tenth) is None, "reached already"
    assert expected_at(1, 0, JUNE, tenth) is None


def test_a_first_day_and_a_period_that_is_over_project_nothing() -> None:
    assert projected(500, JUNE, JUNE.start + 86_399_999) is None
    assert projected(500, JUNE, JUNE.end) is None
    assert expected_at(600, 500, JUNE, JUNE.start + 1) is None


def test_marks_and_overage() -> None:
    assert (mark(1_000, 80), mark(999, 80), mark(1, 100), mark(0, 80)) == (800, 800, 1, 0)
    assert (overage(90, 100), overage(100, 100), overage(130, 100)) == (0, 0, 30)
