"""Positions, the memory of the last entries, and frames: pure."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from serve.live.frames import FRAME_BYTES, events_frames, folded, heartbeat_frame, snapshot_frame
from serve.live.recent import Recent
from storage.live_position import BEFORE_ALL, Position, break_between
from storage.live_reader import FeedEntry


def payload(frame: bytes) -> Any:
    """What an unmasked text frame carries."""
    assert frame[0] == 0x80 | Opcode.TEXT
    header = 2 if frame[1] < 126 else 4 if frame[1] == 126 else 10
    return orjson.loads(frame[header:])


def entry(n: int, *events: dict[str, Any]) -> FeedEntry:
    return FeedEntry(Position(1, n), orjson.dumps(events))


def said(text: str, *, final: bool = False, role: str = "user", call: str = "a") -> dict[str, Any]:
    said: dict[str, Any] = {"role": role, "text": text, "final": final}
    return {"type": "utterance", "call_id": call, "evidence_at": "t", "utterance": said}


@pytest.mark.parametrize(
    "text", ["", "1", "1-", "-1", "01-1", "1-01", "+1-1", "1-1 ", "1_0-1", "\u0661-1", f"1-{2**64}"]
)
def test_a_position_has_one_spelling(text: str) -> None:
    assert Position.parse(text) is None


@given(st.tuples(*[st.integers(0, 2**64 - 1)] * 2), st.tuples(*[st.integers(0, 2**64 - 1)] * 2))
def test_positions_order_as_numbers_and_survive_their_text(one: tuple[int, int], two: tuple[int, int]) -> None:
    assert Position.parse(str(Position(*one))) == Position(*one)
    assert (Position(*one) < Position(*two)) == (one < two)


def test_only_the_next_number_of_the_same_epoch_follows() -> None:
    assert break_between(Position(1, 9), Position(1, 10)) is None
    assert break_between(Position(1, 9), Position(1, 11)) == "gap"
    assert break_between(Position(1, 9), Position(1, 9)) == "gap"
    assert break_between(Position(1, 9), Position(2, 10)) == "epoch"


def test_recent_tells_exactly_what_followed_or_nothing() -> None:
    recent = Recent(entries=5, size=1_000)
    assert recent.last == BEFORE_ALL
    assert recent.after(BEFORE_ALL) is None
    entries = [entry(n) for n in range(10)]
    for each in entries:
        recent.append(each)
    assert recent.after(Position(1, 4)) is None
    assert recent.after(Position(1, 5)) == entries[6:]
    assert recent.after(Position(1, 9)) == []
    assert recent.after(Position(1, 10)) is None
    assert recent.after(Position(0, 7)) is None


def test_recent_is_bounded_in_bytes_but_keeps_the_newest() -> None:
    recent = Recent(entries=100, size=50)
    for n in range(3):
        recent.append(entry(n, {"text": "x" * 100}))
    assert (recent.first, recent.last) == (Position(1, 2), Position(1, 2))


def test_one_entry_is_sent_byte_for_byte() -> None:
    told = FeedEntry(Position(3, 4), b'[{"type":"new-kind" , "x":1}]')
    frame = next(events_frames([told], Position(3, 3)))
    assert frame.endswith(b'{"type":"events","position":"3-4","after":"3-3","events":[{"type":"new-kind" , "x":1}]}')


def test_a_frame_keeps_only_the_last_partial_of_each_speaker() -> None:
    events = [
        said("h"),
        said("hel"),
        said("yes", role="assistant"),
        said("hello", final=True),
        said("other", call="b"),
        said("how"),
    ]
    assert [event["utterance"]["text"] for event in folded(events)] == ["yes", "hello", "other", "how"]


def test_a_frame_keeps_the_last_counters_and_evidence_and_every_change_of_a_call() -> None:
    call = {"type": "call", "call": {"call_id": "a"}}
    events = [
        {"type": "evidence", "call_id": "a", "evidence_at": "1"},
        call,
        {"type": "counters", "counters": {"live": 1}},
        {"type": "evidence", "call_id": "b", "evidence_at": "1"},
        {"type": "evidence", "call_id": "a", "evidence_at": "2"},
        call,
        {"type": "counters", "counters": {"live": 2}},
    ]
    assert folded(events) == [call, *events[3:]]


def test_much_is_cut_into_frames_that_clients_accept() -> None:
    entries = [entry(n, {"type": "call", "text": "x" * 1_000}) for n in range(600)]
    before = Position(0, 7)
    frames = [payload(frame) for frame in events_frames(entries, before)]
    assert len(frames) > 2
    assert [frame["after"] for frame in frames] == [str(before), *(frame["position"] for frame in frames[:-1])]
    assert frames[-1]["position"] == "1-599"
    assert sum(len(frame["events"]) for frame in frames) == 600
    assert all(len(frame) < FRAME_BYTES + 2_000 for frame in events_frames(entries, before))


def test_snapshots_and_heartbeats_read_as_documented() -> None:
    assert payload(snapshot_frame(Position(1, 2), "gap", b'{"calls":[]}')) == {
        "type": "snapshot",
        "position": "1-2",
        "reason": "gap",
        "state": {"calls": []},
    }
    assert payload(heartbeat_frame(Position(1, 2), "now", current=False)) == {
        "type": "heartbeat",
        "position": "1-2",
        "time": "now",
        "current": False,
    }
