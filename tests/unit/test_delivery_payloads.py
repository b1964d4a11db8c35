"""However much a call left behind, endpoints are told of it by a small document that says what it lacks."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest

from storage.endpoint_events import CALL_STARTED, INCIDENT_CLOSED, INCIDENT_OPENED
from workflows.delivery_payloads import WHOLE_UP_TO, completed_payload, event_payload

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TEXTS = (
    "type", "direction", "status", "admission", "ended_reason", "ended_class", "assistant_id", "assistant_name",
    "from_number", "to_number", "customer_name", "transferred_to", "summary", "success_evaluation",
)  # fmt: skip


def call(**told: Any) -> dict[str, Any]:
    return {
        "provider_call_id": "call-1", **dict.fromkeys(TEXTS), "created_at": AT, "answered_at": AT, "ended_at": AT,
        "duration_ms": 1_500, "cost_micros": 20_000, "actions": [], "report": True, "recorded": False,
        "transcript_text": "User: Hello.", "analysis": None, **told,
    }  # fmt: skip


def incident(**told: Any) -> dict[str, Any]:
    later = ("acknowledged_at", "acknowledged_by", "muted_until", "recovered_at", "resolved_at", "resolved_by")
    return {
        "incident_id": uuid4(), "rule": "call-silent", "metric": "silence_seconds", "severity": "warning",
        "threshold": 15.0, "call_id": "call-1",
        "evidence": {"value": 16.0, "since": 1_790_000_000_000, "call_id": None, "detail": None},
        "opened_at": AT, **dict.fromkeys(later), **told,
    }  # fmt: skip


def test_a_call_that_fits_is_told_whole() -> None:
    document = orjson.loads(completed_payload(call(analysis={"structuredData": {"a": 1}}, actions=["Call back."])))
    assert (document["type"], document["timestamp"]) == ("call.completed", "2026-01-02T03:04:05.000Z")
    told = document["data"]
    assert (told["transcript"], told["structured_data"], told["action_items"]) == (
        "User: Hello.", {"a": 1}, ["Call back."],
    )  # fmt: skip
    assert told["cut"] == []


@pytest.mark.parametrize("letter", ["x", "\N{GRINNING FACE}", "\x00", '"'])
def test_what_is_too_long_is_cut_and_said_to_be(letter: str) -> None:
    text = letter * 1_000_000
    everything = call(
        **dict.fromkeys(TEXTS, text),
        transcript_text=text,
        analysis={"structuredData": {"a": text}},
        actions=[text] * 99,
    )
    payload = completed_payload(everything)
    assert len(payload.encode()) <= WHOLE_UP_TO <= 256 * 1024
    told = orjson.loads(payload)["data"]
    assert told["call_id"] == "call-1"
    assert {"transcript", "structured_data", "action_items"} <= set(told["cut"])
    assert all(told[name] is None for name in told["cut"])


@pytest.mark.parametrize("letter", ["x", "\N{GRINNING FACE}", "\x00", '"'])
def test_of_long_words_the_beginning_is_told(letter: str) -> None:
    payload = completed_payload(call(transcript_text=letter * 100_000))
    assert WHOLE_UP_TO * 0.8 < len(payload.encode()) <= WHOLE_UP_TO
    told = orjson.loads(payload)["data"]
    assert told["cut"] == ["transcript"]
    assert set(told["transcript"]) == {letter}


def test_an_incident_is_told_at_its_ends_and_bounded() -> None:
    at = datetime(2026, 1, 2, 3, 5, tzinfo=UTC)
    over = incident(recovered_at=at, evidence={**incident()["evidence"], "detail": "\x00" * 1_000_000})
    opened, closed = (event_payload(event, over, at) for event in (INCIDENT_OPENED, INCIDENT_CLOSED))
    assert max(len(opened), len(closed)) <= 256 * 1024
    assert "recovered_at" not in orjson.loads(opened)["data"]
    told = orjson.loads(closed)["data"]
    assert (told["recovered_at"], told["lasted_seconds"]) == ("2026-01-02T03:05:00.000Z", 55.0)
    assert told["rule"] == "call-silent"


def test_a_call_that_began_is_told_by_who_speaks_to_whom() -> None:
    names = ("type", "direction", "status", "assistant_id", "assistant_name", "from_number", "to_number")
    began = {"call_id": "call-1", **dict.fromkeys(names), "customer_name": "\x00" * 999, "created_at": AT}
    document = orjson.loads(event_payload(CALL_STARTED, began, AT))
    assert (document["type"], document["data"]["call_id"]) == ("call.started", "call-1")
    assert len(document["data"]["customer_name"]) == 200
