"""Cursors of every list: they read back exactly, and serve nothing but what they were made for."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve.call_pages import CallCursor
from serve.cursors import Cursor
from serve.errors import MalformedRequestError
from serve.list_cursor import ListCursor
from serve.usage_entry_schemas import EntryCursor

AT: Final = datetime(2025, 3, 1, 12, 30, 0, 7, tzinfo=UTC)
ROW: Final = UUID("6b1f7a52-8a35-4b8e-9a54-1a2b3c4d5e6f")
LIST = ListCursor(created_at=AT, row_id=ROW)
ENTRY = EntryCursor(charged_at=AT, entry=-2, call_id="call/ü")
CALL = CallCursor(since=AT - timedelta(days=7), until=AT, created_at=AT, row_id=ROW)

every = pytest.mark.parametrize("cursor", [LIST, ENTRY, CALL], ids=lambda each: type(each).__name__)
moments = st.datetimes(datetime(1, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001  # aware by `timezones`
texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


@given(
    st.builds(ListCursor, created_at=moments, row_id=st.uuids())
    | st.builds(EntryCursor, charged_at=moments, entry=st.integers(-(2**31), 2**31 - 1), call_id=texts),
    st.text(),
)
def test_a_cursor_reads_back_exactly(cursor: Cursor, name: str) -> None:
    assert type(cursor).decode(cursor.encode("organization", name), "organization", name) == cursor


@pytest.mark.parametrize(
    ("text", "cursor"),
    [
        ("AQAGL0cU5QIHax96Uoo1S46aVBorPE1ebx6_kGeq6SPPnEMfTHXYgKM", LIST),
        ("AQAGL0cU5QIH_____h6_kGeq6SPPnEMfTHXYgKNjYWxsL8O8", ENTRY),
    ],
)
def test_those_that_clients_hold_lead_on_after_a_release(text: str, cursor: Cursor) -> None:
    assert type(cursor).decode(text, "o", "list") == cursor
    assert cursor.encode("o", "list") == text


@every
def test_it_serves_no_other_list_and_is_nothing_changed(cursor: Cursor) -> None:
    text = cursor.encode("o", "list")
    packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    later = base64.urlsafe_b64encode(b"\2" + packed[1:]).decode().rstrip("=")
    longer = () if cursor is ENTRY else (f"{text}AAAA",)  # what follows is the call of an entry
    for other in (text[:24], later, "", "!", "AAAA", *longer):
        with pytest.raises(MalformedRequestError):
            type(cursor).decode(other, "o", "list")
    for owner in (("p", "list"), ("o", "other"), ("o",), ()):
        with pytest.raises(MalformedRequestError):
            type(cursor).decode(text, *owner)


@pytest.mark.parametrize(
    "cursor",
    [
        EntryCursor(charged_at=AT, entry=1, call_id="a\0b"),
        CallCursor(since=AT, until=AT, created_at=AT, row_id=ROW),
        CallCursor(since=AT, until=AT + timedelta(days=94), created_at=AT, row_id=ROW),
    ],
)
def test_what_no_page_ends_with_is_refused_however_well_it_is_made(cursor: Cursor) -> None:
    with pytest.raises(MalformedRequestError):
        type(cursor).decode(cursor.encode("o"), "o")
