"""Organizations that are set up, between real servers: the product in one process, its simulated vendors, Temporal."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from serve.auth import API_SCOPES
from serve.config import Settings
from storage.api_keys import add_api_key, new_api_key
from storage.onboarding import OnboardingKey, Onboardings
from storage.postgres import Pool, open_pool, transaction
from storage.provider_keys import VAPI, VAPI_PUBLIC, put_provider_key
from storage.provisioning import add_organization, put_member
from storage.sealing import Sealer
from storage.statements import statement
from tests.fakes.points import Points
from tests.fakes.processing_world import kept_history, now_ms, until
from tests.integration.one_process import running
from workflows.activities.discretion import Discretion
from workflows.config import WorkerSettings
from workflows.delivery_worker import Running
from workflows.messaging import open_messaging
from workflows.onboarding_contracts import onboarding_workflow_id
from workflows.onboarding_starts import OnboardingStarts
from workflows.onboarding_worker import onboarding_workers, open_onboarding
from workflows.worker import run_workers

TEST_NUMBER: Final = "+15550177055"
OWNER: Final = "owner-of-the-test@clinic.example"
REFUSED_NUMBER: Final = "+15005550001"
"""VAPI calls nobody there."""

TEMPLATE: Final = "front-desk"
CHANGES: Final = frozenset({"POST", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """An organization that is to be set up, and what opens its doors."""

    organization_id: str
    api_key: str
    vapi_key: str
    vapi_public_key: str

    @property
    def credential(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


@dataclass
class OnboardingWorld:
    """The product, with workers of its own for this queue alone."""

    pool: Pool
    client: Client
    env: WorkflowEnvironment | None
    settings: Settings
    http: httpx.AsyncClient
    store: Onboardings

    @property
    def address(self) -> str:
        """Temporal's."""
        return self.client.service_client.config.target_host

    @property
    def sealer(self) -> Sealer:
        return Sealer(self.settings.encryption_key.get_secret_value())

    async def add_customer(self, *, keys: bool = True, plan: str | None = "starter", owner: bool = True) -> Customer:
        organization_id, key = str(uuid4()), new_api_key()
        made = Customer(
            organization_id=organization_id,
            api_key=key.text,
            vapi_key=f"private-{uuid4().hex}",
            vapi_public_key=f"public-{uuid4().hex}",
        )
        async with transaction(self.pool) as connection:
            await add_organization(
                connection,
                organization_id=organization_id,
                name="Clinic",
                slug=organization_id,
                time_zone="UTC",
                plan_id=plan,
            )
            await add_api_key(
                connection,
                key,
                organization_id=organization_id,
                name="of the test",
                scopes=sorted(API_SCOPES),
                role="owner",
            )
            if owner:
                await put_member(
                    connection, organization_id=organization_id, user_id=str(uuid4()), email=OWNER, role="owner"
                )
            if keys:
                for provider, told in ((VAPI, made.vapi_key), (VAPI_PUBLIC, made.vapi_public_key)):
                    await put_provider_key(
                        connection, self.sealer, organization_id=organization_id, provider=provider, key=told
                    )
        return made

    async def ask(self, customer: Customer, *, test_number: str | None = TEST_NUMBER) -> OnboardingKey:
        """As the API writes one."""
        onboarding_id = uuid4()
        # Few numbers are for sale in each.
        area_code = f"{200 + onboarding_id.int % 700}"
        template = await self.pool.fetchrow("select id, config from templates where slug = $1", TEMPLATE)
        assert template is not None
        config = {**template["config"], "firstMessage": "Thank you for calling the clinic."}
        async with transaction(self.pool) as connection:
            await connection.execute("select set_config('request.jwt.claims', '{\"actor\": \"key:test\"}', true)")
            await connection.execute(
                statement("onboarding_add"),
                UUID(customer.organization_id), onboarding_id, template["id"], "Front desk", config, "US", area_code,
                None, test_number,
            )  # fmt: skip
        return OnboardingKey(organization_id=customer.organization_id, id=onboarding_id)

    async def start(self, key: OnboardingKey) -> None:
        await OnboardingStarts(self.client, self.store).start(key)

    def handle(self, key: OnboardingKey) -> WorkflowHandle[Any, Any]:
        return self.client.get_workflow_handle(onboarding_workflow_id(str(key.id)))

    async def finish(self, key: OnboardingKey) -> str:
        """The result of the onboarding's run; the clock skips to it."""
        service = self.client.test_service
        await service.unlock_time_skipping(UnlockTimeSkippingRequest())
        try:
            async with asyncio.timeout(120):
                while (result := await _result(self.handle(key))) is None:
                    pass
            return result
        finally:
            await service.lock_time_skipping(LockTimeSkippingRequest())

    async def carry_out(self, key: OnboardingKey, settings: WorkerSettings | None = None, **options: Any) -> str:
        async with self.working(settings, **options):
            await self.start(key)
            return await self.finish(key)

    @asynccontextmanager
    async def working(self, settings: WorkerSettings | None = None, **options: Any) -> AsyncGenerator[None]:
        async with onboarding_at_work(self.client, settings or self.settings.worker, self.pool, options):
            yield

    @asynccontextmanager
    async def passing(self, points: Points) -> AsyncGenerator[None]:
        """As `working`, by these points."""
        async with self.working(interceptors=[Discretion(), points], workflow_runner=points.runner()):
            with points.at_requests():
                yield

    async def steps(self, key: OnboardingKey) -> dict[str, tuple[str, str | None]]:
        """State and detail of each step that was begun."""
        rows = await self.pool.fetch(
            "select step, state, detail from onboarding_steps where onboarding_id = $1", key.id
        )
        return {row["step"]: (row["state"], row["detail"]) for row in rows}

    async def states(self, key: OnboardingKey) -> dict[str, str]:
        return {step: state for step, (state, _) in (await self.steps(key)).items()}

    async def facts(self, key: OnboardingKey, step: str) -> Mapping[str, str]:
        held = await self.store.step(key, step)
        assert held is not None
        return held.facts

    async def changes(self, customer: Customer) -> Sequence[tuple[str, str, str]]:
        """What vendors did of what they were asked for the organization: vendor, method, path without ids.

        What a vendor was asked twice with one idempotency key it did once.
        """
        told = await self.http.get("/simulator/requests", params={"limit": 2000}, headers=customer.credential)
        assert told.status_code == 200, told.text
        done: dict[str, tuple[str, str, str]] = {}
        for number, each in enumerate(reversed(told.json()["requests"])):
            # Of calls everybody is shown everybody's.
            if each["method"] in CHANGES and (each["status"] or 500) < 300 and not each["path"].startswith("/call"):
                key = each["headers"].get("idempotency-key", f"none {number}")
                done.setdefault(key, (each["vendor"], each["method"], _plain(each["path"])))
        return [*done.values()]

    async def placed_calls(self, customer: Customer) -> int:
        told = await self.http.get("/simulator/calls", headers=customer.credential)
        return len(told.json()["calls"])

    async def misbehave(self, customer: Customer, **faults: Any) -> None:
        answer = await self.http.put("/simulator/faults", json=faults, headers=customer.credential)
        assert answer.status_code == 200, answer.text

    async def keep_history(self, key: OnboardingKey, name: str) -> bytes:
        return await kept_history(self.handle(key), name, folder="onboarding")

    async def left(self, customer: Customer) -> dict[str, int]:
        """What the organization has: rows of ours, and records at VAPI."""
        organization_id = UUID(customer.organization_id)
        counts = await self.pool.fetchrow(
            """select
                   (select count(*) from assistants where organization_id = $1 and deleted_at is null) as assistants,
                   (select count(*) from phone_numbers where organization_id = $1 and deleted_at is null) as numbers,
                   (select count(*) from organizations where id = $1 and stripe_customer_id is not null) as customers,
                   (select count(*) from organizations where id = $1 and subscription_status = 'active') as active""",
            organization_id,
        )
        assert counts is not None
        at_vapi = {
            kind: len(
                (
                    await self.http.get(
                        f"/simulator/vapi/{kind}", headers={"Authorization": f"Bearer {customer.vapi_key}"}
                    )
                ).json()
            )
            for kind in ("assistant", "phone-number")
        }
        return {**dict(counts), **at_vapi}


