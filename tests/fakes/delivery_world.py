"""Deliveries between real servers: Postgres, Temporal with a clock that skips, customers' endpoints on loopback."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from pydantic import SecretStr
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from storage.postgres import Pool, open_pool
from storage.sealing import Sealer
from tests.fakes.processing_world import kept_history, until
from tests.fakes.webhook_receiver import WebhookReceiver, running_receiver
from workflows.activities.deliveries import DeliveryWriting
from workflows.config import WorkerSettings
from workflows.contracts import CallRef
from workflows.delivery_contracts import delivery_workflow_id, replay_workflow_id
from workflows.delivery_worker import DeliveryParts, Running, delivery_workers, open_deliveries
from workflows.worker import run_workers

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0003"
OTHER = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0004"
CALL = "call-of-the-test"
PLANTED_NUMBER = "+15550177098"
PLANTED_WORDS = "my uncle Ferdinand"
_ENCRYPTION_KEY = base64.b64encode(bytes(32)).decode()


@dataclass
class DeliveryWorld:
    """Organizations with endpoints at the receiver, and the workers that tell them."""

    pool: Pool
    client: Client
    receiver: WebhookReceiver
    settings: WorkerSettings
    parts: DeliveryParts
    writing: DeliveryWriting
    env: WorkflowEnvironment | None = None
    secrets: dict[UUID, str] = field(default_factory=dict[UUID, str])

    async def add_organization(self, organization_id: str) -> None:
        await self.execute(
            "insert into organizations (id, name, slug) values ($1, 'Test', $2)", organization_id, organization_id
        )

    async def add_integration(
        self, path: str = "/hook", *, organization_id: str = ORGANIZATION, events: Sequence[str] = ("call.completed",)
    ) -> UUID:
        integration_id = uuid4()
        self.secrets[integration_id] = _secret()
        sealed = Sealer(_ENCRYPTION_KEY).seal(organization_id, self.secrets[integration_id].encode())
        await self.execute(
            "insert into integrations (id, organization_id, name, url, events, sealed_secret)"
            " values ($1, $2, 'Hook', $3, $5, $4)",
            integration_id, organization_id, f"{self.receiver.base_url}{path}", sealed, list(events),
        )  # fmt: skip
        return integration_id

    async def rotate(self, integration_id: UUID, *, until: datetime) -> None:
        secret = _secret()
        await self.execute(
            "update integrations set previous_sealed_secret = sealed_secret, previous_secret_expires_at = $3,"
            " sealed_secret = $2 where id = $1",
            integration_id, Sealer(_ENCRYPTION_KEY).seal(ORGANIZATION, secret.encode()), until,
        )  # fmt: skip
        self.secrets[integration_id] = secret

    async def end_call(self, call_id: str = CALL, *, organization_id: str = ORGANIZATION, said: str = "") -> None:
        """A call that is over and processed, as the actor and the earlier steps leave it."""
        row_id, at = uuid4(), datetime.now(UTC)
        await self.execute("insert into call_keys values ($1, $2, $3, $4)", organization_id, call_id, row_id, at)
        await self.execute(
            "insert into calls (id, created_at, organization_id, provider_call_id, status, ended_reason, from_number,"
            " ended_at, duration_ms, last_event_at, last_event_kind, version)"
            " values ($1, $2, $3, $4, 'ended', 'customer-ended-call', $5, $2, 61500, $2, 'end-of-call-report', 1)",
            row_id, at, organization_id, call_id, PLANTED_NUMBER,
        )  # fmt: skip
        await self.execute(
            "insert into call_transcripts (call_id, call_created_at, organization_id, transcript_text, messages,"
            " analysis) values ($1, $2, $3, $4, '[]', '{}')",
            row_id, at, organization_id, said or f"AI: Hello.\nUser: {PLANTED_WORDS} is ill.",
        )  # fmt: skip

    async def enqueue(self, call_id: str = CALL, *, organization_id: str = ORGANIZATION) -> int:
        call = CallRef(organization_id=organization_id, call_id=call_id)
        return await self.writing.enqueue_deliveries(call)

    async def ask_replay(
        self, integration_id: UUID, *, delivery_id: UUID | None = None, status: str | None = None
    ) -> UUID:
        """As the API writes one, for everything that was made so far."""
        replay_id = uuid4()
        await self.execute(
            "insert into delivery_replays (id, organization_id, integration_id, delivery_id, since, until,"
            " only_status, requested_by)"
            " values ($1, $2, $3, $4, now() - interval '1 day', now() + interval '1 day', $5, 'key:test')",
            replay_id, ORGANIZATION, integration_id, delivery_id, status,
        )  # fmt: skip
        return replay_id

    async def replay(self, integration_id: UUID, **asked: Any) -> UUID:
        """Ask for one; the relay of the running workers takes it up. Returns once it is carried out."""
        replay_id = await self.ask_replay(integration_id, **asked)

        async def done() -> bool:
            [row] = await self.fetch("select status from delivery_replays where id = $1", replay_id)
            return row["status"] == "done"

        await until(done)
        return replay_id

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.pool.acquire() as connection:
            return await connection.fetch(query, *arguments)

    async def execute(self, change: str, *arguments: Any) -> None:
        async with self.pool.acquire() as connection:
            await connection.execute(change, *arguments)

    async def deliveries(self) -> list[asyncpg.Record]:
        return await self.fetch("select * from webhook_deliveries order by created_at, id")

    async def the_delivery(self) -> asyncpg.Record:
        [row] = await self.deliveries()
        return row

    async def attempts(self) -> list[asyncpg.Record]:
        return await self.fetch("select * from webhook_delivery_attempts order by delivery_id, attempt")

    async def status_is(self, status: str) -> None:
        async def settled() -> bool:
            return {row["status"] for row in await self.deliveries()} == {status}

        await until(settled)

    async def status_is_of(self, integration_id: UUID, status: str) -> None:
        async def settled() -> bool:
            rows = [row for row in await self.deliveries() if row["integration_id"] == integration_id]
            return {row["status"] for row in rows} == {status}

        await until(settled)

    @asynccontextmanager
    async def working(self, parts: DeliveryParts | None = None, **options: Any) -> AsyncGenerator[None]:
        workers = delivery_workers(self.client, parts or self.parts, options)
        running = asyncio.create_task(run_workers(workers))
        try:
            await until(lambda: _all_run(workers))
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    def handle(self, delivery_id: UUID) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(delivery_workflow_id(str(delivery_id)))

    def replay_handle(self, replay_id: UUID) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(replay_workflow_id(str(replay_id)))

    async def skip(self, **duration: float) -> None:
        assert self.env is not None
        await self.env.sleep(timedelta(**duration))

    async def finish(self, delivery_id: UUID | None = None) -> str:
        """The result of a delivery's run; the clock skips to it."""
        handle = self.handle(delivery_id or (await self.the_delivery())["id"])
        service = self.client.test_service
        await service.unlock_time_skipping(UnlockTimeSkippingRequest())
        try:
            return await handle.result()
        finally:
            await service.lock_time_skipping(LockTimeSkippingRequest())

    async def keep_history(self, name: str) -> bytes:
        """Everything Temporal keeps of the one delivery's last run."""
        delivery = await self.the_delivery()
        return await kept_history(self.handle(delivery["id"]), name, folder="deliveries")

    async def keep_replay(self, replay_id: UUID, name: str) -> bytes:
        """Everything Temporal keeps of a replay's run."""
        return await kept_history(self.replay_handle(replay_id), name, folder="delivery-replays")


