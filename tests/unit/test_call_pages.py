from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.call_pages import LONGEST_RANGE, CallCursor, DateRange
from serve.errors import InvalidParameterError, MalformedRequestError
from serve.local_day import local_day
from serve.routes.recordings import ByteRange
from storage.call_filter import CallFilter, Position

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ORGANIZATION = "6b1f7a52-8a35-4b8e-9a54-1a2b3c4d5e6f"
moments = st.datetimes(datetime(2001, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # aware by `timezones`
lengths = st.timedeltas(timedelta(microseconds=1), LONGEST_RANGE)
filters = st.builds(
    CallFilter,
    status=st.none() | st.text(),
    assistant_id=st.none() | st.text(),
    direction=st.none() | st.text(),
)


@given(since=moments, length=lengths, created_at=moments, row_id=st.uuids(), only=filters)
def test_a_cursor_reads_back_exactly(
    *, since: datetime, length: timedelta, created_at: datetime, row_id: UUID, only: CallFilter
) -> None:
    dates = DateRange(since=since, until=since + length)
    cursor = CallCursor.at(dates, Position(created_at=created_at, row_id=row_id))
    assert CallCursor.decode(cursor.encode(ORGANIZATION, only), ORGANIZATION, only) == cursor


@given(one=filters, other=filters)
def test_a_cursor_serves_only_what_it_was_made_for(one: CallFilter, other: CallFilter) -> None:
    dates = DateRange.asked(None, None, now=NOW)
    text = CallCursor.at(dates, dates.start).encode(ORGANIZATION, one)
    with pytest.raises(MalformedRequestError):
        CallCursor.decode(text, str(uuid4()), one)
    if one != other:
        with pytest.raises(MalformedRequestError):
            CallCursor.decode(text, ORGANIZATION, other)


@given(st.text() | st.binary().map(bytes.hex))
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(MalformedRequestError):
        CallCursor.decode(text, ORGANIZATION, CallFilter())


@given(since=st.none() | moments, until=st.none() | moments)
def test_a_range_is_always_bounded(since: datetime | None, until: datetime | None) -> None:
    try:
        dates = DateRange.asked(since, until, now=NOW)
    except InvalidParameterError:
        return
    assert timedelta(0) < dates.until - dates.since <= LONGEST_RANGE


def test_the_default_range_is_the_last_seven_days() -> None:
    dates = DateRange.asked(None, None, now=NOW)
    assert (dates.since, dates.until) == (NOW - timedelta(days=7), NOW)


@pytest.mark.parametrize(("day", "hours"), [((2025, 3, 30), 23), ((2025, 10, 26), 25), ((2025, 6, 1), 24)])
def test_a_local_day_is_as_long_as_the_clocks_make_it(day: tuple[int, int, int], hours: int) -> None:
    found = local_day(datetime(*day, 12, tzinfo=UTC), "Europe/Berlin")
    assert (found.date.year, found.date.month, found.date.day) == day
    assert found.end.astimezone(UTC) - found.start.astimezone(UTC) == timedelta(hours=hours)


@given(
    st.text(st.characters(codec="ascii")) | st.from_regex(r"bytes=[0-9]*-[0-9]*", fullmatch=True), st.integers(1, 10**9)
)
def test_a_byte_range_never_leaves_the_recording(header: str, size: int) -> None:
    part = ByteRange.asked(header, size)
    assert part is None or part.start >= part.end or 0 <= part.start < part.end <= size
