"""What commands change of a simulated call."""

from random import Random
from typing import Any

import orjson
import pytest

from serve.simulator.bodies import body_of
from serve.simulator.calls import answered_call
from serve.simulator.conducting import BadCommandError, commanded
from serve.simulator.script import ScriptedCall, transcript_of


def a_call() -> ScriptedCall:
    return answered_call(
        Random(3),
        starts_at=1_790_000_000_000,
        talk_seconds=60,
        phone_number_id="pn",
        our_number="+15550100001",
        customer_number="+15550100002",
        customer_name="Ada",
        assistant_id="asst-1",
        control_base="http://127.0.0.1:1/call",
    )


def middle(call: ScriptedCall) -> int:
    assert call.answered_at is not None
    return (call.answered_at + call.ended_at) // 2


def report_of(call: ScriptedCall) -> dict[str, Any]:
    report = orjson.loads(body_of(call, call.messages[-1]))["message"]
    assert report["type"] == "end-of-call-report"
    return report


def test_a_placed_call_is_who_it_was_asked_to_be() -> None:
    call = a_call()
    told = report_of(call)["call"]
    assert told["assistantId"] == "asst-1"
    assert told["customer"] == {"number": "+15550100002", "name": "Ada"}
    assert told["monitor"]["controlUrl"] == f"http://127.0.0.1:1/call/{call.call_id}/control"


def test_what_it_is_told_to_say_is_said() -> None:
    call = commanded(a_call(), {"type": "say", "content": "Please hold."}, at=middle(a_call()))
    assert "AI: Please hold.\n" in transcript_of(call)
    assert any(each.content.get("transcript") == "Please hold." for each in call.messages)
    assert report_of(call)["transcript"] == transcript_of(call)


def test_ending_it_leaves_the_rest_unsaid() -> None:
    whole = a_call()
    at = middle(whole)
    call = commanded(whole, {"type": "end-call"}, at=at)
    assert call.ended_at == at
    assert len(call.conversation) < len(whole.conversation)
    assert [each.type for each in call.messages[-2:]] == ["status-update", "end-of-call-report"]
    assert all(each.at <= at for each in call.messages[:-1])
    told = report_of(call)
    assert told["endedReason"] == "manually-canceled"
    assert told["durationMs"] == at - (call.answered_at or 0)


def test_a_last_word_ends_it_after_it_is_spoken() -> None:
    at = middle(a_call())
    call = commanded(a_call(), {"type": "say", "content": "Goodbye.", "endCallAfterSpoken": True}, at=at)
    assert transcript_of(call).endswith("AI: Goodbye.\n")
    assert at < call.ended_at < at + 1_000


def test_a_transfer_forwards_and_ends_it() -> None:
    destination = {"type": "number", "number": "+15550399000"}
    call = commanded(a_call(), {"type": "transfer", "destination": destination}, at=middle(a_call()))
    assert call.transferred_to == "+15550399000"
    assert any(each.content.get("status") == "forwarding" for each in call.messages)
    assert report_of(call)["endedReason"] == "assistant-forwarded-call"


@pytest.mark.parametrize("command", [{"type": "say"}, {"type": "transfer"}, {"type": "sing"}, [], None])
def test_what_is_no_command_is_refused(command: Any) -> None:
    with pytest.raises(BadCommandError):
        commanded(a_call(), command, at=1)


def test_what_the_caller_cannot_hear_changes_nothing() -> None:
    assert commanded(a_call(), {"type": "control", "control": "mute-assistant"}, at=1) == a_call()
