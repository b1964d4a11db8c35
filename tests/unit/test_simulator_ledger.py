"""The book of a simulated run: what must be seen, from when on, and what is told when it is not."""

from dataclasses import replace
from typing import Any

import pytest
import typer

from serve.simulator.calls import scripted_calls
from serve.simulator.drive import share
from serve.simulator.ledger import SETTLED_SECONDS, Ledger, differences
from serve.simulator.mischief import Delivery, Mischief, deliveries, expected_of
from serve.simulator.script import Expected, expected

CALL = next(call for call in scripted_calls(4, 30, starts_at=1_790_000_000_000) if call.answered_at is not None)
SENT = deliveries([CALL], Mischief(), seed=1)


def only(*types: str) -> list[Delivery]:
    return [each for each in SENT if str(each.message.content.get("status", each.message.type)) in types]


def ledger_of(sent: list[Delivery], *, at: float, answer: str = "200") -> Ledger:
    ledger = Ledger()
    for delivery in sent:
        ledger.sending(delivery, at)
        ledger.answered(delivery, answer, at)
    return ledger


def shown(truth: Expected) -> dict[str, Any]:
    return {
        "status": truth.status,
        "ended_reason": truth.ended_reason,
        "duration_seconds": None if truth.duration_ms is None else truth.duration_ms / 1000,
        "cost_usd": None if truth.cost_micros is None else truth.cost_micros / 1_000_000,
        "transcript": truth.transcript,
        "tool_calls": truth.tool_calls,
        "hangs": truth.hangs,
        "report": "received" if truth.report else "pending",
    }


def test_a_call_must_be_shown_once_its_beginning_is_settled() -> None:
    ledger = ledger_of(only("in-progress"), at=100.0)
    assert not ledger.live_set(100.0 + SETTLED_SECONDS - 0.1).live
    live = ledger.live_set(100.0 + SETTLED_SECONDS)
    assert live.live == {CALL.call_id}
    assert live.differences([CALL.call_id, "somebody else's"]) == []
    assert live.differences([]) == [f"{CALL.call_id}: going on, not shown"]
    assert live.differences([], complete=False) == []


def test_chatter_and_refused_webhooks_oblige_nobody() -> None:
    assert not ledger_of(only("transcript"), at=0.0).live_set(100.0).live
    assert not ledger_of(only("in-progress"), at=0.0, answer="503").live_set(100.0).live
    assert ledger_of(only("transcript"), at=0.0).outcomes() == {}


@pytest.mark.parametrize("end", ["ended", "end-of-call-report"])
def test_a_call_must_not_be_shown_once_its_end_is_settled(end: str) -> None:
    ledger = ledger_of(only("in-progress", end), at=0.0)
    live = ledger.live_set(SETTLED_SECONDS)
    assert (live.live, live.over) == (frozenset(), {CALL.call_id})
    assert live.differences([CALL.call_id]) == [f"{CALL.call_id}: shown as going on, has ended"]
    assert live.differences([]) == []


def test_a_call_that_ends_while_somebody_looks_may_be_missing() -> None:
    ledger = ledger_of(only("in-progress"), at=0.0)
    before = ledger.live_set(100.0)
    ledger.sending(only("ended")[0], 100.0)
    assert ledger.still_live(before).differences([]) == []


def test_every_field_that_differs_is_told() -> None:
    truth = expected(CALL)
    (acceptable,) = ledger_of(list(SENT), at=0.0).outcomes().values()
    assert differences("c", acceptable, shown(truth)) == []
    assert differences("c", acceptable, None) == ["c: not found"]
    for change in (
        {"status": "in-progress"},
        {"ended_reason": "else"},
        {"duration_seconds": 0.5},
        {"duration_seconds": None},
        {"cost_usd": 99.0},
        {"transcript": "else"},
        {"tool_calls": 99},
        {"hangs": 99},
        {"report": "pending"},
    ):
        assert len(differences("c", acceptable, {**shown(truth), **change})) == 1, change


def test_without_its_report_a_call_is_as_told_or_as_the_provider_knows_it() -> None:
    sent = [each for each in SENT if each.message.type != "end-of-call-report"]
    (acceptable,) = ledger_of(sent, at=0.0).outcomes().values()
    told = expected_of(CALL, sent)
    assert (told.status, told.transcript, told.report) == ("ended", None, False)
    assert differences("c", acceptable, shown(told)) == []
    assert differences("c", acceptable, shown(replace(expected(CALL), report=False))) == []
    assert differences("c", acceptable, shown(expected(CALL))) == []
    half_known = replace(expected(CALL), transcript=None)
    assert differences("c", acceptable, shown(half_known)) != []


def test_once_the_provider_was_asked_a_lost_report_must_be_there() -> None:
    ledger = ledger_of([each for each in SENT if each.message.type != "end-of-call-report"], at=0.0)
    assert ledger.lost_reports() == {CALL.call_id}
    (acceptable,) = ledger.outcomes(provider_asked=True).values()
    assert differences("c", acceptable, shown(expected(CALL))) == []
    assert differences("c", acceptable, shown(replace(expected(CALL), report=False))) != []


def test_reports_that_came_or_of_calls_not_known_to_be_over_are_not_waited_for() -> None:
    assert not ledger_of(list(SENT), at=0.0).lost_reports()
    assert not ledger_of(only("in-progress"), at=0.0).lost_reports()
    unanswered = next(call for call in scripted_calls(4, 30, starts_at=0) if not expected(call).transcript)
    sent = deliveries([unanswered], Mischief(drop_report=1.0), seed=1)
    assert not ledger_of(sent, at=0.0).lost_reports(), "the provider's record of it is no report"


@pytest.mark.parametrize(("text", "value"), [("5%", 0.05), ("0.05", 0.05), ("0", 0.0), ("100%", 1.0)])
def test_shares_are_read(text: str, value: float) -> None:
    assert share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["101%", "-1%", "2", "five", "nan"])
def test_other_shares_are_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        share(text)
