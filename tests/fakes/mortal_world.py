"""Everything that workflows work on, between real servers: Postgres, Temporal, every vendor.

Whoever works here may be killed: each life of a worker is one call of `alive`, or a process of killed_worker.
"""

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import asyncpg
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from storage.postgres import Pool, open_pool
from storage.sealing import Sealer
from tests.fakes.message_server import ACCOUNT, MessageServer, running_messages
from tests.fakes.points import Points
from tests.fakes.processing_world import until
from tests.fakes.stripe_server import PRICE, StripeServer, running_stripe
from tests.fakes.vapi_server import VapiServer, running_vapi
from tests.fakes.webhook_receiver import WebhookReceiver, running_receiver
from workflows.activities.discretion import Discretion
from workflows.client import connect
from workflows.config import WorkerSettings
from workflows.delivery_worker import Running
from workflows.worker import build_workers, open_activities, run_workers

NUMBER: Final = "+15550177021"
ADDRESS: Final = "ottilie@planted.example"
"""Who is told of calls and of money, by everybody."""
_ORGANIZATIONS: Final = UUID("5b0f2f8c-3d1c-4f6e-9d55-6a3c1d7e0001")
_ENCRYPTION_KEY: Final = base64.b64encode(bytes(32)).decode()
SEALER: Final = Sealer(_ENCRYPTION_KEY)
"""As the workers' own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MortalWorld:
    """Organizations by a name and a number each, and what they have."""

    pool: Pool
    client: Client
    address: str
    settings: Mapping[str, Any]
    vapi: VapiServer
    messages: MessageServer
    stripe: StripeServer
    receiver: WebhookReceiver
    secrets: list[str] = field(default_factory=list[str])

    async def add_organization(self, name: str, *, plan: str = "metered", customer: bool = False) -> str:
        organization_id = organization_of(name)
        await self.pool.execute(
            "insert into organizations (id, name, slug, plan_id, stripe_customer_id) values ($1, $2, $2, $3, $4)",
            UUID(organization_id), name, plan, f"cus-{name}" if customer else None,
        )  # fmt: skip
        return organization_id

    async def add_recipients(self, organization_id: str, kind: str) -> None:
        for channel, address in (("sms", NUMBER), ("email", ADDRESS)):
            await self.pool.execute(
                "insert into notification_recipients (id, organization_id, channel, address, kinds)"
                " values ($1, $2, $3, $4, $5)",
                uuid4(), UUID(organization_id), channel, address, [kind],
            )  # fmt: skip

    async def add_integration(self, organization_id: str, path: str) -> UUID:
        integration_id, secret = uuid4(), f"whsec_{base64.b64encode(uuid4().bytes * 2).decode()}"
        self.secrets.append(secret)
        await self.pool.execute(
            "insert into integrations (id, organization_id, name, url, events, sealed_secret)"
            " values ($1, $2, 'Hook', $3, '{call.completed}', $4)",
            integration_id, UUID(organization_id), f"{self.receiver.base_url}{path}",
            SEALER.seal(organization_id, secret.encode()),
        )  # fmt: skip
        return integration_id

    async def rows(self, query: str, *arguments: object) -> Sequence[tuple[Any, ...]]:
        return [tuple(row) for row in await self._fetch(query, arguments)]

    async def _fetch(self, query: str, arguments: Sequence[object]) -> Sequence[asyncpg.Record]:
        return await self.pool.fetch(query, *arguments)

    @asynccontextmanager
    async def alive(self, points: Points | None = None) -> AsyncGenerator[None]:
        """Workers of everything live inside."""
        passed = points or Points()
        async with open_activities(WorkerSettings(**self.settings)) as activities:
            workers = build_workers(
                self.client, activities, interceptors=[Discretion(), passed], workflow_runner=passed.runner()
            )
            running = asyncio.create_task(run_workers(workers))
            try:
                await until(lambda: _all_run(workers))
                with passed.at_requests():
                    yield
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    async def results(self, workflow_ids: Sequence[str], *, seconds: float = 120) -> Mapping[str, Any]:
        """What each comes to."""
        async with asyncio.timeout(seconds):
            told = await asyncio.gather(*(self.handle(each).result() for each in workflow_ids))
        return dict(zip(workflow_ids, told, strict=True))

    def handle(self, workflow_id: str) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(workflow_id)


@asynccontextmanager
async def burying(client: Client) -> AsyncGenerator[None]:
    """Inside, the time of activities that a dead worker began is over soon, which may be minutes."""
    task = asyncio.create_task(_bury(client))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _bury(client: Client) -> None:
    # Again and again: what was on its way to a dead worker is begun by it a moment later.
    while True:
        with suppress(RPCError):  # a busy server answers the next time
            await _bury_begun(client)
        await asyncio.sleep(1)


async def _bury_begun(client: Client) -> None:
    async for each in client.list_workflows("ExecutionStatus = 'Running'"):
        described = await client.get_workflow_handle(each.id).describe()
        for pending in described.raw_description.pending_activities:
            is_begun = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
            if is_begun and pending.last_worker_identity != client.identity:
                held = client.get_async_activity_handle(
                    workflow_id=each.id, run_id=described.run_id, activity_id=pending.activity_id
                )
                await held.fail(ApplicationError("nobody is there any more", type="Timeout"))


def organization_of(name: str) -> str:
    """The id of the organization of that name."""
    return str(uuid5(_ORGANIZATIONS, name))


async def _all_run(workers: Sequence[Running]) -> bool:
    return all(worker.is_running for worker in workers)


@asynccontextmanager
async def mortal_world(database_url: str, folder: Path, temporal_address: str) -> AsyncGenerator[MortalWorld]:
    client = await connect(temporal_address, lazy=False)
    async with AsyncExitStack() as opened:
        vapi = await opened.enter_async_context(running_vapi())
        messages = await opened.enter_async_context(running_messages())
        stripe = await opened.enter_async_context(running_stripe())
        receiver = await opened.enter_async_context(running_receiver())
        pool = await opened.enter_async_context(await open_pool(database_url, size=4, name="test"))
        await pool.execute("update plans set stripe_metered_price_id = $1 where id = 'metered'", PRICE)
        yield MortalWorld(
            pool=pool,
            client=client,
            address=temporal_address,
            settings={
                "database_url": database_url,
                "temporal_address": "unused",
                "encryption_key": _ENCRYPTION_KEY,
                "recordings_url": folder.as_uri(),
                "vapi_base_url": vapi.base_url,
                "twilio_account_sid": ACCOUNT,
                "twilio_auth_token": "token",
                "twilio_from": "+15550100099",
                "twilio_base_url": messages.base_url,
                "resend_api_key": "re_test",
                "resend_from": "calls@clinic.example",
                "resend_base_url": messages.base_url,
                "stripe_secret_key": "sk_test",
                "stripe_base_url": stripe.base_url,
                "public_base_url": "https://us.example",
                "webhooks_insecure": True,
            },
            vapi=vapi,
            messages=messages,
            stripe=stripe,
            receiver=receiver,
        )
