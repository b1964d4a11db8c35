"""What a process of the product does to itself at its start: who yields the processor to whom, and what is garbage."""

import gc
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

SHARD_NICENESS: Final = 5
"""Live state may lag behind by moments where an acknowledgement may not: the webhooks' replicas run at 0."""
WORKER_NICENESS: Final = 10
"""Work that may take days yields to both."""

_THREADS: Final = Path("/proc/self/task")
# A body of 50 KB is a thousand containers, all gone with its answer: Python's 700 would look for cycles in each.
_YOUNG_CONTAINERS: Final = 10_000


def yield_processor(niceness: int) -> None:
    """Lower the priority of every thread of this process; threads to come inherit it. Linux sets it by thread."""
    if not _THREADS.exists():
        os.setpriority(os.PRIO_PROCESS, 0, niceness)
        return
    for thread in _THREADS.iterdir():
        with suppress(ProcessLookupError):
            os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)


def settle_heap() -> None:
    """Call once all is imported and open: what exists by now is looked through for garbage no more.

    Modules and their classes are some 200,000 containers. A full collection among them stops the process for 100 ms,
    every few seconds under load, and finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_CONTAINERS, *gc.get_threshold()[1:])
