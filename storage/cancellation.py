"""Whether the task that runs has been told to end, where a driver may have lost the CancelledError that told it.

redis-py sends by asyncio.wait_for, which before Python 3.12 lets a cancellation vanish (gh-86296). asyncpg gives a
connection back whose statement was cancelled, and what fails then takes the cancellation's place. A loop of ours that
lives on what a driver says could never be ended.
"""

import asyncio
from collections.abc import Callable


def cancellation() -> Callable[[], bool]:
    """Tells, when asked later in the same task, whether somebody cancelled it since now."""
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    return lambda: task is not None and task.cancelling() > before
