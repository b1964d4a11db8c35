"""Every way a workflow took is replayed against today's code: a change that would break a running workflow fails here.

A path that is new is recorded by RECORD_HISTORIES=1 (see tests/fakes/processing_world.py); a recorded one stays, and a
change it does not survive goes behind `workflow.patched`.
"""

import asyncio
import base64
import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

import workflows
from actors.domain.json_types import JSON
from tests.fakes.mortal_world import ADDRESS, NUMBER
from tests.fakes.processing_world import HISTORIES, PLANTED_NUMBER, PLANTED_WORDS

RECORDED = sorted(HISTORIES.rglob("*.json"))
LARGEST_BYTES = 256 * 1024
"""Of a payload: from there on Temporal warns."""


def defined() -> Mapping[str, type]:
    """Every workflow of ours, by its name."""
    found: dict[str, type] = {}
    for module in pkgutil.iter_modules(workflows.__path__, "workflows."):
        if module.name != "workflows.worker":
            for _, each in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if (definition := getattr(each, "__temporal_workflow_definition", None)) is not None:
                    found[definition.name] = each
    return found


WORKFLOWS = defined()


def told(path: Path) -> Any:
    return orjson.loads(path.read_bytes())


def data_of(value: JSON) -> Iterator[bytes]:
    """What every payload below holds."""
    if isinstance(value, dict):
        if set(value) == {"metadata", "data"}:
            yield base64.b64decode(str(value["data"]))
        else:
            for each in value.values():
                yield from data_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from data_of(each)


def test_every_workflow_has_a_recorded_history() -> None:
    recorded = {
        told(path)["events"][0]["workflowExecutionStartedEventAttributes"]["workflowType"]["name"] for path in RECORDED
    }
    assert recorded == set(WORKFLOWS)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: str(path.relative_to(HISTORIES).with_suffix("")))
async def test_a_recorded_history_replays(path: Path) -> None:
    recorded = await asyncio.to_thread(path.read_text)
    history = WorkflowHistory.from_json(f"recorded-{path.stem}", recorded)
    await Replayer(workflows=[*WORKFLOWS.values()]).replay_workflow(history)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: str(path.relative_to(HISTORIES).with_suffix("")))
def test_a_recorded_history_holds_ids_alone(path: Path) -> None:
    held = [*data_of(told(path))]
    assert max(map(len, held), default=0) <= LARGEST_BYTES
    for planted in (PLANTED_NUMBER, PLANTED_WORDS, NUMBER, ADDRESS):
        assert not any(planted.encode() in each for each in held), planted
