"""A client's board, against the domain's own fold: however it was cut, it ends equal to a snapshot."""

import random
from datetime import date
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.call import CallFields, CallStatus, Observation, Source, Utterance
from actors.domain.commands import Command, Configure, Forget, Hear, NoteAbsent, NoteProcessed, Observe, Tick
from actors.domain.conversation import SpeechSign, ToolsFailed
from actors.domain.events import Event
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide, evolve
from actors.domain.views import counters_update, feed_entry, state_view
from serve.live.board import LiveBoard
from serve.live.client import LONGEST_RETRY_SECONDS, live_url, retry_delay
from serve.live.frames import events_frames, snapshot_frame
from storage.live_position import Position
from storage.live_reader import FeedEntry
from tests.unit.test_live_frames import payload

START = 1_767_225_600_000
CALLS = st.sampled_from(["a", "b", "c"])
TIMES = st.integers(START, START + 50)


def observed(call: str, at: int, status: CallStatus, name: str | None, digest: str) -> Observe:
    observation = Observation(
        kind="status-update",
        source=Source.STATUS_UPDATE,
        received_at=at,
        at=at,
        digest=digest,
        status=status,
        fields=CallFields(customer_name=name),
    )
    return Observe(call_id=call, observation=observation)


utterances = st.builds(
    Utterance,
    role=st.sampled_from(["user", "assistant"]),
    text=st.sampled_from(["h", "he", "hello"]),
    final=st.booleans(),
    at=TIMES,
)
signs = st.builds(SpeechSign, role=st.sampled_from(["user", "assistant"]), started=st.booleans(), at=TIMES)
failures = st.builds(ToolsFailed, ids=st.frozensets(st.sampled_from(["1", "2", "3"]), min_size=1))
chatter = st.one_of(
    st.builds(Hear, call_id=CALLS, at=TIMES, utterance=st.none() | utterances),
    st.builds(Hear, call_id=CALLS, at=TIMES, utterance=st.none(), sign=signs | failures),
)
rounds = st.lists(
    st.lists(
        st.one_of(
            st.builds(
                observed,
                CALLS,
                TIMES,
                st.sampled_from(CallStatus),
                st.sampled_from(["x", "y", None]),
                st.uuids().map(str),
            ),
            chatter,
            chatter,
            st.builds(NoteAbsent, call_id=CALLS, at=TIMES),
            st.builds(NoteProcessed, call_id=CALLS, at=TIMES),
            st.builds(Forget, before=TIMES),
            st.builds(Tick, at=TIMES),
            st.builds(Configure, name=st.sampled_from(["One", "Two"]), time_zone=st.just("UTC")),
        ),
        max_size=8,
    ),
    max_size=15,
)


def history(told: list[list[Command]]) -> tuple[list[FeedEntry], list[Organization]]:
    """The feed that rounds of commands make, and the state at each of its entries."""
    state = Organization(organization_id="o", name="Zero", time_zone="UTC", today=DayCounters(day=date(2026, 1, 1)))
    entries, states = [FeedEntry(Position(1, 0), b"[]")], [state]
    for commands in told:
        events: list[Event] = []
        for command in commands:
            decided = decide(state, command).events
            state = evolve(state, decided)
            events.extend(decided)
        views = feed_entry(events, state) or [counters_update(state)]
        entries.append(FeedEntry(Position(1, len(entries)), orjson.dumps(views)))
        states.append(state)
    return entries, states


def snapshot_at(states: list[Organization], n: int) -> Any:
    return payload(snapshot_frame(Position(1, n), "first", orjson.dumps(state_view(states[n]))))


@given(rounds, st.randoms(use_true_random=False))
def test_any_cuts_and_resumptions_end_at_the_same_board(told: list[list[Command]], chance: random.Random) -> None:
    entries, states = history(told)
    board = LiveBoard()
    board.apply(snapshot_at(states, chance.randrange(len(states))))
    while board.position != entries[-1].position:
        assert board.position is not None
        missed = entries[board.position.n + 1 :]
        for frame in events_frames(missed[: chance.randrange(1, len(missed) + 1)], board.position):
            assert board.apply(payload(frame)) == "events"
        if chance.random() < 0.2:
            # The server could not tell what followed.
            board.apply(snapshot_at(states, chance.randrange(board.position.n, len(states))))
    assert orjson.loads(orjson.dumps(board.state())) == orjson.loads(orjson.dumps(state_view(states[-1])))


