"""Servers as child processes: each in a session of its own, so a terminal's Ctrl-C reaches only their owner."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

LOG_LIMIT_BYTES = 64 * 1024 * 1024


class ServerFailedError(Exception):
    """A server did not start or did not stay; `log_tail` is what it said last."""

    def __init__(self, name: str, reason: str, log_path: Path) -> None:
        super().__init__(f"{name} {reason}")
        self.name = name
        self.reason = reason
        self.log_path = log_path
        self.log_tail = last_lines(log_path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildProcess:
    """One server. The pair (pid, create_time) names it for ever: pids come back, that pair does not."""

    name: str
    pid: int
    create_time: float
    log_path: Path
    process: subprocess.Popen[bytes] = field(repr=False)

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, *, sent: signal.Signals = signal.SIGTERM, timeout_s: float = 20.0) -> None:
        """Ask the server to end, wait, and kill its whole session if it does not; safe to repeat."""
        if self.is_running():
            self.process.send_signal(sent)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.pid, signal.SIGKILL)
                self.process.wait(timeout_s)


def spawn(
    name: str,
    command: Sequence[str | Path],
    *,
    log_path: Path,
    environment: Mapping[str, str],
    user: str | None = None,
    nice: int = 0,
    session_nice: int = 0,
    directory: Path | None = None,
) -> ChildProcess:
    """Start a server in its own session with its output appended to `log_path`; it outlives this process.

    `environment` is the child's whole environment; `nice` lowers its priority beside everything else, `session_nice`
    that of all it starts beside other sessions alone. The log of a past run above 64 MiB is set aside first.
    """
    log_path.parent.mkdir(parents=True, exist_ok=True)
    if log_path.exists() and log_path.stat().st_size > LOG_LIMIT_BYTES:
        log_path.replace(log_path.with_suffix(".old.log"))
    with log_path.open("ab") as log:
        process = subprocess.Popen(  # noqa: S603  # callers pass programs of the environment, no shell
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=directory,
            start_new_session=True,
        )
    child = psutil.Process(process.pid)
    if nice:
        child.nice(nice)
    if nice or session_nice:
        _yield_to_sessions(child, nice or session_nice)
    return ChildProcess(name=name, pid=process.pid, create_time=child.create_time(), log_path=log_path, process=process)


def _yield_to_sessions(child: psutil.Process, nice: int) -> None:
    # Where Linux shares the processor among sessions first, niceness counts within one alone: a child has its own.
    with contextlib.suppress(OSError):
        Path(f"/proc/{child.pid}/autogroup").write_text(str(nice))


def wait_until_ready(child: ChildProcess, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
    """Return once `is_ready` holds; raise ServerFailedError when the child ends or the time is over."""
    deadline = time.monotonic() + timeout_s
    while not is_ready():
        if not child.is_running():
            raise ServerFailedError(child.name, f"ended with code {child.process.returncode}", child.log_path)
        if time.monotonic() > deadline:
            child.stop()
            raise ServerFailedError(child.name, f"was not ready after {timeout_s:.0f} s", child.log_path)
        time.sleep(0.02)


def free_port(preferred: int | None = None) -> int:
    """Return a loopback TCP port nobody listens on: the preferred one, or any."""
    for candidate in (preferred, 0):
        if candidate is None:
            continue
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no free TCP port on 127.0.0.1")


def last_lines(path: Path, count: int = 12) -> str:
    """Return the last lines of a log, or nothing when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 16_384))
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-count:])
