"""Processes that work on deliveries until they come to one point of the way, and are killed there as by kill -9.

`python -m tests.fakes.dying_worker TEMPORAL DATABASE` imports what they need once. For each line "NTH POINT" that it
reads it forks one, waits for its death and writes the exit code: see POINTS; NTH counts how often it was come to.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner

from storage.deliveries import Begun, DeliveryStore
from tests.fakes.delivery_world import settings_of
from workflows.delivery_worker import delivery_workers, open_deliveries
from workflows.vendors.webhook_sender import WebhookSender
from workflows.webhook_delivery import WebhookDeliveryWorkflow
from workflows.worker import run_workers

Method = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Before a method, or `after` it whenever it answered as that says."""

    owner: type
    method: str
    after: Callable[[Any], bool] | None = None


def _any(_: object) -> bool:
    return True


def _is_begun(answer: object) -> bool:
    return isinstance(answer, Begun)


def _is_refused(answer: object) -> bool:
    return answer == "pending"


POINTS: Final[dict[str, Point]] = {
    "deciding": Point(owner=WebhookDeliveryWorkflow, method="_attempt"),
    "deciding to wait": Point(owner=WebhookDeliveryWorkflow, method="_wait_until"),
    "before it is written that it begins": Point(owner=DeliveryStore, method="begin"),
    "after it is written that it begins": Point(owner=DeliveryStore, method="begin", after=_is_begun),
    "after it was sent": Point(owner=WebhookSender, method="send", after=_any),
    "after its answer was written": Point(owner=DeliveryStore, method="finish", after=_any),
    "after a refusal was written": Point(owner=DeliveryStore, method="finish", after=_is_refused),
}


def _deadly(method: Method, point: Point, *, nth: int) -> Method:
    come = 0

    @wraps(method)
    async def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal come
        answer = await method(*arguments, **named) if point.after else None
        is_it = point.after is None or point.after(answer)
        come += is_it
        if is_it and come == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer if point.after else await method(*arguments, **named)

    return dying


async def work(address: str, database_url: str, point: Point, nth: int) -> None:
    setattr(point.owner, point.method, _deadly(getattr(point.owner, point.method), point, nth=nth))
    client = await Client.connect(address)
    async with open_deliveries(settings_of(database_url)) as parts:
        await run_workers(delivery_workers(client, parts, {"workflow_runner": UnsandboxedWorkflowRunner()}))


def main(address: str, database_url: str) -> None:
    for line in sys.stdin:
        nth, _, point = line.strip().partition(" ")
        child = os.fork()
        if child == 0:
            asyncio.run(work(address, database_url, POINTS[point], int(nth)))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
