"""Every way a workflow took is replayed against today's code: a change that would break a running workflow fails here.

A path that is new is recorded by RECORD_HISTORIES=1 (see tests/fakes/processing_world.py); a recorded one stays, and a
change it does not survive goes behind `workflow.patched`.
"""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.fakes.processing_world import HISTORIES
from workflows.call_processing import CallProcessingWorkflow
from workflows.provider_wiring import ProviderWiringWorkflow
from workflows.reconciliation import ReconciliationWorkflow

WORKFLOWS = (CallProcessingWorkflow, ReconciliationWorkflow, ProviderWiringWorkflow)
RECORDED = sorted(HISTORIES.glob("*.json"))


def test_every_path_is_recorded() -> None:
    assert len(RECORDED) >= 10


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    recorded = await asyncio.to_thread(path.read_text)
    history = WorkflowHistory.from_json(f"recorded-{path.stem}", recorded)
    await Replayer(workflows=WORKFLOWS).replay_workflow(history)
