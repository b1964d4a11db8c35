"""Every way an onboarding took is replayed against today's code (see test_histories.py)."""

import asyncio
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from tests.fakes.processing_world import HISTORIES
from workflows.onboarding import OnboardingWorkflow

RECORDED = sorted((HISTORIES / "onboarding").glob("*.json"))


def test_every_path_is_recorded() -> None:
    assert len(RECORDED) >= 10


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    recorded = await asyncio.to_thread(path.read_text)
    history = WorkflowHistory.from_json(f"recorded-{path.stem}", recorded)
    await Replayer(workflows=[OnboardingWorkflow]).replay_workflow(history)
