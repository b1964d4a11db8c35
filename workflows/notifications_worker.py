"""The worker of the queue `notifications`."""

from typing import Any

from temporalio.client import Client
from temporalio.worker import Worker

from workflows.activities.notifications import CallNotifications
from workflows.step_contracts import NOTIFICATIONS_QUEUE

_MAX_SENDING = 20


def notifications_worker(client: Client, activities: CallNotifications, **options: Any) -> Worker:
    """The worker, not running yet."""
    told: dict[str, Any] = {"max_concurrent_activities": _MAX_SENDING, **options}
    return Worker(
        client,
        task_queue=NOTIFICATIONS_QUEUE,
        activities=[activities.send_notification],
        **told,
    )
