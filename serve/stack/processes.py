"""Which processes belong to a stack, and how they end: by an exact marker in their environment, never by a name."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import psutil

STACK_MARKER: Final = "CALL_SUPERVISOR_STACK"
PART_MARKER: Final = "CALL_SUPERVISOR_PART"
_GONE: Final = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied, OSError)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessIdentity:
    """A process for ever: its pid may be given to another one, but not with the same start."""

    pid: int
    create_time: float

    @classmethod
    def of(cls, pid: int) -> Self:
        return cls(pid=pid, create_time=psutil.Process(pid).create_time())

    def find(self) -> psutil.Process | None:
        """Return the process while it runs."""
        with contextlib.suppress(*_GONE):
            process = psutil.Process(self.pid)
            if abs(process.create_time() - self.create_time) < 1 and process.status() != psutil.STATUS_ZOMBIE:
                return process
        return None


def marked(marker: Mapping[str, str]) -> list[psutil.Process]:
    """Return every process whose environment holds all pairs of `marker`, and their descendants.

    Descendants count because a process that renames itself overwrites the place its environment is read from.
    """
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(*_GONE):
            if process.pid not in found and marker.items() <= process.environ().items():
                found[process.pid] = process
                found.update((child.pid, child) for child in process.children(recursive=True))
    for own in (os.getpid(), *(parent.pid for parent in psutil.Process().parents())):
        found.pop(own, None)
    return list(found.values())


def reap(marker: Mapping[str, str], *, grace_s: float = 10.0) -> int:
    """End every process that carries `marker` and return how many there were: asked first, killed after `grace_s`.

    Never ends the caller or its parents.
    """
    ended: set[int] = set()
    while processes := marked(marker):
        ended.update(process.pid for process in processes)
        _signal(processes, psutil.Process.terminate)
        _signal(still_alive(processes, timeout_s=grace_s), psutil.Process.kill)
        still_alive(processes, timeout_s=grace_s)
    return len(ended)


def still_alive(processes: Iterable[psutil.Process], *, timeout_s: float) -> list[psutil.Process]:
    """Wait for processes that are not our children, and return those that outlive `timeout_s`.

    Ended ones their parent has not collected count as gone.
    """
    deadline = time.monotonic() + timeout_s
    while alive := [process for process in processes if _is_alive(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return alive


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(*_GONE):
        if process.is_running():
            return process.status() != psutil.STATUS_ZOMBIE or _has_other_threads(process.pid)
    return False


def _has_other_threads(pid: int) -> bool:
    """Whether a process whose first thread has ended still runs others, which hold its ports and files."""
    with contextlib.suppress(OSError):
        return len([*Path(f"/proc/{pid}/task").iterdir()]) > 1
    return False


def _signal(processes: Iterable[psutil.Process], send: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with contextlib.suppress(*_GONE):
            send(process)
