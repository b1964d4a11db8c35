"""What customers' endpoints are told of a call: one small JSON document, the same bytes at each attempt."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from actors.domain.iso_time import iso
from workflows.delivery_contracts import CALL_COMPLETED

WHOLE_UP_TO: Final = 20_000
"""Bytes. A longer document comes without its transcript, which the API has."""
_LONGEST_TEXT: Final = 4_000
_MOST_ACTIONS: Final = 20


def completed_payload(call: Mapping[str, Any]) -> str:
    """The body of `call.completed`: with the names of the API, `transcript` null when it makes the body too long."""
    duration_ms, cost_micros = call["duration_ms"], call["cost_micros"]
    analysis: Mapping[str, Any] = call["analysis"] or {}
    told: dict[str, Any] = {
        "call_id": call["provider_call_id"],
        **{name: call[name] for name in ("type", "direction", "status", "ended_reason", "ended_class")},
        **{name: call[name] for name in ("assistant_id", "assistant_name", "from_number", "to_number")},
        **{name: call[name] for name in ("customer_name", "transferred_to")},
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
    encoded = orjson.dumps(document)
    for largest in ("transcript", "structured_data"):
        if len(encoded) <= WHOLE_UP_TO:
            break
        told[largest] = None
        encoded = orjson.dumps(document)
    return encoded.decode()


def _told(at: datetime | None) -> str | None:
    return iso(None if at is None else round(at.timestamp() * 1000))


def _short(text: str | None) -> str | None:
    return None if text is None else text[:_LONGEST_TEXT]
