"""The live protocol's models against what is sent, and what is made of them against the standards."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema import ValidationError as JsonSchemaError
from pydantic import ValidationError
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from actors.domain.events import OrganizationConfigured, StateRepaired
from actors.domain.policy import Policy
from actors.domain.views import event_view
from serve.live.asyncapi import asyncapi_document
from serve.live.board import Applied, LiveBoard
from serve.live.protocol import EVENT, ProtocolError, exactly
from serve.live.typescript import FILE, typescript
from tests.fakes.simulation import Simulation, small_bounds

SEEDS = 200
STANDARD = Path(__file__).parents[1] / "contract" / "asyncapi-3.0.0.json"
DOCUMENT = asyncapi_document("wss://live.test")


def by_the_document(name: str) -> Any:
    """A schema of the document as a stranger's validator reads it."""
    registry = Registry[Any]().with_resource("urn:live", DRAFT202012.create_resource(DOCUMENT))
    return Draft202012Validator({"$ref": f"urn:live#/components/schemas/{name}"}, registry=registry)


def test_what_simulated_clients_are_sent_is_what_the_models_say(monkeypatch: pytest.MonkeyPatch) -> None:
    told: set[str] = set()
    frames = by_the_document("LiveFrame")

    class Board(LiveBoard):
        def apply(self, frame: Mapping[str, Any]) -> Applied:
            first = frame["type"] not in told
            sent = exactly(orjson.dumps({"reason": "gap", **frame} if frame["type"] == "snapshot" else frame))
            told.update([frame["type"], *(event["type"] for event in sent.get("events", ()))])
            if first:
                frames.validate(sent)
            return super().apply(frame)

    monkeypatch.setattr("tests.fakes.feed_follower.LiveBoard", Board)
    with small_bounds():
        for seed in range(SEEDS):
            Simulation(seed).run()
    assert told == {
        *("snapshot", "events"),
        *("call", "call-completed", "utterance", "evidence", "call-removed", "incident", "counters"),
    }


def test_so_is_what_no_simulation_comes_to() -> None:
    for event in (StateRepaired(repairs=3), OrganizationConfigured(name="é", time_zone="UTC", policy=Policy())):
        exactly(orjson.dumps(event_view(event)), EVENT)


HEARTBEAT = {"type": "heartbeat", "position": "1-0", "time": "2026-01-01T00:00:00.000Z", "current": True}


@pytest.mark.parametrize(
    "change",
    [
        {"time": "2026-01-01T00:00:00Z"},
        {"time": "2026-01-01T01:00:00.000+01:00"},
        {"time": None},
        {"position": "01-0"},
        {"position": 1},
        {"current": 1},
        {"more": 1},
        {"type": "heart"},
    ],
)
def test_a_frame_that_differs_by_a_letter_is_found_out(change: dict[str, Any]) -> None:
    assert exactly(orjson.dumps(HEARTBEAT)) == HEARTBEAT
    with pytest.raises((ValidationError, ProtocolError)):
        exactly(orjson.dumps({**HEARTBEAT, **change}))
    for name in HEARTBEAT:
        with pytest.raises(ValidationError):
            exactly(orjson.dumps({other: value for other, value in HEARTBEAT.items() if other != name}))


def test_the_document_is_asyncapi() -> None:
    standard: Any = Draft7Validator(json.loads(STANDARD.read_text()))
    standard.validate(DOCUMENT)
    with pytest.raises(JsonSchemaError):
        standard.validate({**DOCUMENT, "operations": {"follow": {"action": "push"}}})
    assert orjson.loads(orjson.dumps(DOCUMENT)) == DOCUMENT


def test_every_reference_of_the_document_leads_somewhere() -> None:
    def visit(part: Any) -> None:
        match part:
            case {"$ref": str(reference)}:
                found: Any = DOCUMENT
                for step in reference.removeprefix("#/").split("/"):
                    found = found[step]
            case dict():
                for each in part.values():  # pyright: ignore[reportUnknownVariableType]
                    visit(each)
            case list():
                for each in part:  # pyright: ignore[reportUnknownVariableType]
                    visit(each)
            case _:
                pass

    visit(DOCUMENT)


def test_who_reads_the_document_may_be_sent_more_than_it_names() -> None:
    by_the_document("LiveFrame").validate({**HEARTBEAT, "more": 1})


def test_the_dashboard_compiles_with_these_types() -> None:
    assert FILE.read_text() == typescript(), "run `make schema`"