def test_a_call_that_was_processed_between_two_changes_is_shown_as_the_last_of_them() -> None:
    told: list[list[Command]] = [
        [observed("a", START, CallStatus.IN_PROGRESS, "x", "1")],
        [
            observed("a", START + 1, CallStatus.ENDED, "x", "2"),
            NoteProcessed(call_id="a", at=START + 2),
            observed("a", START + 3, CallStatus.ENDED, "y", "3"),
        ],
    ]
    assert shown(told)["customer_name"] == "y"


def test_an_utterance_leaves_how_the_conversation_goes() -> None:
    voice = SpeechSign(role="assistant", started=True, at=START + 1)
    said = Utterance(role="user", text="hello", final=True, at=START + 2)
    told: list[list[Command]] = [
        [observed("a", START, CallStatus.IN_PROGRESS, "x", "1")],
        [Hear(call_id="a", at=START + 1, utterance=None, sign=voice)],
        [Hear(call_id="a", at=START + 2, utterance=said)],
    ]
    assert shown(told)["conversation"]["first_word_at"] is not None


def test_a_call_that_is_seen_again_in_the_round_that_forgot_it_is_on_the_board() -> None:
    told: list[list[Command]] = [
        [observed("a", START, CallStatus.ENDED, "x", "1")],
        [
            observed("a", START + 1, CallStatus.ENDED, "y", "2"),
            Forget(before=START + 50),
            observed("a", START + 2, CallStatus.SCHEDULED, "z", "3"),
        ],
    ]
    assert shown(told)["customer_name"] == "z"


def shown(told: list[list[Command]]) -> Any:
    """The call of a board that followed from the start, the rest in one frame; and it is the owner's."""
    entries, states = history(told)
    board = LiveBoard()
    board.apply(snapshot_at(states, 0))
    for frame in events_frames(entries[1:], entries[0].position):
        board.apply(payload(frame))
    assert board.state()["calls"] == payload_of(states[-1])
    return board.calls["a"]


def payload_of(state: Organization) -> Any:
    return orjson.loads(orjson.dumps(state_view(state)["calls"]))


@given(rounds)
def test_what_is_not_newer_changes_nothing(told: list[list[Command]]) -> None:
    entries, states = history(told)
    board = LiveBoard()
    last = len(states) - 1
    board.apply(snapshot_at(states, last))
    before = orjson.dumps(board.state())
    for entry in entries:
        for frame in events_frames([entry], entry.position):
            assert board.apply(payload(frame)) == "dropped"
    assert orjson.dumps(board.state()) == before


def test_events_before_any_snapshot_and_unknown_frames_are_passed_over() -> None:
    board = LiveBoard()
    assert board.apply({"type": "events", "position": "1-1", "events": []}) == "dropped"
    assert board.apply({"type": "novelty"}) == "dropped"
    board.apply(snapshot_at([history([])[1][0]], 0))
    assert board.apply({"type": "events", "position": "1-1", "events": [{"type": "novelty"}]}) == "events"
    assert board.apply({"type": "heartbeat", "position": "1-1", "time": "t"}) == "heartbeat"


def test_a_frame_that_follows_what_never_came_shows_the_hole_and_changes_nothing() -> None:
    board = LiveBoard()
    board.apply(snapshot_at([history([])[1][0]], 0))
    before = orjson.dumps(board.state())
    renamed = {"type": "organization", "name": "Two", "time_zone": "UTC"}
    assert board.apply({"type": "events", "position": "1-3", "after": "1-1", "events": [renamed]}) == "hole"
    assert board.apply({"type": "heartbeat", "position": "1-3", "time": "t"}) == "hole"
    assert board.apply({"type": "heartbeat", "position": "1-0", "time": "t"}) == "heartbeat"
    assert (str(board.position), orjson.dumps(board.state())) == ("1-0", before)
    assert board.apply({"type": "events", "position": "1-2", "after": "1-0", "events": [renamed]}) == "events"
    assert board.organization["name"] == "Two"


@given(st.integers(0, 100), st.floats(0, 1, exclude_max=True))
def test_retries_spread_from_at_once_to_a_bound(attempt: int, jitter: float) -> None:
    assert retry_delay(attempt, 0) == 0
    assert 0 <= retry_delay(attempt, jitter) <= LONGEST_RETRY_SECONDS
    assert retry_delay(attempt, jitter) <= retry_delay(attempt + 1, jitter)


def test_an_address_is_escaped() -> None:
    assert live_url("ws://h:1/", "a/b", ticket="t&x", after="1-2") == "ws://h:1/live/a%2Fb?ticket=t%26x&after=1-2"