def _secret() -> str:
    return f"whsec_{base64.b64encode(uuid4().bytes * 2).decode()}"


async def _all_run(workers: Sequence[Running]) -> bool:
    return all(worker.is_running for worker in workers)


def settings_of(database_url: str) -> WorkerSettings:
    return WorkerSettings(
        database_url=database_url,
        temporal_address="unused",
        encryption_key=SecretStr(_ENCRYPTION_KEY),
        recordings_url="file:///nowhere",
        webhooks_insecure=True,
    )


@asynccontextmanager
async def delivery_world(
    database_url: str, client: Client, env: WorkflowEnvironment | None = None
) -> AsyncGenerator[DeliveryWorld]:
    pool = await open_pool(database_url, size=4, name="test")
    settings = settings_of(database_url)
    async with running_receiver() as receiver, open_deliveries(settings) as parts:
        world = DeliveryWorld(
            pool=pool,
            client=client,
            receiver=receiver,
            settings=settings,
            parts=parts,
            writing=parts.writing(client),
            env=env,
        )
        await world.add_organization(ORGANIZATION)
        yield world
    await pool.close()


@asynccontextmanager
async def skipping_world(database_url: str, test_server: Path) -> AsyncGenerator[DeliveryWorld]:
    async with (
        await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(test_server)) as env,
        delivery_world(database_url, env.client, env) as world,
    ):
        yield world
