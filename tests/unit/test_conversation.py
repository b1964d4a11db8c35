"""How a call was talked: exact from a captured report, and nearly so from what was heard before it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.domain.call import Call
from actors.domain.conversation import Conversation, Speech, SpeechSign, ToolsFailed
from actors.domain.json_types import JSON
from actors.domain.views import conversation_view
from workflows.vendors.vapi_conversation import conversation_of
from workflows.vendors.vapi_message import parse_message

PAYLOADS = Path(__file__).parent.parent / "payloads"


def _said(role: str, start: int, end: int) -> dict[str, JSON]:
    return {"role": role, "message": "words", "time": start, "endTime": end}


def _told(*messages: dict[str, JSON], answered_at: int = 1_000, ended_at: int = 60_000, **artifact: JSON) -> Any:
    return conversation_of({"artifact": {"messages": [*messages], **artifact}}, answered_at, ended_at)


def test_a_captured_report_tells_turns_silence_and_tools() -> None:
    message = parse_message((PAYLOADS / "end-of-call-report.json").read_bytes(), received_at=1)
    fields: Any = message.facts["fields"]
    told = fields["conversation"]
    assert told["first_word_at"] - fields["answered_at"] == 1_159
    assert told["turn_latencies_ms"] == [1_601, 1_070, 730, 2_161, 1_221, 750]
    assert (told["silence_ms"], told["tools_called"], told["tools_failed"]) == (33_989, 2, 0)
    assert told["tool_latencies_ms"] == [1, 1]
    assert Conversation.told(told).turn_latencies_ms == tuple(told["turn_latencies_ms"])


def test_a_latency_of_weeks_comes_of_a_wrong_clock_and_is_none() -> None:
    told = _told(_said("user", 1, 2), _said("bot", 1_787_220_000_000, 1_787_220_001_000), _said("user", 3, 4))
    told |= {"turn_latencies_ms": [700, *told["turn_latencies_ms"]], "tool_latencies_ms": [2**31, 410]}
    kept = Conversation.told({**told, "interruptions": 2**53, "tools_called": 2})
    assert (kept.turn_latencies_ms, kept.tool_latencies_ms) == ((700,), (410,))
    assert (kept.interruptions, kept.tools_called) == (0, 2)


def test_an_answer_that_began_before_the_end_of_the_question_is_no_latency() -> None:
    told = _told(_said("bot", 2_000, 3_000), _said("user", 4_000, 6_000), _said("bot", 5_500, 7_000))
    assert told["turn_latencies_ms"] == []


def test_pauses_of_more_than_two_seconds_are_silence_whole() -> None:
    told = _told(_said("bot", 3_000, 5_000), _said("user", 8_000, 9_000), _said("bot", 8_500, 57_999), ended_at=60_000)
    assert told["silence_ms"] == 3_000 + 2_001
    assert told["interruptions"] == 0
    assert _told(_said("bot", 3_000, 9_000), _said("user", 8_000, 9_000))["interruptions"] == 1


def test_a_tool_call_without_result_or_with_an_error_failed() -> None:
    asked: dict[str, JSON] = {
        "role": "tool_calls",
        "time": 8_000,
        "toolCalls": [{"id": name, "function": {"name": "look_up"}} for name in ("good", "bad", "lost")],
    }
    good: dict[str, JSON] = {"role": "tool_call_result", "toolCallId": "good", "result": "Two openings.", "time": 9_250}
    bad: dict[str, JSON] = {"role": "tool_call_result", "toolCallId": "bad", "result": "Error: timeout of 20000ms"}
    told = _told(asked, good, bad)
    assert (told["tools_called"], told["tools_failed"]) == (3, 2)
    assert told["tool_latencies_ms"] == [1_250], "of a result that tells its time"


def test_what_vapi_measured_stands_in_for_turns_that_were_not_told() -> None:
    told = _told(performanceMetrics={"turnLatencies": [{"turnLatency": 900}, {}], "numUserInterrupted": 4})
    assert (told["turn_latencies_ms"], told["interruptions"]) == ([900], 4)
    assert conversation_of({}, 1, 2) is None


def test_speech_as_it_is_heard_tells_the_same() -> None:
    signs = [("assistant", 1, 2_000), ("assistant", 0, 3_000), ("user", 1, 8_000), ("user", 0, 9_000),
             ("assistant", 1, 10_100), ("user", 1, 11_000)]  # fmt: skip
    call = Call(call_id="c", created_at=0)
    for role, started, at in signs:
        call = call.hear(at, None, SpeechSign(role=role, started=bool(started), at=at))
    assert call.speech.first_word_at == 2_000
    assert (call.speech.turn_latencies_ms, call.speech.silence_ms, call.speech.interruptions) == ((1_100,), 5_000, 1)
    assert call.speech.after(SpeechSign(role="user", started=False, at=500)) == call.speech
    view = conversation_view(call)
    assert (view["exact"], view["turn_latency_p50_ms"], view["silence_seconds"]) == (False, 1_100, 5.0)
    many = conversation_view(replace(call, speech=replace(call.speech, turn_latencies_ms=(*range(40, 0, -1),))))
    assert [many[f"turn_latency_{each}_ms"] for each in ("p50", "p95", "max")] == [20, 38, 40]
    assert conversation_view(Call(call_id="c", created_at=0, speech=Speech()))["turn_latency_max_ms"] is None


def test_a_tool_call_that_is_told_to_have_failed_twice_counts_once_and_the_report_replaces_it() -> None:
    call = Call(call_id="c", created_at=0)
    for ids in ({"a"}, {"a", "b"}):
        call = call.hear(1, None, ToolsFailed(ids=frozenset(ids)))
    assert conversation_view(call)["tools_failed"] == 2
    exact = replace(call, fields=replace(call.fields, conversation=Conversation(tools_called=3, tools_failed=0)))
    assert conversation_view(exact)["tools_failed"] == 0
