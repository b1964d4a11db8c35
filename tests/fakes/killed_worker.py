"""Processes that work on everything until all that they were told of stand still at their points, and are killed then.

`python -m tests.fakes.killed_worker` imports what they need once. For each line, a Death as JSON, it forks one, waits
for its end and writes the exit code.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Timer
from typing import Any, Final

import orjson

from tests.fakes.points import Points
from workflows.activities.discretion import Discretion
from workflows.client import connect
from workflows.config import WorkerSettings
from workflows.worker import build_workers, open_activities, run_workers

LONGEST_SECONDS: Final = 120
NOT_ALL_STOOD_STILL: Final = 3
_ROOM: Final = 1_000
"""Those that stand still keep their places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """A worker by these settings dies once every workflow of `stop_at` stands still at its point."""

    address: str
    settings: Mapping[str, Any]
    stop_at: Mapping[str, int]


@dataclass(slots=True)
class KilledWorkers:
    """One after the other."""

    process: "subprocess.Popen[bytes]" = field(repr=False)

    async def die(self, death: Death) -> int:
        """Begin one, and return its exit code."""
        told, heard = self.process.stdin, self.process.stdout
        assert told is not None
        assert heard is not None
        told.write(orjson.dumps(death) + b"\n")
        told.flush()
        return int(await asyncio.to_thread(heard.readline))


@contextmanager
def killed_workers() -> Generator[KilledWorkers]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.killed_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield KilledWorkers(process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _give_up(points: Points, death: Death) -> None:
    missed = {each: (points.counted[each], wanted) for each, wanted in death.stop_at.items()}
    missed = {each: (come_to, wanted) for each, (come_to, wanted) in missed.items() if come_to < wanted}
    try:
        sys.stderr.write(f"did not come to their points: {missed}\n")
    finally:
        os._exit(NOT_ALL_STOOD_STILL)  # whether or not anybody still listens


def _let_stand_still(worker: object) -> None:
    """A workflow that stands still is no deadlock. (The SDK's debug mode says so too, and runs all in one thread.)"""
    of_workflows: Any = getattr(worker, "_workflow_worker", None)
    if of_workflows is not None:
        of_workflows._deadlock_timeout_seconds = None


async def work(death: Death) -> None:
    points = Points(death.stop_at, all_stand_still=_die)
    Timer(LONGEST_SECONDS, _give_up, (points, death)).start()
    client = await connect(death.address, lazy=False)
    async with open_activities(WorkerSettings(**death.settings)) as activities:
        workers = build_workers(
            client,
            activities,
            interceptors=[Discretion(), points],
            workflow_runner=points.runner(),
            workflow_task_executor=ThreadPoolExecutor(_ROOM),
            max_concurrent_workflow_tasks=_ROOM,
            max_concurrent_activities=_ROOM,
            max_concurrent_local_activities=_ROOM,
            sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        )
        for worker in workers:
            _let_stand_still(worker)
        with points.at_requests():
            await run_workers(workers)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            # Temporal's client logs to the standard output, which holds exit codes alone.
            os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
            asyncio.run(work(Death(**orjson.loads(line))))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
