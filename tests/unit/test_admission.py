"""May another call begin: limits as sets of calls, reservations that lapse, minutes, opening hours across DST."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.domain.admission import (
    ACCEPTED,
    CONCURRENCY,
    OVER_MINUTES,
    RESERVATION_MS,
    UNCHECKED,
    MonthUse,
    Occupancy,
    billable_minutes,
    holds_slot,
    is_refusal,
    local_month,
)
from actors.domain.call import Call, CallFields
from actors.domain.capacity import Limits
from actors.domain.commands import InboxRow
from actors.domain.json_types import JSON
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide_all, recall
from actors.domain.policy import Hours, MinutesPolicy, Policy, is_open, policy_facts, policy_from
from actors.domain.slot_ledger import slots_view
from actors.domain.views import state_view
from tests.fakes.events import row

START = 1_790_000_000_000


def organization(policy: Policy, **fields: Any) -> Organization:
    return Organization(
        organization_id="organization",
        name="One",
        time_zone=fields.pop("time_zone", "UTC"),
        today=DayCounters(day=date.min),
        policy=policy,
        **fields,
    )


def listed(state: Organization, now: int, name: str) -> set[str]:
    """The calls of one list of the ledger."""
    entries: Any = slots_view(state, now)[name]
    return {each["call_id"] for each in entries}


class Front:
    """Takes rows in one at a time, as the owner does, and keeps what Postgres would."""

    def __init__(self, policy: Policy, **fields: Any) -> None:
        self.state = organization(policy, **fields)
        self.rows: list[InboxRow] = []

    def take(self, call_id: str, kind: str, *, at: int, provider: str = "vapi", **facts: JSON) -> str | None:
        number = len(self.rows) + 1
        asked = row(number, call_id, kind, at=at, key=str(number), facts=dict(facts), provider=provider)
        decided = decide_all(self.state, [asked])
        outcome = decided.outcomes.get(number)
        self.state = decided.state
        self.rows.append(replace(asked, apply_sequence=number, outcome=outcome))
        return outcome

    def ask(self, call_id: str, *, at: int = START, **fields: JSON) -> str | None:
        return self.take(call_id, "assistant-request", at=at, fields=dict(fields))

    def status(self, call_id: str, status: str, *, at: int = START) -> None:
        self.take(call_id, "status-update", at=at, status=status)

    def held(self, at: int = START) -> set[str]:
        return set(Occupancy.of(self.state.calls.values(), at).calls)


def test_a_call_beyond_the_limit_is_refused_until_one_ends() -> None:
    front = Front(Policy(concurrency_limit=2))
    assert [front.ask(call_id) for call_id in "abc"] == [ACCEPTED, ACCEPTED, "refused:concurrency"]
    front.status("a", "ended")
    assert front.ask("d") == ACCEPTED
    assert front.held() == {"b", "d"}


@pytest.mark.parametrize(
    ("told", "inbound", "outbound"),
    [
        ("notify", ACCEPTED, ACCEPTED),
        ("block-outbound", ACCEPTED, "refused:minutes"),
        ("block", "refused:minutes", "refused:minutes"),
    ],
)
def test_used_up_minutes_stop_what_the_policy_says(told: MinutesPolicy, inbound: str, outbound: str) -> None:
    used = MonthUse(month=local_month(START, "UTC"), minutes=10)
    front = Front(Policy(minutes_cap=10, minutes_policy=told), used=used)
    assert front.ask("in", direction="inbound") == inbound
    assert front.ask("out", direction="outbound") == outbound


def test_granted_minutes_count_in_their_month_alone() -> None:
    month = local_month(START, "UTC")
    used = MonthUse(month=month, minutes=10)
    granted = Policy(minutes_cap=10, minutes_policy="block", extra_minutes={month.isoformat(): 1})
    front = Front(granted, used=used)
    assert front.ask("a") == ACCEPTED
    assert front.ask("b") == "refused:minutes", "the minute of the call that goes on is the one granted"
    other = Front(replace(granted, extra_minutes={"2001-01-01": 99}), used=used)
    assert other.ask("a") == "refused:minutes"


def test_an_outbound_call_that_never_asked_is_marked_once_the_minutes_are_used_up() -> None:
    used = MonthUse(month=local_month(START, "UTC"), minutes=9)
    front = Front(Policy(minutes_cap=10, minutes_policy="block-outbound"), used=used)
    told: dict[str, JSON] = {"direction": "outbound"}
    assert front.take("a", "status-update", at=START, status="in-progress", fields=told) is None
    assert front.take("b", "status-update", at=START, status="in-progress", fields=told) == OVER_MINUTES
    assert front.take("b", "status-update", at=START, status="forwarding", fields=told) is None
    assert front.take("c", "status-update", at=START, status="in-progress") is None, "inbound goes on"
    assert front.held() == {"a", "b", "c"}, "nothing hangs it up"
    assert recall("organization", front.rows) == front.state.calls


@given(
    limits=st.dictionaries(st.text(min_size=1), st.integers(1, 99)),
    hours=st.lists(
        st.builds(Hours, weekday=st.integers(0, 6), opens=st.integers(0, 1440), closes=st.integers(0, 1440))
    ),
    minutes=st.sampled_from(["notify", "block-outbound", "block"]),
    limit=st.none() | st.integers(1, 99),
    changes=st.lists(st.tuples(st.integers(0, 2**53), st.none() | st.integers(1, 99))),
)
def test_a_policy_is_read_as_it_was_told(
    limits: dict[str, int],
    hours: list[Hours],
    minutes: MinutesPolicy,
    limit: int | None,
    changes: list[tuple[int, int | None]],
) -> None:
    policy = Policy(
        concurrency_limit=limit,
        assistant_limits=limits,
        campaign_limits=limits,
        minutes_cap=limit,
        extra_minutes=limits,
        minutes_policy=minutes,
        opening_hours=tuple(hours),
        limit_changes=Limits(tuple(changes)),
    )
    assert policy_from(policy_facts(policy)) == policy


def test_a_refused_call_is_shown_and_counted_but_is_not_live() -> None:
    front = Front(Policy(concurrency_limit=1))
    front.ask("a")
    front.ask("b")
    shown: Any = state_view(front.state)
    assert {call["call_id"]: call["admission"] for call in shown["calls"]} == {"a": ACCEPTED, "b": CONCURRENCY}
    assert shown["counters"]["live"] == 1
    assert measured(front.state.calls["b"]).live_from is None
    assert measured(front.state.calls["b"]).is_refused
    front.take("b", "let-through", at=START + 1, provider="internal")
    after: Any = state_view(front.state)
    assert after["counters"]["live"] == 2
    assert measured(front.state.calls["b"]).live_from is not None


def test_a_request_told_twice_is_decided_once() -> None:
    front = Front(Policy(concurrency_limit=1))
    assert [front.ask("a"), front.ask("b")] == [ACCEPTED, "refused:concurrency"]
    front.status("a", "ended")
    assert front.ask("b", at=START + 1) == "refused:concurrency"


def test_a_waiting_call_holds_no_slot_and_a_started_one_does() -> None:
    front = Front(Policy(concurrency_limit=1))
    front.status("queued", "queued")
    assert front.ask("a") == ACCEPTED
    front.status("queued", "in-progress")
    assert front.held() == {"a", "queued"}, "what the provider starts holds a slot, whatever the limit"


def test_a_reservation_lapses_after_a_minute_and_a_started_call_keeps_its_slot() -> None:
    front = Front(Policy(concurrency_limit=1))
    front.ask("a")
    assert front.ask("b", at=START + RESERVATION_MS - 1) == "refused:concurrency"
    assert front.ask("c", at=START + RESERVATION_MS) == ACCEPTED
    front.status("c", "in-progress", at=START + RESERVATION_MS)
    assert front.ask("d", at=START + 9 * RESERVATION_MS) == "refused:concurrency"
    front.status("a", "in-progress", at=START + 9 * RESERVATION_MS)
    assert front.held(START + 9 * RESERVATION_MS) == {"a", "c"}, "it came late but it goes on"


def test_a_refused_call_holds_no_slot_however_long_it_is_spoken_to() -> None:
    front = Front(Policy(concurrency_limit=1))
    front.ask("a")
    front.ask("b")
    front.status("b", "in-progress")
    assert front.held() == {"a"}


def test_a_refused_call_that_the_door_let_through_holds_one() -> None:
    front = Front(Policy(concurrency_limit=1))
    front.ask("a")
    assert front.ask("b") == "refused:concurrency"
    front.take("b", "let-through", at=START, provider="internal")
    assert front.state.calls["b"].admission == UNCHECKED
    assert front.held() == {"a", "b"}


def test_sub_limits_count_their_own_calls_alone() -> None:
    policy = Policy(concurrency_limit=9, assistant_limits={"desk": 1}, campaign_limits={"spring": 1})
    front = Front(policy)
    assert front.ask("a", assistant_id="desk") == ACCEPTED
    assert front.ask("b", assistant_id="desk") == "refused:assistant-concurrency"
    assert front.ask("c", assistant_id="other", campaign_id="spring") == ACCEPTED
    assert front.ask("d", assistant_id="other", campaign_id="spring") == "refused:campaign-concurrency"
    assert front.ask("e", assistant_id="other") == ACCEPTED


def test_a_lowered_limit_refuses_new_calls_alone() -> None:
    front = Front(Policy(concurrency_limit=3))
    for call_id in "abc":
        front.ask(call_id)
    front.take(
        "", "organization-configured", at=START, provider="internal", name="One", time_zone="UTC",
        policy={"concurrency_limit": 1},
    )  # fmt: skip
    assert front.held() == {"a", "b", "c"}
    assert front.ask("d") == "refused:concurrency"
    for call_id in "abc":
        front.status(call_id, "ended")
    assert front.ask("e") == ACCEPTED


def test_a_released_call_frees_its_slot_until_it_shows_life_again() -> None:
    front = Front(Policy(concurrency_limit=1))
    front.status("a", "in-progress")
    front.take("a", "slot-released", at=START + 10, provider="internal")
    front.take("a", "slot-released", at=START + 10, provider="internal")
    assert front.held(START + 10) == set()
    assert listed(front.state, START + 10, "released") == {"a"}
    assert front.ask("b", at=START + 11) == ACCEPTED
    front.take("a", "tool-calls", at=START + 12)
    assert front.held(START + 12) == {"a", "b"}


def test_running_calls_reserve_what_they_used_and_the_next_minute() -> None:
    policy = Policy(minutes_cap=10, minutes_policy="block")
    front = Front(policy, used=MonthUse(month=local_month(START, "UTC"), minutes=6))
    front.status("a", "in-progress")
    assert front.ask("b", at=START + 61_000) == ACCEPTED, "6 used, 2 reserved by a, 1 for b"
    assert front.ask("c", at=START + 61_000) == ACCEPTED
    assert front.ask("d", at=START + 61_000) == "refused:minutes"
    lenient = Front(replace(policy, minutes_policy="notify"), used=MonthUse(month=date(2026, 9, 1), minutes=99))
    assert lenient.ask("a") == ACCEPTED


def test_minutes_used_are_those_of_ended_calls_each_rounded_up() -> None:
    before = Call(call_id="a", created_at=START, fields=CallFields(duration_ms=60_001))
    after = replace(before, fields=CallFields(duration_ms=60_000))
    used = MonthUse(month=local_month(START, "UTC")).replacing(None, before, "UTC")
    assert (used.minutes, billable_minutes(replace(before, fields=CallFields()))) == (2, 0)
    assert used.replacing(before, after, "UTC").minutes == 1


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (datetime(2026, 3, 27, 8, 30, tzinfo=UTC), True),  # Friday 09:30, winter
        (datetime(2026, 3, 27, 7, 30, tzinfo=UTC), False),
        (datetime(2026, 3, 30, 7, 30, tzinfo=UTC), True),  # Monday 09:30, summer
        (datetime(2026, 3, 30, 15, 30, tzinfo=UTC), False),
        (datetime(2026, 3, 28, 12, 0, tzinfo=UTC), False),  # Saturday
    ],
)
def test_opening_hours_follow_the_wall_clock(at: datetime, *, expected: bool) -> None:
    hours = tuple(Hours(weekday=day, opens=9 * 60, closes=17 * 60) for day in range(5))
    assert is_open(hours, int(at.timestamp() * 1000), "Europe/Berlin") is expected


def test_hours_may_go_on_past_midnight() -> None:
    friday_night = (Hours(weekday=4, opens=22 * 60, closes=2 * 60),)
    told = [is_open(friday_night, int(datetime(2026, 3, 27, 21, tzinfo=UTC).timestamp()) * 1000 + hours * 3_600_000,
                    "UTC") for hours in range(6)]  # fmt: skip
    assert told == [False, True, True, True, True, False]


def test_closed_comes_before_every_other_reason() -> None:
    closed = Policy(concurrency_limit=1, opening_hours=(Hours(weekday=0, opens=0, closes=1),))
    front = Front(closed)
    front.status("a", "in-progress")
    assert front.ask("b", at=int(datetime(2026, 3, 28, tzinfo=UTC).timestamp() * 1000)) == "refused:closed"


def test_a_policy_is_read_whatever_stands_there() -> None:
    assert policy_from([]) == policy_from({"concurrency_limit": "many", "opening_hours": [{"day": 3}, 7]}) == Policy()
    assert policy_from({"limit_changes": [7, [], ["a", 1], [5, 2, 1], "x"]}) == Policy()
    assert policy_from({"limit_changes": [[5, "many"], [9, 4]]}).limits == Limits(((5, None), (9, 4)))
    read = policy_from({"opening_hours": [{"day": "sunday", "opens": "09:00", "closes": "24:00"}], "minutes_cap": 5})
    assert (read.opening_hours, read.minutes_cap) == ((Hours(weekday=6, opens=540, closes=1440),), 5)


class Slots(RuleBasedStateMachine):
    """Requests, starts, ends, releases and time in any order, against a model of who may hold a slot."""

    LIMIT = 2
    CALLS = st.sampled_from("abcdef")

    def __init__(self) -> None:
        super().__init__()
        self.front = Front(Policy(concurrency_limit=self.LIMIT))
        self.now = START
        self.until: dict[str, int] = {}
        self.going: set[str] = set()
        self.over: set[str] = set()
        self.released: set[str] = set()
        self.told: dict[str, str] = {}

    def expected(self) -> set[str]:
        reserved = {call_id for call_id, until in self.until.items() if self.now < until}
        refused = {call_id for call_id, outcome in self.told.items() if is_refusal(outcome)}
        return (reserved | self.going) - self.over - refused

    @rule(call=CALLS)
    def ask(self, call: str) -> None:
        before = self.expected()
        outcome = self.front.ask(call, at=self.now)
        assert outcome is not None
        if call in self.told:
            assert outcome == self.told[call]
            return
        if outcome == ACCEPTED:
            assert len(before) < self.LIMIT
        elif is_refusal(outcome):
            assert len(before) >= self.LIMIT
        else:
            assert call in self.over | self.going | self.released
        self.told[call] = outcome
        if call not in self.released:
            self.until[call] = self.now + RESERVATION_MS

    @rule(call=CALLS)
    def go_on(self, call: str) -> None:
        self.front.status(call, "in-progress", at=self.now)
        self.going.add(call)

    @rule(call=CALLS)
    def end(self, call: str) -> None:
        self.front.status(call, "ended", at=self.now)
        self.over.add(call)

    @precondition(lambda self: self.front.state.calls)
    @rule(call=CALLS)
    def release(self, call: str) -> None:
        self.front.take(call, "slot-released", at=self.now, provider="internal")
        if call in self.front.state.calls:
            self.going.discard(call)
            self.until.pop(call, None)
            self.released.add(call)
            self.now += 1

    @rule(seconds=st.integers(1, 50))
    def wait(self, seconds: int) -> None:
        self.now += seconds * 1000

    @invariant()
    def the_sets_are_those_of_the_model(self) -> None:
        assert self.front.held(self.now) == self.expected()
        assert listed(self.front.state, self.now, "slots") == self.expected()

    @invariant()
    def a_replay_of_the_rows_comes_to_the_same_calls(self) -> None:
        assert recall("organization", self.front.rows) == self.front.state.calls
        assert all(holds_slot(self.front.state.calls[each], self.now) for each in self.expected())


Slots.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None, database=None)
TestSlots = Slots.TestCase
