"""What post-call processing reads of VAPI: the artifact of a report, and the record `GET /call/{id}` answers."""

from dataclasses import dataclass

import orjson

from actors.domain.json_types import JSON
from workflows.vendors.vapi_facts import record_facts
from workflows.vendors.vapi_tools import tool_call
from workflows.vendors.vapi_values import (
    first_text,
    mapping,
    micros,
    milliseconds,
    moment,
    number,
    seconds,
    sequence,
    text,
)

__all__ = ["CallArtifact", "artifact_of", "record_facts"]

_TEXT_LENGTH = 5_000_000
_SPEAKERS = {"assistant": "AI", "user": "User"}
_ROLES = {
    "bot": "assistant",
    "assistant": "assistant",
    "user": "user",
    "tool_calls": "tool_calls",
    "tool_call_result": "tool_result",
    "function_call": "tool_calls",
    "function_result": "tool_result",
}
# Below this a `duration` can only be seconds, as VAPI sent it until late 2024; nobody speaks for less than 60 ms.
_SHORTEST_MS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CallArtifact:
    """What a call left behind, in our terms. `turns` are in order and ready for JSON.

    A turn: {"role": "assistant"|"user"|"tool_calls"|"tool_result", "text", "at" (ms), "seconds_from_start",
    "duration_ms", "tool_calls": [{"id", "name", "arguments"}], "tool_call_id", "name"}, each key only where known.
    `recording_urls` come best first: presigned before raw, stereo before mono.
    """

    transcript: str
    turns: list[dict[str, JSON]]
    analysis: dict[str, JSON]
    structured_data: JSON
    summary: str | None
    cost_micros: int | None
    cost_breakdown: dict[str, JSON]
    recording_urls: tuple[str, ...]


def artifact_of(body: "JSON | bytes") -> CallArtifact:
    """The artifact of a stored body: an end-of-call report, a flat `call-end`, or a record of `GET /call/{id}`.

    Total: what is missing or of another shape is empty. Text that is no JSON raises ValueError.
    """
    decoded: JSON = orjson.loads(body) if isinstance(body, (str, bytes)) else body
    report = _report(mapping(decoded))
    artifact = mapping(report.get("artifact"))
    analysis = mapping(report.get("analysis"))
    turns = _turns(sequence(artifact.get("messages")) or sequence(report.get("messages")))
    told = first_text(artifact.get("transcript"), report.get("transcript"), limit=_TEXT_LENGTH)
    cost = report.get("cost")
    breakdown = mapping(report.get("costBreakdown"))
    return CallArtifact(
        transcript=told or _transcript(turns),
        turns=turns,
        analysis=analysis,
        structured_data=analysis.get("structuredData"),
        summary=first_text(analysis.get("summary"), report.get("summary"), limit=_TEXT_LENGTH),
        cost_micros=micros(breakdown.get("total") if cost is None else cost),
        cost_breakdown={"breakdown": breakdown, "costs": report.get("costs")}
        if breakdown or report.get("costs")
        else {},
        recording_urls=_recording_urls(artifact, report),
    )


def _report(body: dict[str, JSON]) -> dict[str, JSON]:
    if "message" in body:
        return mapping(body["message"])
    return mapping(body.get("call")) if body.get("type") == "call-end" else body


def _recording_urls(artifact: dict[str, JSON], report: dict[str, JSON]) -> tuple[str, ...]:
    recording = mapping(artifact.get("recording"))
    mono = mapping(recording.get("mono"))
    candidates = (
        artifact.get("presignedStereoUrl"),
        artifact.get("presignedMonoUrl"),
        recording.get("stereoUrl"),
        artifact.get("stereoRecordingUrl"),
        report.get("stereoRecordingUrl"),
        mono.get("combinedUrl"),
        artifact.get("recordingUrl"),
        report.get("recordingUrl"),
    )
    urls = (each for each in candidates if isinstance(each, str) and each.startswith(("https://", "http://")))
    return tuple(dict.fromkeys(urls))


def _turns(messages: list[JSON]) -> list[dict[str, JSON]]:
    """The conversation without the prompts: a role we do not know is kept under its own name, `system` is not."""
    found = (_turn(mapping(message)) for message in messages)
    return [turn for turn in found if turn]


def _turn(message: dict[str, JSON]) -> dict[str, JSON]:
    role = text(message.get("role"))
    if role is None or role == "system":
        return {}
    calls = [tool_call(each) for each in sequence(message.get("toolCalls"))]
    turn: dict[str, JSON] = {
        "role": _ROLES.get(role, role),
        "text": first_text(message.get("message"), message.get("content"), message.get("result"), limit=_TEXT_LENGTH),
        "at": moment(message.get("time")),
        "seconds_from_start": number(message.get("secondsFromStart")),
        "duration_ms": _duration(message),
        "tool_calls": [
            {"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls if call is not None
        ],
        "tool_call_id": text(message.get("toolCallId")),
        "name": text(message.get("name")),
    }
    return {name: value for name, value in turn.items() if value is not None and value != []}


def _duration(message: dict[str, JSON]) -> int | None:
    """How long a turn was spoken: by its two ends when it has them, for `duration` changed its unit once."""
    start, end = moment(message.get("time")), moment(message.get("endTime"))
    if start is not None and end is not None and end >= start:
        return end - start
    told = number(message.get("duration"))
    if told is None:
        return None
    return milliseconds(told) if told >= _SHORTEST_MS else seconds(told)


def _transcript(turns: list[dict[str, JSON]]) -> str:
    lines = (
        f"{_SPEAKERS[role]}: {turn['text']}\n"
        for turn in turns
        if isinstance(role := turn.get("role"), str) and role in _SPEAKERS and turn.get("text")
    )
    return "".join(lines)
