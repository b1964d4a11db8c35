"""Promise P3: the same observations in any order make the same record; a terminal state never regresses."""

from dataclasses import replace
from datetime import date
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.admission import UNCHECKED
from actors.domain.call import LONGEST_MS, Call, CallFields, CallStatus, Observation, Precedence, Source
from actors.domain.charging import billable_seconds
from actors.domain.commands import InboxRow, command_from
from actors.domain.json_types import JSON
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide_all, recall
from actors.domain.policy import Policy
from tests.fakes.events import call_rows, row

START = 1_790_000_000_000


@st.composite
def observations(draw: st.DrawFn) -> list[Observation]:
    def one(index: int) -> Observation:
        fields = CallFields(
            ended_reason=draw(st.sampled_from([None, "customer-ended-call", "silence-timed-out"])),
            answered_at=draw(st.none() | st.integers(1, 5)),
            duration_ms=draw(st.none() | st.integers(0, 5)),
            summary=draw(st.sampled_from([None, "a", "b"])),
        )
        return Observation(
            kind=draw(st.sampled_from(["status-update", "hang", "end-of-call-report"])),
            source=draw(st.sampled_from(list(Source))),
            received_at=draw(st.integers(1, 4)),
            at=draw(st.integers(0, 3)),
            digest=f"event-{index}",
            status=draw(st.none() | st.sampled_from(list(CallStatus))),
            fields=fields,
            tool_call_ids=draw(st.frozensets(st.sampled_from(["t1", "t2"]))),
        )

    return [one(index) for index in range(draw(st.integers(1, 6)))]


def _merged(seen: list[Observation]) -> Call:
    call = Call(call_id="c", created_at=0)
    for observation in seen:
        call = call.merge(observation)
    return call


@given(seen=observations(), data=st.data())
def test_any_order_makes_the_same_record(seen: list[Observation], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(seen))
    assert _merged(shuffled) == _merged(seen)


@given(seen=observations())
def test_status_never_falls(seen: list[Observation]) -> None:
    ranks = [_merged(seen[:count]).status.rank for count in range(1, len(seen) + 1)]
    assert ranks == sorted(ranks)


@given(data=st.data())
def test_a_whole_call_in_any_order(data: st.DataObject) -> None:
    rows = call_rows(1, "c", START)
    shuffled = [
        replace(each, apply_sequence=place, received_at=START)
        for place, each in enumerate(data.draw(st.permutations(rows)), 1)
    ]
    call = recall("organization", shuffled)["c"]
    assert call.status is CallStatus.ENDED
    assert call.fields.ended_reason == "customer-ended-call"
    assert call.duration_ms == 59_850
    assert call.fields.answered_at == START + 2_100, "the report is trusted over the status-update"
    assert (call.hangs, len(call.tool_call_ids), call.report) == (1, 1, "received")


@given(data=st.data())
def test_a_call_that_was_let_through_is_the_same_whatever_came_first(data: st.DataObject) -> None:
    """Its request would be refused: another call holds the only slot."""
    other = row(1, "other", "call-seen", at=START)
    request = row(2, "c", "assistant-request", at=START + 1)
    let_through = row(3, "c", "let-through", at=START + 1, provider="internal")
    rows = [request, let_through, *call_rows(4, "c", START + 2)]
    state = Organization(
        organization_id="organization",
        name="One",
        time_zone="UTC",
        today=DayCounters(day=date.min),
        policy=Policy(concurrency_limit=1),
    )

    def decided(ordered: list[InboxRow]) -> Call:
        call = decide_all(state, [other, *ordered]).state.calls["c"]
        return replace(call, created_at=0, version=0)

    shuffled = data.draw(st.permutations(rows))
    assert decided(shuffled) == decided(rows)
    assert decided(shuffled).admission == UNCHECKED


def test_a_report_alone_makes_a_complete_call() -> None:
    report = replace(call_rows(1, "c", START)[-1], apply_sequence=1)
    call = recall("organization", [report])["c"]
    assert (call.status, call.report, call.duration_ms) == (CallStatus.ENDED, "received", 59_850)


@pytest.mark.parametrize(
    ("told", "answered_at", "ended_at", "lasted"),
    [
        (61_000, START, START + 60_000, 61_000),
        (None, START, START + 60_000, 60_000),
        (2**53 - 1, START, START + 60_000, 60_000),
        (LONGEST_MS + 1, 1, START, None),
        (None, START // 1_000, START, None),
        (LONGEST_MS, 1, START, LONGEST_MS),
    ],
)
def test_a_duration_that_cannot_be_is_not_charged(
    told: int | None, answered_at: int, ended_at: int, lasted: int | None
) -> None:
    fields = CallFields(answered_at=answered_at, ended_at=ended_at, duration_ms=told)
    call = Call(call_id="c", created_at=0, fields=fields)
    assert call.duration_ms == lasted
    assert billable_seconds(call.duration_ms) == (lasted or 0) // 1_000


def test_a_status_told_twice_began_with_the_earlier() -> None:
    def answered(at: int, digest: str) -> Observation:
        fields = CallFields(answered_at=at)
        return Observation(
            kind="status-update", source=Source.STATUS_UPDATE, received_at=at, at=at, digest=digest, fields=fields
        )

    assert _merged([answered(20, "b"), answered(10, "a")]).fields.answered_at == 10


def test_unranked_and_unknown_statuses_are_kept_out_of_the_state() -> None:
    rows = [
        replace(row(1, "c", "status-update", at=START, facts={"status": "in-progress"}), apply_sequence=1),
        replace(row(2, "c", "status-update", at=START + 1, facts={"status": "not-found"}), apply_sequence=2),
        replace(row(3, "c", "status-update", at=START + 2, facts={"status": "levitating"}), apply_sequence=3),
    ]
    assert recall("organization", rows)["c"].status is CallStatus.IN_PROGRESS


def test_precedence_is_source_then_time_then_digest() -> None:
    assert Precedence(30, 0, "a") > Precedence(20, 9, "z")
    assert Precedence(20, 2, "a") > Precedence(20, 1, "z")
    assert Precedence(20, 1, "b") > Precedence(20, 1, "a")


def _facts() -> st.SearchStrategy[dict[str, JSON]]:
    value = st.one_of(st.none(), st.integers(), st.text(), st.lists(st.integers()))
    return st.dictionaries(
        st.sampled_from(["status", "fields", "tool_call_ids"]), cast("st.SearchStrategy[JSON]", value)
    )


@given(kind=st.text(max_size=20), facts=_facts())
def test_a_row_of_any_content_is_a_command(kind: str, facts: dict[str, JSON]) -> None:
    command_from(row(1, "c", kind, at=START, key="k", facts=facts))
