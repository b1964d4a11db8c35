import copy
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.domain.call import FIELD_NAMES
from actors.domain.json_types import JSON
from workflows.vendors.redaction import REDACTED, redact
from workflows.vendors.vapi_message import ParsedMessage, parse_message
from workflows.vendors.vapi_tools import tool_calls_of
from workflows.vendors.vapi_values import WireError, moment
from workflows.vendors.vapi_wire import artifact_of, record_facts

PAYLOADS = Path(__file__).parent.parent / "payloads"
NAMES = sorted(path.stem for path in PAYLOADS.glob("*.json"))


def payload(name: str) -> dict[str, Any]:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def parse(body: object) -> ParsedMessage:
    return parse_message(json.dumps(body).encode(), received_at=5)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def places(value: JSON, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every position inside a JSON value, down to a depth at which nothing is read any more."""
    found = [path] if path else []
    members: list[tuple[str | int, JSON]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list):
        members = list(enumerate(value))
    if len(path) < 5:
        for key, member in members[:40]:
            found += places(member, (*path, key))
    return found


PLACES = [(name, path) for name in NAMES for path in places(payload(name))]


def put(body: Any, path: tuple[str | int, ...], value: object) -> None:
    for key in path[:-1]:
        body = body[key]
    body[path[-1]] = value


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PLACES), json_values)
def test_any_value_in_any_place_is_a_message_or_a_named_fault(
    place: tuple[str, tuple[str | int, ...]], value: object
) -> None:
    name, path = place
    body = payload(name)
    put(body, path, value)
    with suppress(WireError):
        parsed = parse(body)
        redact(parsed.body)
        assert len(parsed.event_key) <= 600
        assert rb"\u0000" not in orjson.dumps(parsed.facts)
        assert set(parsed.facts.get("fields") or {}) <= set(FIELD_NAMES)  # pyright: ignore[reportArgumentType]
        artifact_of(parsed.body)


@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_message_or_a_named_fault(body: bytes) -> None:
    with suppress(WireError):
        parse_message(body, received_at=5)


@given(json_values)
def test_any_value_has_an_artifact_and_facts(value: Any) -> None:
    artifact_of(value if not isinstance(value, str) else None)
    record_facts(value if isinstance(value, dict) else {"status": value})  # pyright: ignore[reportUnknownArgumentType]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "assistant-request"])
def test_other_urls_of_a_retry_do_not_change_the_key(name: str) -> None:
    body = payload(name)
    first = parse(body).event_key
    artifact = body["message"].setdefault("artifact", {})
    for key in ("presignedMonoUrl", "presignedStereoUrl", "presignedUrlsExpiresAt", "logUrl"):
        artifact[key] = "https://example.com/?signature=2"
    assert parse(body).event_key == first


def test_events_that_differ_have_keys_that_differ() -> None:
    call = {"id": "a"}
    bodies = [
        {"type": "status-update", "status": "ended", "timestamp": 1, "call": call},
        {"type": "status-update", "status": "ended", "timestamp": 2, "call": call},
        {"type": "status-update", "status": "ringing", "timestamp": 1, "call": call},
        {"type": "status-update", "status": "ended", "timestamp": 1, "call": {"id": "b"}},
        {"type": "status-update", "status": "ended", "timestamp": 1},
        {"type": "hang", "timestamp": 1, "call": call},
        {"type": "hang", "timestamp": 2, "call": call},
        {"type": "phone-call-control", "request": "forward", "timestamp": 1, "call": call},
        {"type": "phone-call-control", "request": "hang-up", "timestamp": 1, "call": call},
        {"type": "session.created", "timestamp": 1, "session": {"id": "s1"}},
        {"type": "session.created", "timestamp": 1, "session": {"id": "s2"}},
        {"type": "tool-calls", "toolCallList": [{"id": "t1"}], "call": call},
        {"type": "tool-calls", "toolCallList": [{"id": "t2"}], "call": call},
        {"type": "end-of-call-report", "endedReason": "x", "call": call},
        {"type": "end-of-call-report", "endedReason": "y", "call": call},
    ]
    keys = [parse({"message": body}).event_key for body in bodies]
    assert len(set(keys)) == len(bodies)


def test_tool_calls_are_one_event_in_any_order_and_whatever_surrounds_them() -> None:
    forth = {"type": "tool-calls", "timestamp": 1, "toolCallList": [{"id": "t1"}, {"id": "t2"}], "call": {"id": "a"}}
    back = {**forth, "timestamp": 2, "toolCallList": [{"id": "t2"}, {"id": "t1"}]}
    assert parse({"message": forth}).event_key == parse({"message": back}).event_key == "tool-calls:a:t1,t2"


def test_a_long_key_is_cut_and_stays_itself() -> None:
    calls = [{"id": f"{n:0150d}"} for n in range(10)]
    keys = {
        parse({"message": {"type": "tool-calls", "toolCallList": each, "call": {"id": "a"}}}).event_key
        for each in (calls, calls[:9])
    }
    assert len(keys) == 2
    assert max(map(len, keys)) < 600


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (1_787_220_000_000, 1_787_220_000_000),
        (1_787_220_000_000.7, 1_787_220_000_000),
        ("2026-08-20T10:00:00.000Z", 1_787_220_000_000),
        ("2026-08-20T12:00:00+02:00", 1_787_220_000_000),
        ("2026-08-20T10:00:00", 1_787_220_000_000),
        ("yesterday", None),
        ("", None),
        (True, None),
        (-1, None),
        (1e300, None),
        (float("nan"), None),
        ("9999-12-31T23:59:59-23:59", None),
        ([], None),
        (None, None),
    ],
)
def test_moments(told: Any, expected: int | None) -> None:
    assert moment(told) == expected


@pytest.mark.parametrize(
    "call",
    [
        {"id": "t", "type": "function", "function": {"name": "find", "arguments": {"day": 1}}},
        {"id": "t", "type": "function", "function": {"name": "find", "arguments": '{"day": 1}'}},
        {"id": "t", "name": "find", "parameters": {"day": 1}},
        {"id": "t", "name": "find", "arguments": '{"day": 1}'},
    ],
)
@pytest.mark.parametrize("key", ["toolCallList", "toolCalls"])
def test_tool_calls_in_every_encoding(key: str, call: dict[str, Any]) -> None:
    (found,) = tool_calls_of({key: [call]})
    assert (found.id, found.name, found.arguments) == ("t", "find", {"day": 1})
    (found,) = tool_calls_of({"toolWithToolCallList": [{"toolCall": call}]})
    assert found.name == "find"


def test_fields_of_an_outbound_call() -> None:
    fields = parse(payload("status-update-in-progress")).facts["fields"]
    assert isinstance(fields, dict)
    assert (fields["direction"], fields["type"]) == ("outbound", "outboundPhoneCall")
    assert (fields["from_number"], fields["to_number"]) == ("+15550100002", "+15550100001")
    assert fields["answered_at"] == 1_752_365_366_094


def test_numbers_of_an_inbound_call_stand_the_other_way() -> None:
    request = payload("assistant-request")["message"]
    fields = parse({"message": request}).facts["fields"]
    assert isinstance(fields, dict)
    assert fields["from_number"] == request["customer"]["number"]
    assert fields["to_number"] == request["phoneNumber"]["number"]


def test_the_status_inside_the_call_is_stale_and_does_not_count() -> None:
    parsed = parse(payload("status-update-ended"))
    assert parsed.facts["status"] == "ended"


def test_a_transcript_is_heard() -> None:
    parsed = parse({"message": {"type": 'transcript[transcriptType="final"]', "role": "bot", "transcript": "Hi."}})
    assert parsed.chatter
    assert parsed.utterance is not None
    assert (parsed.utterance.role, parsed.utterance.text, parsed.utterance.final, parsed.utterance.at) == (
        "assistant",
        "Hi.",
        True,
        5,
    )


def test_the_artifact_of_a_report() -> None:
    body = payload("end-of-call-report")
    told = body["message"]["artifact"]
    told["presignedMonoUrl"] = "https://example.com/mono?signature=1"
    artifact = artifact_of(json.dumps(body))
    assert artifact.transcript == told["transcript"]
    assert artifact.recording_urls[0] == told["presignedMonoUrl"]
    assert artifact.recording_urls[1] == told["recording"]["stereoUrl"]
    assert artifact.cost_micros == 224_100
    assert artifact.structured_data == body["message"]["analysis"]["structuredData"]
    assert {str(turn["role"]) for turn in artifact.turns} <= {"assistant", "user", "tool_calls", "tool_result"}
    assert artifact.turns[0]["duration_ms"] == 640


def test_the_artifact_of_a_call_end_and_of_a_record() -> None:
    call = {"id": "a", "transcript": "AI: Hi.\n", "cost": 0.25, "recordingUrl": "https://example.com/a.wav"}
    assert artifact_of({"type": "call-end"}).transcript == ""
    for body in ({"type": "call-end", "call": call}, call):
        artifact = artifact_of(copy.deepcopy(body))  # pyright: ignore[reportArgumentType]
        assert artifact.transcript == "AI: Hi.\n"
        assert artifact.cost_micros == 250_000
        assert artifact.recording_urls == ("https://example.com/a.wav",)


def test_a_missing_transcript_is_made_of_the_turns() -> None:
    messages = [
        {"role": "system", "message": "Be kind."},
        {"role": "bot", "message": "Hello."},
        {"role": "user", "message": "Hi."},
        {"role": "tool_calls", "toolCalls": [{"id": "t", "function": {"name": "find", "arguments": "{}"}}]},
    ]
    body = {"message": {"type": "end-of-call-report", "artifact": {"messages": messages}}}
    assert artifact_of(body).transcript == "AI: Hello.\nUser: Hi.\n"  # pyright: ignore[reportArgumentType]


def test_the_record_of_a_call() -> None:
    facts = record_facts(
        {
            "id": "a",
            "type": "inboundPhoneCall",
            "status": "ended",
            "endedReason": "customer-ended-call",
            "startedAt": "2026-08-20T10:00:00.000Z",
            "endedAt": "2026-08-20T10:01:00.000Z",
            "cost": 0.1,
            "customer": {"number": "+15550100001"},
        }
    )
    assert facts["status"] == "ended"
    fields = facts["fields"]
    assert isinstance(fields, dict)
    assert fields["ended_at"] == 1_787_220_060_000
    assert fields["from_number"] == "+15550100001"


SECRET_KEYS = [
    "secret", "serverUrlSecret", "twilioAuthToken", "apiKey", "api_key", "API-KEY", "credentials", "Authorization",
    "controlUrl", "listenUrl", "x-vapi-secret", "X-Api-Key", "password", "accessToken", "headers", "clientSecret",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(place=st.sampled_from(PLACES), key=st.sampled_from(SECRET_KEYS), depth=st.integers(0, 20), in_list=st.booleans())
def test_a_planted_secret_never_stays(
    place: tuple[str, tuple[str | int, ...]], key: str, depth: int, *, in_list: bool
) -> None:
    name, path = place
    body = payload(name)
    planted: object = {key: ["hidden-value", {"a": "hidden-value"}] if in_list else "hidden-value"}
    for level in range(depth):
        planted = [planted] if level % 2 else {"deeper": planted}
    put(body, path, planted)
    redact(body)
    assert "hidden-value" not in json.dumps(body)
    assert REDACTED in json.dumps(body)


def test_presigned_urls_stay_for_the_recording() -> None:
    body: Any = {"artifact": {"presignedMonoUrl": "https://example.com/?signature=1"}, "server": {"secret": ""}}
    before = copy.deepcopy(body)
    redact(body)
    assert body == before
