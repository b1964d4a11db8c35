"""New members of messages are accepted and counted, known ones are not."""

import json
from pathlib import Path

import orjson
import pytest

from workflows.vendors.vapi_message import parse_message

PAYLOADS = sorted((Path(__file__).parents[1] / "payloads").glob("*.json"))


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_captured_bodies_hold_nothing_unknown(path: Path) -> None:
    assert parse_message(path.read_bytes(), received_at=0).unknown_fields == 0


def test_each_new_member_is_counted_and_the_message_is_taken() -> None:
    message = {"type": "hang", "call": {"id": "c"}, "timestamp": 1, "mood": "calm", "weather": {"rain": True}}
    parsed = parse_message(orjson.dumps({"message": message}), received_at=0)
    assert (parsed.unknown_fields, parsed.call_id) == (2, "c")


def test_the_flat_envelope_has_no_members_we_could_know() -> None:
    flat = json.dumps({"type": "call-start", "call": {"id": "c"}, "anything": 1}).encode()
    assert parse_message(flat, received_at=0).unknown_fields == 0
