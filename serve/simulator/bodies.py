"""Bodies of simulated webhooks: a message with the whole call, number, customer and assistant riding along."""

import hashlib
from typing import Final

import orjson

from actors.domain.iso_time import iso
from actors.domain.json_types import JSON
from serve.simulator.script import Said, ScriptedCall, TimedMessage, ToolUse, transcript_of

Object = dict[str, JSON]

DEFAULT_FILES_URL: Final = "https://storage.example.com/recordings"

# Captured messages of a running call hold about this much of the prompt in their history, reports all of it.
_LIVE_PROMPT: Final = 1_000


def body_of(
    call: ScriptedCall, message: TimedMessage, *, delivery: int = 0, files_url: str = DEFAULT_FILES_URL
) -> bytes:
    """The webhook's body. A repeated delivery has another `delivery`: its presigned URLs differ, nothing else."""
    told = call.began_at + message.at
    content: Object = {
        "timestamp": told,
        "type": message.type,
        **_particular(call, message, delivery, files_url),
        "call": call_object(call),
        "customer": {"number": call.customer_number, "name": call.customer_name},
        "assistant": call.assistant.config,
    }
    if call.kind != "webCall":
        content["phoneNumber"] = _phone_number(call)
    if message.type != "end-of-call-report":
        content["artifact"] = {
            "messages": _messages(call, message.at, _LIVE_PROMPT),
            "messagesOpenAIFormatted": _open_ai_messages(call, message.at, _LIVE_PROMPT),
        }
    return orjson.dumps({"message": content})


def call_object(call: ScriptedCall) -> Object:
    """The call as it rides along in webhooks: as it was made, its status never brought up to date."""
    made: Object = {
        "id": call.call_id,
        "orgId": call.account_id,
        "createdAt": iso(call.began_at),
        "updatedAt": iso(call.began_at),
        "type": call.kind,
        "status": "ringing" if call.kind == "inboundPhoneCall" else "queued",
        "assistantId": call.assistant.assistant_id,
        "assistantOverrides": {
            "variableValues": {"customer_name": call.customer_name, "subject": call.assistant.topic}
        },
        "monitor": {
            "listenUrl": f"wss://phone-call-websocket.example.vapi.ai/{call.call_id}/listen",
            "controlUrl": f"{call.control_base}/{call.call_id}/control",
        },
    }
    if call.kind == "webCall":
        return {**made, "webCallUrl": f"https://vapi.daily.co/{call.call_id[-12:]}", "transport": {"provider": "daily"}}
    return {
        **made,
        "phoneNumberId": call.phone_number_id,
        "customer": {"number": call.customer_number, "name": call.customer_name},
        "phoneCallProvider": "twilio",
        "phoneCallProviderId": call.provider_call_id,
        "phoneCallTransport": "pstn",
        "transport": {"provider": "twilio", "callSid": call.provider_call_id},
    }


def call_record(call: ScriptedCall, at: int, *, files_url: str = DEFAULT_FILES_URL) -> Object:
    """What `GET /call/{id}` answers at `at` ms on the call's clock: up to date, and complete once the call ended."""
    told = [message for message in call.messages if message.type == "status-update" and message.at <= at]
    record: Object = {**call_object(call), "updatedAt": iso(call.began_at + at)}
    if told:
        record["status"] = told[-1].content["status"]
    if call.answered_at is not None and call.answered_at <= at:
        record["startedAt"] = iso(call.began_at + call.answered_at)
    if at >= call.ended_at:
        report = _report(call, 0, files_url)
        kept = ("endedAt", "endedReason", "cost", "costBreakdown", "costs", "analysis", "artifact", "destination")
        record |= {"status": "ended", **{key: report[key] for key in kept if key in report}}
        record |= {key: report[key] for key in ("messages", "transcript", "summary")}
    return record


def _particular(call: ScriptedCall, message: TimedMessage, delivery: int, files_url: str) -> Object:
    match message.type:
        case "conversation-update":
            spoken = _open_ai_messages(call, message.at, _LIVE_PROMPT)
            messages = _messages(call, message.at, _LIVE_PROMPT)
            return {"messages": messages, "messagesOpenAIFormatted": spoken, "conversation": spoken}
        case "tool-calls":
            return _tool_calls(call, str(message.content["tool"]))
        case "end-of-call-report":
            return _report(call, delivery, files_url)
        case _:
            return dict(message.content)


def _tool_calls(call: ScriptedCall, tool_call_id: str) -> Object:
    used = next(each for each in call.conversation if isinstance(each, ToolUse) and each.tool_call_id == tool_call_id)
    asked: Object = {
        "id": used.tool_call_id,
        "type": "function",
        "function": {"name": used.name, "arguments": used.arguments},
    }
    model = call.assistant.config["model"]
    tools = model["tools"] if isinstance(model, dict) else None
    tool = tools[0] if isinstance(tools, list) else None
    configured: Object = {**tool, "toolCall": asked} if isinstance(tool, dict) else {"toolCall": asked}
    return {"toolCalls": [asked], "toolCallList": [asked], "toolWithToolCallList": [configured]}


def _phone_number(call: ScriptedCall) -> Object:
    made_at = iso(call.began_at - 86_400_000)
    return {
        "id": call.phone_number_id,
        "orgId": call.account_id,
        "assistantId": call.assistant.assistant_id,
        "number": call.our_number,
        "createdAt": made_at,
        "updatedAt": made_at,
        "name": call.assistant.topic,
        "provider": "twilio",
        "fallbackDestination": {"type": "number", "number": "+15550399000"},
        "status": "active",
        "smsEnabled": True,
    }


