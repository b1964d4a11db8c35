"""One running stack per session, started as a user does, shared by the end-to-end and the chaos tests."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from serve.stack.processes import marked, reap
from serve.stack.state import DataFolder
from tests.e2e.product import Product

READY_SECONDS = 300
STOP_SECONDS = 180


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningStack:
    """`call-supervisor up` in a folder of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.data = DataFolder(folder / "data")
        self.log = folder / "up.log"
        ports = ("--http-port", "--live-port", "--dashboard-port")
        chosen = [text for flag in ports for text in (flag, str(free_port()))]
        program = str(Path(sys.executable).with_name("call-supervisor"))
        self._command = [program, "up", "--data-dir", str(self.data.path), *chosen, *options]
        self.start()

    def start(self) -> None:
        """Start it, anew after it was killed: with the same data and ports. Returns once it is ready."""
        self.data.dev_file.unlink(missing_ok=True)  # of a killed run in the same folder
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self.data.dev_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"the stack did not start:\n{self.log.read_text()}\n{self._part_logs()}")
            time.sleep(0.2)  # polls a file of another process

    def _part_logs(self) -> str:
        logs = sorted((self.data.path / "logs").glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)

    def pid(self, part: str) -> int:
        record = self.data.read_record()
        assert record is not None
        return record.parts[part].pid

    def setting(self, name: str) -> str:
        """A setting the stack runs with, as `settings.env` tells commands of it."""
        lines = (self.data.path / "settings.env").read_text().splitlines()
        told = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
        return shlex.split(told[name])[0]

    def shard_pids(self) -> dict[str, int]:
        return json.loads(self.data.dev_file.read_bytes())["shard_pids"]

    def kill_shards(self) -> dict[str, int]:
        """Kill every shard; returns those that were."""
        before = self.shard_pids()
        for pid in before.values():
            with suppress(ProcessLookupError):  # it ended by itself
                os.kill(pid, signal.SIGKILL)
        return before

    def replaced_shards(self, before: dict[str, int]) -> bool | None:
        """Whether the same shards live, each in another process; None while not."""
        now = self.shard_pids()
        return (now.keys() == before.keys() and not set(now.values()) & set(before.values())) or None

    def product(self, *, other: bool = False) -> Product:
        told = json.loads(self.data.dev_file.read_bytes())
        return Product.of({**told, **(told["other"] if other else {})})

    def stop(self) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        finally:
            reap(self.data.marker)

    def assert_ends_cleanly(self) -> None:
        """End it as Ctrl-C does: it must leave no process, no record of itself and no folder of Ray's."""
        record = self.data.read_record()
        assert record is not None
        os.kill(self.process.pid, signal.SIGTERM)
        assert self.process.wait(STOP_SECONDS) == 0
        assert marked(self.data.marker) == []
        assert not Path(record.ray_folder).exists()
        assert not self.data.dev_file.exists()
        assert self.data.read_record() is None


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    folder = Path(tempfile.mkdtemp(prefix="cs-e2e-"))
    folder.chmod(0o755)
    running = RunningStack(folder)
    yield running
    try:
        running.assert_ends_cleanly()
    finally:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def product(stack: RunningStack) -> Iterator[Product]:
    product = stack.product()
    yield product
    product.close()


@pytest.fixture
def other(stack: RunningStack) -> Iterator[Product]:
    product = stack.product(other=True)
    yield product
    product.close()
