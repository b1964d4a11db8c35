"""What customers' endpoints are told: one small JSON document an event, the same bytes at each attempt.

Each has `type` (the event), `timestamp` (its moment) and `data`, under the names of the API. None is longer than
WHOLE_UP_TO: what makes it longer is cut or left out, which `data.cut` tells, and is found in the API.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from actors.domain.iso_time import iso
from storage.endpoint_events import CALL_STARTED, INCIDENT_CLOSED
from workflows.delivery_contracts import CALL_COMPLETED

WHOLE_UP_TO: Final = 20_000
"""Bytes. Standard Webhooks advises as much, and every endpoint takes it."""
_LONGEST_TEXT: Final = 4_000
_LONGEST_NAME: Final = 200
_MOST_ACTIONS: Final = 20


def completed_payload(call: Mapping[str, Any]) -> str:
    """The body of `call.completed`."""
    duration_ms, cost_micros = call["duration_ms"], call["cost_micros"]
    analysis: Mapping[str, Any] = call["analysis"] or {}
    told: dict[str, Any] = {
        "call_id": call["provider_call_id"],
        **_named(call, "type", "direction", "status", "admission", "ended_reason", "ended_class"),
        **_named(call, "assistant_id", "assistant_name", "from_number", "to_number"),
        **_named(call, "customer_name", "transferred_to"),
        "created_at": _told(call["created_at"]),
        "answered_at": _told(call["answered_at"]),
        "ended_at": _told(call["ended_at"]),
        "duration_seconds": None if duration_ms is None else duration_ms / 1000,
        "cost_usd": None if cost_micros is None else cost_micros / 1_000_000,
        "summary": _short(call["summary"]),
        "success_evaluation": _short(call["success_evaluation"]),
        "action_items": [_short(text) for text in call["actions"][:_MOST_ACTIONS]],
        "report": call["report"],
        "has_recording": call["recorded"],
        "structured_data": analysis.get("structuredData"),
        "transcript": call["transcript_text"],
    }
    document = {"type": CALL_COMPLETED, "timestamp": told["ended_at"] or told["created_at"], "data": told}
    return _fitting(document, told)


def event_payload(event: str, subject: Mapping[str, Any], at: datetime) -> str:
    """The body of every other event: of a call or an incident as it is at this moment."""
    told = _started(subject) if event == CALL_STARTED else _incident(subject, closed=event == INCIDENT_CLOSED)
    return _fitting({"type": event, "timestamp": _told(at), "data": told}, told)


def _started(call: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_named(call, "call_id", "type", "direction", "status", "assistant_id", "assistant_name"),
        **_named(call, "from_number", "to_number", "customer_name"),
        "created_at": _told(call["created_at"]),
    }


def _incident(incident: Mapping[str, Any], *, closed: bool) -> dict[str, Any]:
    evidence, opened_at = incident["evidence"], incident["opened_at"]
    since = evidence.get("since")
    told: dict[str, Any] = {
        "incident_id": str(incident["incident_id"]),
        **_named(incident, "rule", "metric", "severity"),
        "threshold": incident["threshold"],
        "call_id": incident["call_id"],
        "evidence": {
            "value": evidence.get("value"),
            "since": iso(since),
            "call_id": evidence.get("call_id"),
            "detail": _short(evidence.get("detail")),
        },
        "opened_at": _told(opened_at),
    }
    if closed:
        # It may be over already when its opening is told: of the end this event tells alone.
        ended_at = incident["recovered_at"] or incident["resolved_at"]
        told |= {
            **{name: _told(incident[name]) for name in ("acknowledged_at", "recovered_at", "resolved_at")},
            **_named(incident, "acknowledged_by", "resolved_by"),
            "lasted_seconds": max(0.0, (ended_at - opened_at).total_seconds()),
        }
    return told


def _fitting(document: dict[str, Any], told: dict[str, Any]) -> str:
    """The document, without what makes it too long."""
    told["cut"] = cut = list[str]()
    encoded = orjson.dumps(document)
    for largest in ("transcript", "structured_data", "action_items", "summary", "success_evaluation"):
        if len(encoded) <= WHOLE_UP_TO:
            break
        if told.get(largest) is None:
            continue
        cut.append(largest)
        whole, told[largest] = told[largest], None
        encoded = orjson.dumps(document)
        if largest == "transcript" and len(encoded) < WHOLE_UP_TO:
            told[largest] = _beginning(whole, WHOLE_UP_TO - len(encoded))
            encoded = orjson.dumps(document)
    return encoded.decode()


def _beginning(text: str, room: int) -> str:
    """As much of a text as takes so many bytes of JSON."""
    text = text[:room]
    while text and len(orjson.dumps(text)) > room:
        text = text[: len(text) * 7 // 8]
    return text


def _named(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: None if row[name] is None else str(row[name])[:_LONGEST_NAME] for name in names}


def _told(at: datetime | None) -> str | None:
    return iso(None if at is None else round(at.timestamp() * 1000))


def _short(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST_TEXT]
