"""The part of a worker process that tells customers' endpoints."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from temporalio.client import Client
from temporalio.worker import Worker

from storage.deliveries import DeliveryStore
from storage.delivery_writing import DeliveryWriter
from storage.endpoint_events import EndpointEvents
from storage.postgres import close_pool, open_pool
from storage.sealing import Sealer
from workflows.activities.deliveries import DeliveryAttempts, DeliveryWriting
from workflows.config import WorkerSettings
from workflows.delivery_contracts import WEBHOOK_DELIVERIES_QUEUE
from workflows.delivery_line import DeliveryLine
from workflows.delivery_relay import DeliveryRelay
from workflows.delivery_replay import DeliveryReplayWorkflow
from workflows.delivery_starts import DeliveryStarts
from workflows.vendors.webhook_sender import WebhookSender
from workflows.webhook_delivery import WebhookDeliveryWorkflow

_MAX_ATTEMPTS: Final = 60
"""Of one process at once. Each may take 15 s, and none more than 5 of one endpoint."""

_POOL_SIZE: Final = 6
_STATEMENT_SECONDS: Final = 8.0


class Running(Protocol):
    """Whatever a worker process runs until it is cancelled."""

    @property
    def is_running(self) -> bool: ...

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryParts:
    """What deliveries need of Postgres and of the network."""

    attempts: DeliveryAttempts
    writer: DeliveryWriter
    events: EndpointEvents

    def writing(self, client: Client) -> DeliveryWriting:
        """The activities that have workflows started by this client."""
        return DeliveryWriting(self.writer, DeliveryStarts(client))


@asynccontextmanager
async def open_deliveries(settings: WorkerSettings) -> AsyncGenerator[DeliveryParts]:
    """Connections of their own: however much is to be delivered, calls are processed beside it."""
    pool = await open_pool(
        settings.database_url,
        size=_POOL_SIZE,
        name="worker deliveries",
        statement_seconds=_STATEMENT_SECONDS,
        prepared=settings.database_prepared_statements,
    )
    sealer = Sealer(settings.encryption_key.get_secret_value())
    try:
        async with WebhookSender(insecure=settings.webhooks_insecure) as sender:
            yield DeliveryParts(
                attempts=DeliveryAttempts(DeliveryStore(pool, sealer), sender),
                writer=DeliveryWriter(pool),
                events=EndpointEvents(pool),
            )
    finally:
        await close_pool(pool)


def delivery_workers(client: Client, parts: DeliveryParts, options: Mapping[str, Any]) -> Sequence[Running]:
    """The worker of the queue and what feeds it, not running yet."""
    writing = parts.writing(client)
    told: dict[str, Any] = {"max_concurrent_activities": _MAX_ATTEMPTS, **options}
    worker = Worker(
        client,
        task_queue=WEBHOOK_DELIVERIES_QUEUE,
        workflows=[WebhookDeliveryWorkflow, DeliveryReplayWorkflow],
        activities=[parts.attempts.attempt_delivery, writing.replay_page, writing.replay_done],
        **told,
    )
    starts = DeliveryStarts(client)
    relay = DeliveryRelay(parts.writer, parts.events, starts, now=lambda: datetime.now(UTC))
    return (worker, relay, DeliveryLine(parts.writer, starts))
