"""A shard starts without Temporal's client, and has it when it signals."""

import subprocess
import sys

import pytest
from pydantic import SecretStr

from actors.ports import UnavailableError
from serve.late_processing import LateProcessing
from storage.child_process import free_port
from workflows.config import WorkerSettings

CHECK = "import sys, actors.runtime, serve.ports; sys.exit('temporalio' in sys.modules)"


def test_what_a_shard_imports_at_its_start_is_not_temporal() -> None:
    assert subprocess.run([sys.executable, "-c", CHECK], check=False, timeout=60).returncode == 0


async def test_a_signal_to_nobody_is_told_so_each_time() -> None:
    settings = WorkerSettings(
        database_url="postgresql://nobody",
        temporal_address=f"127.0.0.1:{free_port()}",
        encryption_key=SecretStr("A" * 43 + "="),
        recordings_url="file:///nowhere",
    )
    processing = LateProcessing(settings)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await processing.signal("organization", "call")
