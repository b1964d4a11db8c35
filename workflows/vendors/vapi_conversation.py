"""How a call was talked, read from the messages of its report: who spoke when, what the tools did."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from actors.domain.conversation import LATENCIES_KEPT, SILENCE_MS
from actors.domain.json_types import JSON
from workflows.vendors.vapi_tools import tool_call
from workflows.vendors.vapi_values import mapping, milliseconds, moment, sequence, text

_SPEAKERS = {"bot": "assistant", "assistant": "assistant", "user": "user"}
# How VAPI and tool servers word a result that is none; its messages have no field for it.
_FAILURES = (
    "error",
    "failed",
    "tool call failed",
    "no result returned",
    "timeout",
    "timed out",
    "your server rejected",
)


@dataclass(frozen=True, slots=True)
class _Speech:
    role: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Tool:
    succeeded: bool
    latency_ms: int | None = None


def conversation_of(
    report: Mapping[str, JSON], answered_at: int | None, ended_at: int | None
) -> dict[str, JSON] | None:
    """The facts that `actors.domain.conversation.Conversation` holds; None when the report has no messages."""
    artifact = mapping(report.get("artifact"))
    messages = [mapping(each) for each in sequence(artifact.get("messages")) or sequence(report.get("messages"))]
    measured = mapping(artifact.get("performanceMetrics"))
    if not messages and not measured:
        return None
    speeches = sorted(_speeches(messages), key=lambda speech: (speech.start, speech.end))
    interruptions = milliseconds(measured.get("numUserInterrupted"))
    tools = _tools(messages)
    latencies = _latencies(speeches) or _told_latencies(measured)
    tool_latencies: list[JSON] = [tool.latency_ms for tool in tools if tool.latency_ms is not None]
    facts: dict[str, JSON] = {
        "first_word_at": next((speech.start for speech in speeches if speech.role == "assistant"), None),
        "turn_latencies_ms": [*latencies[:LATENCIES_KEPT]],
        "silence_ms": _silence(speeches, answered_at, ended_at) if speeches else None,
        "tools_called": len(tools),
        "tools_failed": sum(not tool.succeeded for tool in tools),
        "tool_latencies_ms": tool_latencies[:LATENCIES_KEPT],
        "interruptions": interruptions if interruptions is not None else _interruptions(speeches),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _speeches(messages: Iterable[dict[str, JSON]]) -> Iterable[_Speech]:
    for message in messages:
        role, start = _SPEAKERS.get(text(message.get("role")) or ""), moment(message.get("time"))
        if role is not None and start is not None:
            end = moment(message.get("endTime"))
            yield _Speech(role, start, max(start, end if end is not None else start))


def _latencies(speeches: Sequence[_Speech]) -> list[int]:
    """From the end of the caller's words to the start of the answer. An answer that began sooner is no answer."""
    found: list[int] = []
    asked_at: int | None = None
    for speech in speeches:
        if speech.role == "user":
            asked_at = speech.end
        else:
            if asked_at is not None and speech.start >= asked_at:
                found.append(speech.start - asked_at)
            asked_at = None
    return found


def _told_latencies(measured: dict[str, JSON]) -> list[int]:
    """VAPI's own, sums of its parts' latencies: second to what was heard."""
    told = (milliseconds(mapping(turn).get("turnLatency")) for turn in sequence(measured.get("turnLatencies")))
    return [latency for latency in told if latency is not None]


def _silence(speeches: Sequence[_Speech], answered_at: int | None, ended_at: int | None) -> int | None:
    if answered_at is None or ended_at is None or ended_at < answered_at:
        return None
    silent, spoken_until = 0, answered_at
    for speech in (*speeches, _Speech("", ended_at, ended_at)):
        pause = min(speech.start, ended_at) - spoken_until
        silent += pause if pause > SILENCE_MS else 0
        spoken_until = max(spoken_until, speech.end)
    return silent


def _interruptions(speeches: Sequence[_Speech]) -> int:
    """How often the caller began while the assistant spoke."""
    count, spoken_until = 0, 0
    for speech in speeches:
        if speech.role == "assistant":
            spoken_until = max(spoken_until, speech.end)
        else:
            count += speech.start < spoken_until
    return count


def _tools(messages: Iterable[dict[str, JSON]]) -> Sequence[_Tool]:
    """Each call of a tool once, with what its result tells; one whose result never came has failed."""
    asked: dict[str, int | None] = {}
    answered: dict[str, dict[str, JSON]] = {}
    for message in messages:
        for each in sequence(message.get("toolCalls")):
            if (call := tool_call(each)) is not None:
                asked.setdefault(call.id, moment(message.get("time")))
        if (answered_id := text(message.get("toolCallId"))) is not None:
            answered[answered_id] = message
    return [_tool(asked_at, answered.get(call_id)) for call_id, asked_at in asked.items()]


def _tool(asked_at: int | None, answer: dict[str, JSON] | None) -> _Tool:
    if answer is None:
        return _Tool(succeeded=False)
    answered_at = moment(answer.get("time"))
    latency_ms = None if asked_at is None or answered_at is None else max(0, answered_at - asked_at)
    return _Tool(succeeded=_is_result(answer), latency_ms=latency_ms)


def _is_result(message: dict[str, JSON]) -> bool:
    if message.get("error"):
        return False
    result = text(message.get("result"), 100)
    return result is not None and not result.strip().lower().startswith(_FAILURES)