@asynccontextmanager
async def onboarding_at_work(
    client: Client, settings: WorkerSettings, pool: Pool, options: Mapping[str, Any], *, feed: bool = False
) -> AsyncGenerator[Sequence[Running]]:
    """The queue's worker; with `feed` also what starts onboardings that were asked for."""
    async with (
        open_messaging(settings) as messaging,
        open_onboarding(settings, pool, messaging, cache=None, now=now_ms) as activities,
    ):
        worker, feeding = onboarding_workers(client, activities, {"interceptors": [Discretion()], **options})
        working = (worker, feeding) if feed else (worker,)
        task = asyncio.create_task(run_workers(working))
        try:
            await until(lambda: _all_run(working))
            yield working
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def onboarding_world(
    folder: Path, *, database_url: str, redis_url: str, client: Client, env: WorkflowEnvironment | None = None
) -> AsyncGenerator[OnboardingWorld]:
    """Beside a Temporal whose clock skips (`env`), or another."""
    address = client.service_client.config.target_host
    async with (
        running(folder, database_url=database_url, redis_url=redis_url, temporal_address=address, workers=False) as (
            settings,
            _,
        ),
        await open_pool(database_url, size=4, name="test") as pool,
        httpx.AsyncClient(base_url=settings.public_base_url, timeout=20) as http,
    ):
        store = Onboardings(pool, Sealer(settings.encryption_key.get_secret_value()))
        yield OnboardingWorld(pool=pool, client=client, env=env, settings=settings, http=http, store=store)


async def _result(handle: WorkflowHandle[Any, Any]) -> str | None:
    try:
        return await handle.result()
    except RuntimeError as silent:
        # The time-skipping server ends the wait for a run after 20 s, however it stands; the client is surprised.
        if "No completion event" not in str(silent):
            raise
        return None


async def _all_run(workers: Sequence[Running]) -> bool:
    return all(worker.is_running for worker in workers)


def _plain(path: str) -> str:
    """A path without ids: its words alone."""
    return "/".join(part for part in path.split("/") if part and not any(each.isdigit() for each in part[1:]))