def _messages(call: ScriptedCall, until: int, prompt_length: int | None = None) -> list[JSON]:
    prompt = call.assistant.prompt[:prompt_length]
    messages: list[JSON] = [{"role": "system", "message": prompt, "time": call.began_at, "secondsFromStart": 0}]
    began = call.answered_at or 0
    for item in call.conversation:
        if item.at > until:
            break
        time: Object = {"time": call.began_at + item.at, "secondsFromStart": (item.at - began) / 1000}
        if isinstance(item, Said):
            speech: Object = {"role": "bot" if item.role == "assistant" else "user", "message": item.text, **time}
            messages.append(
                {**speech, "endTime": call.began_at + item.until, "duration": item.until - item.at, "source": ""}
            )
        else:
            answer: Object = {"toolCallId": item.tool_call_id, "name": item.name, "result": item.result}
            messages.append({"role": "tool_calls", "message": "", "toolCalls": [_encoded(item)], **time})
            messages.append({"role": "tool_call_result", **answer, **time})
    return messages


def _open_ai_messages(call: ScriptedCall, until: int, prompt_length: int | None = None) -> list[JSON]:
    messages: list[JSON] = [{"role": "system", "content": call.assistant.prompt[:prompt_length]}]
    for item in call.conversation:
        if item.at > until:
            break
        if isinstance(item, Said):
            messages.append({"role": item.role, "content": item.text})
        else:
            messages.append({"role": "assistant", "tool_calls": [_encoded(item)]})
            messages.append({"role": "tool", "tool_call_id": item.tool_call_id, "content": item.result})
    return messages


def _encoded(used: ToolUse) -> Object:
    # In the history the arguments are text, in a tool-calls message an object: VAPI does both.
    arguments = orjson.dumps(used.arguments).decode()
    return {"id": used.tool_call_id, "type": "function", "function": {"name": used.name, "arguments": arguments}}


def _report(call: ScriptedCall, delivery: int, files_url: str) -> Object:
    transcript = transcript_of(call)
    summary = _summary(call)
    talk_ms = call.ended_at - call.answered_at if call.answered_at is not None else 0
    messages = _messages(call, call.ended_at)
    report: Object = {
        "analysis": {
            "summary": summary,
            "structuredData": {"outcome": call.ended_reason, "follow_up": ""},
            "successEvaluation": "Good" if talk_ms else "Poor",
        },
        "artifact": _artifact(call, messages, transcript, delivery, files_url),
        "endedAt": iso(call.began_at + call.ended_at),
        "endedReason": call.ended_reason,
        "cost": call.cost_micros / 1_000_000,
        "costBreakdown": _breakdown(call),
        "costs": list(call.costs),
        "durationMs": talk_ms,
        "durationSeconds": talk_ms / 1000,
        "durationMinutes": round(talk_ms / 60_000, 4),
        "summary": summary,
        "transcript": transcript,
        "messages": messages,
    }
    if call.answered_at is not None:
        report["startedAt"] = iso(call.began_at + call.answered_at)
    if call.transferred_to is not None:
        report["destination"] = {"type": "number", "number": call.transferred_to}
    return report


def _summary(call: ScriptedCall) -> str:
    asked = [said.text for said in call.conversation if isinstance(said, Said) and said.role == "user"]
    if not asked:
        return f"Nobody was spoken to about {call.assistant.topic.lower()}."
    return f"The caller spoke with the desk for {call.assistant.topic.lower()}. The caller said: {' '.join(asked)}"


def _artifact(call: ScriptedCall, messages: list[JSON], transcript: str, delivery: int, files_url: str) -> Object:
    artifact: Object = {
        "messages": messages,
        "messagesOpenAIFormatted": _open_ai_messages(call, call.ended_at),
        "transcript": transcript,
        "nodes": [],
        "variables": {},
        "variableValues": {},
    }
    if call.answered_at is None:
        return artifact
    stored = f"https://storage.example.com/{call.call_id}"
    signature = hashlib.blake2s(f"{call.call_id}:{delivery}".encode()).hexdigest()
    return {
        **artifact,
        "recordingUrl": f"{stored}-mono.wav",
        "stereoRecordingUrl": f"{stored}-stereo.wav",
        "recording": {
            "stereoUrl": f"{stored}-stereo.wav",
            "mono": {
                "combinedUrl": f"{stored}-mono.wav",
                "assistantUrl": f"{stored}-mono-assistant.wav",
                "customerUrl": f"{stored}-mono-customer.wav",
            },
        },
        "presignedMonoUrl": f"{files_url}/{call.call_id}.wav?signature={signature}",
        "presignedUrlsExpiresAt": iso(call.wall_ms(call.ended_at) + 1_800_000),
        "performanceMetrics": {"turnLatencyAverage": 1180, "numUserInterrupted": 0},
    }


def _breakdown(call: ScriptedCall) -> Object:
    names = {"transcriber": "stt", "model": "llm", "voice": "tts", "vapi": "vapi", "transport": "transport"}
    parts: Object = {
        names[str(part["type"])]: round(float(str(part["cost"])), 4)
        for part in call.costs
        if str(part["type"]) in names
    }
    return {**parts, "chat": 0, "total": call.cost_micros / 1_000_000}
