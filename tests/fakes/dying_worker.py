"""A process that works on deliveries until it comes to one point of the way, and is killed there as by kill -9.

`python -m tests.fakes.dying_worker TEMPORAL DATABASE POINT NTH`: see POINTS; NTH counts how often it was come to.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner

from storage.deliveries import DeliveryStore
from tests.fakes.delivery_world import settings_of
from workflows.delivery_worker import delivery_workers, open_deliveries
from workflows.vendors.webhook_sender import WebhookSender
from workflows.webhook_delivery import WebhookDeliveryWorkflow
from workflows.worker import run_workers

Method = Callable[..., Awaitable[Any]]

POINTS: Final[dict[str, tuple[type, str, bool]]] = {
    "deciding": (WebhookDeliveryWorkflow, "_attempt", False),
    "deciding to wait": (WebhookDeliveryWorkflow, "_wait_until", False),
    "before it is written that it begins": (DeliveryStore, "begin", False),
    "after it is written that it begins": (DeliveryStore, "begin", True),
    "after it was sent": (WebhookSender, "send", True),
    "after its answer was written": (DeliveryStore, "finish", True),
}


def _deadly(method: Method, *, after: bool, nth: int) -> Method:
    come = 0

    @wraps(method)
    async def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal come
        come += 1
        is_mine = come == nth
        answer = await method(*arguments, **named) if after else None
        if is_mine:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer if after else await method(*arguments, **named)

    return dying


async def main(address: str, database_url: str, point: str, nth: int) -> None:
    owner, name, after = POINTS[point]
    setattr(owner, name, _deadly(getattr(owner, name), after=after, nth=nth))
    client = await Client.connect(address)
    async with open_deliveries(settings_of(database_url)) as parts:
        await run_workers(delivery_workers(client, parts, {"workflow_runner": UnsandboxedWorkflowRunner()}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
