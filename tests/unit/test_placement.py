"""May we place a call: calls being placed count before VAPI has given them an id."""

from collections.abc import Mapping
from typing import Any

from actors.domain.admission import RESERVATION_MS, MonthUse
from actors.domain.call import Call, CallStatus
from actors.domain.commands import CALL_REQUESTED, InboxRow, Pass, PendingPlacement, RequestPlacement, command_from
from actors.domain.placement import placement_outcome
from actors.domain.policy import Policy

NOW = 1_790_000_000_000


def outcome(policy: Policy, *pending: PendingPlacement, calls: Mapping[str, Call] | None = None) -> str:
    asked = RequestPlacement(at=NOW, assistant_id="a-1", pending=pending)
    return placement_outcome(calls or {}, policy, MonthUse(), asked, time_zone="UTC")


def pending(name: str, *, assistant_id: str | None = None, ago: int = 1_000) -> PendingPlacement:
    return PendingPlacement(name=name, assistant_id=assistant_id, since=NOW - ago)


def test_a_call_being_placed_holds_a_slot_for_as_long_as_a_reservation_lasts() -> None:
    one = Policy(concurrency_limit=1)
    assert outcome(one) == "accepted"
    assert outcome(one, pending("outbound:1")) == "refused:concurrency"
    assert outcome(one, pending("outbound:1", ago=RESERVATION_MS)) == "accepted"


def test_it_counts_for_its_assistant() -> None:
    policy = Policy(assistant_limits={"a-1": 1})
    assert outcome(policy, pending("outbound:1", assistant_id="a-2")) == "accepted"
    assert outcome(policy, pending("outbound:1", assistant_id="a-1")) == "refused:assistant-concurrency"


def test_one_that_is_known_counts_once_and_not_when_it_is_over() -> None:
    policy = Policy(concurrency_limit=2)
    for status in (CallStatus.QUEUED, CallStatus.IN_PROGRESS):
        known = Call(call_id="c-1", created_at=NOW, status=status, held_at=NOW if status.rank > 2 else 0)
        assert outcome(policy, pending("c-1"), calls={"c-1": known}) == "accepted"
        assert outcome(Policy(concurrency_limit=1), pending("c-1"), calls={"c-1": known}) == "refused:concurrency"
    over = Call(call_id="c-1", created_at=NOW, status=CallStatus.ENDED)
    assert outcome(Policy(concurrency_limit=1), pending("c-1"), calls={"c-1": over}) == "accepted"


def test_minutes_of_the_plan_refuse_it_by_its_direction() -> None:
    used_up = Policy(minutes_cap=1, minutes_policy="block-outbound")
    assert outcome(used_up) == "accepted"
    assert outcome(used_up, pending("outbound:1")) == "refused:minutes"


def row(facts: dict[str, Any], **told: Any) -> InboxRow:
    return InboxRow(
        id=1,
        provider="internal",
        event_key="call-requested:1",
        type=CALL_REQUESTED,
        call_id=None,
        facts=facts,
        occurred_at=NOW,
        received_at=NOW,
        **told,
    )


def test_a_question_is_read_from_its_row_and_a_replay_asks_nothing() -> None:
    pending: list[Any] = [{"name": "c-1", "assistant_id": None, "since": NOW}, "nonsense", {"name": "c"}]
    facts: dict[str, Any] = {"assistant_id": "a-1", "pending": pending}
    asked = command_from(row(facts))
    assert isinstance(asked, RequestPlacement)
    assert [each.name for each in asked.pending] == ["c-1", "c"]
    assert isinstance(command_from(row(facts, apply_sequence=4, outcome="accepted")), Pass)
