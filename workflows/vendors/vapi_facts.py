"""What is worth keeping of a message or of VAPI's call record: the facts an inbox row carries."""

from collections.abc import Mapping

from actors.domain.json_types import JSON, Facts
from workflows.vendors.vapi_conversation import conversation_of
from workflows.vendors.vapi_tools import tool_calls_of
from workflows.vendors.vapi_values import (
    first_text,
    mapping,
    micros,
    milliseconds,
    moment,
    seconds,
    sequence,
    text,
)

_DIRECTIONS = {
    "inboundPhoneCall": "inbound",
    "outboundPhoneCall": "outbound",
    "webCall": "web",
    "vapi.websocketCall": "web",
}
# The moment a status began is the timestamp of the message that tells it.
_MOMENTS = {
    "queued": "queued_at",
    "ringing": "ringing_at",
    "in-progress": "answered_at",
    "forwarding": "forwarded_at",
    "ended": "ended_at",
}
_SUMMARY_LENGTH = 10_000
_MAX_DETAILS = 20


def message_facts(kind: str, message: dict[str, JSON], call: dict[str, JSON], occurred_at: int | None) -> Facts:
    """The facts of a message of this type about this call (an empty object when it names none)."""
    fields = _call_fields(message, call)
    facts: dict[str, JSON] = {}
    match kind:
        case "status-update":
            facts["status"] = text(message.get("status"))
            fields |= _status_fields(message, occurred_at)
        case "call-start":
            facts["status"] = "in-progress"
            fields["answered_at"] = moment(call.get("startedAt")) or occurred_at
        case "end-of-call-report":
            facts["status"] = "ended"
            fields |= _report_fields(message, call)
        case "call-end":
            facts["status"] = "ended"
            fields |= _report_fields(call, call)
        case "tool-calls":
            calls = tool_calls_of(message)
            facts["tool_call_ids"] = [each.id for each in calls]
            facts["details"] = {"tools": [each.name for each in calls[:_MAX_DETAILS]]}
        case _:
            _add_details(facts, message)
    facts["fields"] = {name: value for name, value in fields.items() if value is not None}
    return {name: value for name, value in facts.items() if value}


def record_facts(call: dict[str, JSON]) -> Facts:
    """The facts of a call as `GET /call/{id}` answers it: told like a report, with the status VAPI has for it."""
    fields = _call_fields({}, call) | _report_fields(call, call)
    facts: dict[str, JSON] = {
        "status": text(call.get("status")),
        "fields": {name: value for name, value in fields.items() if value is not None},
    }
    return {name: value for name, value in facts.items() if value}


def _call_fields(message: Mapping[str, JSON], call: Mapping[str, JSON]) -> dict[str, JSON]:
    assistant = mapping(message.get("assistant")) or mapping(call.get("assistant"))
    phone_number = mapping(message.get("phoneNumber")) or mapping(call.get("phoneNumber"))
    customer = mapping(call.get("customer")) or mapping(message.get("customer"))
    direction = _DIRECTIONS.get(text(call.get("type")) or "")
    ours = text(phone_number.get("number"))
    theirs = first_text(customer.get("number"), customer.get("sipUri"))
    return {
        "type": text(call.get("type")),
        "direction": direction,
        "assistant_id": first_text(call.get("assistantId"), assistant.get("id")),
        "assistant_name": text(assistant.get("name")),
        "phone_number_id": first_text(call.get("phoneNumberId"), phone_number.get("id")),
        "from_number": {"inbound": theirs, "outbound": ours}.get(direction or ""),
        "to_number": {"inbound": ours, "outbound": theirs}.get(direction or ""),
        "customer_name": text(customer.get("name")),
        "campaign_id": text(call.get("campaignId")),
    }


def _status_fields(message: Mapping[str, JSON], occurred_at: int | None) -> dict[str, JSON]:
    status = text(message.get("status")) or ""
    fields: dict[str, JSON] = {}
    if status in _MOMENTS:
        fields[_MOMENTS[status]] = occurred_at
    if status == "ended":
        fields["ended_reason"] = text(message.get("endedReason"))
    fields["transferred_to"] = _destination(message)
    return fields


def _report_fields(report: Mapping[str, JSON], call: Mapping[str, JSON]) -> dict[str, JSON]:
    analysis = mapping(report.get("analysis"))
    cost = report.get("cost")
    if cost is None:
        cost = mapping(report.get("costBreakdown")).get("total")
    duration = milliseconds(report.get("durationMs"))
    if duration is None:
        duration = seconds(report.get("durationSeconds"))
    if duration is None:
        duration = seconds(report.get("duration"))
    answered_at = moment(report.get("startedAt")) or moment(call.get("startedAt"))
    ended_at = moment(report.get("endedAt")) or moment(call.get("endedAt"))
    return {
        "ended_reason": text(report.get("endedReason")),
        "answered_at": answered_at,
        "ended_at": ended_at,
        "duration_ms": duration,
        "cost_micros": micros(cost),
        "summary": first_text(analysis.get("summary"), report.get("summary"), limit=_SUMMARY_LENGTH),
        "success_evaluation": _evaluation(analysis.get("successEvaluation")),
        "transferred_to": _destination(report),
        "conversation": conversation_of(report, answered_at, ended_at),
    }


def _evaluation(value: JSON) -> str | None:
    """VAPI promises text; a rubric of booleans or numbers may still send its own kind."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return text(str(value)) if isinstance(value, (int, float)) else text(value)


def _destination(message: Mapping[str, JSON]) -> str | None:
    destination = mapping(message.get("destination"))
    return first_text(destination.get("number"), destination.get("sipUri"), destination.get("assistantName"))


def _add_details(facts: dict[str, JSON], message: Mapping[str, JSON]) -> None:
    """What the timeline can show of the other types in a few words."""
    details: dict[str, JSON] = {
        "request": text(message.get("request")),
        "destination": _destination(message),
        "tool": text(mapping(message.get("functionCall")).get("name")),
        "session_id": text(mapping(message.get("session")).get("id")),
        "chat_id": text(mapping(message.get("chat")).get("id")),
        "artifacts": [
            {"type": text(artifact.get("type")), "success": artifact.get("success") is True}
            for artifact in map(mapping, sequence(message.get("artifacts"))[:_MAX_DETAILS])
        ],
    }
    facts["details"] = {name: value for name, value in details.items() if value}
