"""The vendor simulator on a port of its own, over the tests' Postgres and Valkey."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from serve.config import Settings
from serve.simulator.app import SCOPE, Parts, create_simulator
from serve.webhooks.ingress import WebhookIngress
from storage.postgres import Pool, open_pool
from storage.principals import Principal
from storage.redis import open_redis
from storage.simulator_store import Document, SimulatorStore
from tests.integration.webhook_door import KEY, Queue
from tests.running_stack import free_port
from workflows.vendors.tls import tls_context
from workflows.vendors.vapi_wiring import Wiring

ACCOUNT = "AC" + "0" * 32
TOKEN = "token-of-the-account"
STRIPE_KEY = "sk_test_simulated"
RESEND_KEY = "re_simulated"
VAPI_KEY = "vapi-private"
VAPI_PUBLIC_KEY = "vapi-public"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedVendors:
    """`origin` is where it is reached; `ours` and `theirs` are organizations with API keys of these names."""

    origin: str
    http: httpx.AsyncClient
    pool: Pool
    ours: str
    theirs: str

    def url(self, vendor: str) -> str:
        return f"{self.origin}/simulator/{vendor}"

    async def requests(self, key: str = "ours", *, vendor: str | None = None) -> list[Document]:
        """What the vendors were asked for an organization, the oldest first."""
        answer = await self.http.get("/simulator/requests", params={"limit": 2000}, headers=bearer(key))
        found: list[Document] = answer.json()["requests"]
        return [each for each in reversed(found) if vendor in {None, each["vendor"]}]

    async def misbehave(self, **faults: Document) -> None:
        answer = await self.http.put("/simulator/faults", json=faults, headers=bearer("ours"))
        assert answer.status_code == 200, answer.text


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@asynccontextmanager
async def simulated_vendors(database_url: str, redis_url: str) -> AsyncGenerator[SimulatedVendors]:
    """With the door that the vendors' webhooks go to, as in the local stack."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        temporal_address="unused",
        encryption_key=SecretStr(KEY),
        recordings_url="file:///unused",
        public_base_url=origin,
        stripe_secret_key=SecretStr(STRIPE_KEY),
        stripe_webhook_secret=SecretStr("whsec_stripe"),
        twilio_account_sid=ACCOUNT,
        twilio_auth_token=SecretStr(TOKEN),
        resend_api_key=SecretStr(RESEND_KEY),
        resend_webhook_secret=SecretStr("whsec_cmVzZW5k"),
    )
    ours, theirs = str(uuid4()), str(uuid4())
    principals = {
        name: Principal(organization_id=identity, subject=name, scopes=frozenset({SCOPE}))
        for name, identity in (("ours", ours), ("theirs", theirs))
    }

    async def verify(key: str) -> Principal | None:
        return principals.get(key)

    async def account_of(token: str) -> Sequence[str]:
        return {VAPI_KEY: [ours], f"{VAPI_KEY}-of-others": [theirs]}.get(token, ())

    async def is_public(token: str) -> bool:
        return token == VAPI_PUBLIC_KEY

    async def wiring_of(organization_id: str) -> Wiring:
        return Wiring(url=f"{origin}/webhooks/vapi/{organization_id}", secret="secret-of-the-webhook")

    async with await open_pool(database_url, size=2, name="test") as pool, open_redis(redis_url) as redis:
        for organization_id in (ours, theirs):
            await pool.execute(
                "insert into organizations (id, name, slug) values ($1, 'Clinic', $1::uuid::text)", organization_id
            )

        @asynccontextmanager
        async def opened() -> AsyncGenerator[Parts]:
            yield Parts(
                store=SimulatorStore(redis, pool),
                verify=verify,
                account_of=account_of,
                is_public=is_public,
                wiring_of=wiring_of,
            )

        app = create_simulator(settings, opened)
        root = FastAPI()
        root.mount("/simulator", app)
        ingress = WebhookIngress(settings, router=Queue())
        await ingress.startup()
        root.mount("/webhooks", ingress)
        # An answer that is dropped is held for longer than any client waits, and would hold up the end as long.
        config = uvicorn.Config(
            root, host="127.0.0.1", port=port, log_level="error", lifespan="off", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(verify=tls_context(), base_url=origin, timeout=10) as http,
        ):
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110  (uvicorn tells by a flag)
                await asyncio.sleep(0.01)
            yield SimulatedVendors(origin=origin, http=http, pool=pool, ours=ours, theirs=theirs)
            server.should_exit = True
            await serving
        await ingress.shutdown()
