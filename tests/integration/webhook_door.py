"""The webhook door as VAPI meets it: the ASGI application on a real database, driven without a socket."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from pydantic import SecretStr

from actors.domain.commands import InboxRow
from actors.ports import Delivery, UnavailableError
from serve.config import Settings
from serve.webhooks.ingress import WebhookIngress
from storage.bodies import unpacked
from storage.postgres import Pool, open_pool
from storage.provisioning import add_organization, put_assistant, put_phone_number, put_webhook_secret
from storage.sealing import Sealer

PAYLOADS = Path(__file__).parent.parent / "payloads"
KEY = base64.b64encode(bytes(range(32))).decode()


class Queue:
    """What was handed over, kept; `room` is how much more fits."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.room = 1_000_000
        self.outcome: str | None = "accepted"
        """What the owner decides of requests; None while it is away."""

    def offer(self, delivery: Delivery) -> bool:
        if len(self.deliveries) >= self.room:
            return False
        self.deliveries.append(delivery)
        return True

    async def admit(self, organization_id: str, request: InboxRow, *, seconds: float) -> str:
        if self.outcome is None:
            await asyncio.sleep(seconds)
            raise UnavailableError("the owner is away")
        return self.outcome

    def holds(self, count: int) -> Callable[[], Awaitable[bool]]:
        """A condition for `until`."""

        async def is_reached() -> bool:
            return len(self.deliveries) >= count

        return is_reached


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something in Postgres, which announces nothing."""
    async with asyncio.timeout(30):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def payload(name: str) -> dict[str, Any]:
    return json.loads((PAYLOADS / f"{name}.json").read_text())


def message(
    kind: str, *, call_id: str | None = "call-1", timestamp: object = 1_787_220_000_000, **fields: object
) -> dict[str, Any]:
    told: dict[str, Any] = {"type": kind, "timestamp": timestamp, **fields}
    if call_id is not None:
        told["call"] = {"id": call_id, "type": "inboundPhoneCall"}
    return {"message": told}


class Door:
    """The application, its database, and an HTTP client straight into it."""

    def __init__(self, *, ingress: WebhookIngress, http: httpx.AsyncClient, database: Pool, queue: Queue) -> None:
        self.ingress = ingress
        self.http = http
        self.database = database
        self.queue = queue

    async def add_organization(self, *, secrets: Sequence[str] = ("whsec-1",), tool_url: str | None = None) -> str:
        organization_id = str(uuid4())
        sealer = Sealer(KEY)
        async with self.database.acquire() as connection:
            await add_organization(
                connection, organization_id=organization_id, name="Clinic", slug=organization_id, time_zone="UTC"
            )
            for secret in secrets:
                await put_webhook_secret(
                    connection,
                    secret_id=uuid4(),
                    organization_id=organization_id,
                    provider="vapi",
                    sealed=sealer.seal(organization_id, secret.encode()),
                )
            await connection.execute("update organizations set tool_url = $2 where id = $1", organization_id, tool_url)
        return organization_id

    async def add_number(
        self, organization_id: str, *, provider_id: str, number: str, config: Mapping[str, Any]
    ) -> None:
        async with self.database.acquire() as connection:
            assistant_id = uuid4()
            await put_assistant(
                connection, assistant_id=assistant_id, organization_id=organization_id, name="Desk", config=config
            )
            await put_phone_number(
                connection,
                phone_number_id=uuid4(),
                organization_id=organization_id,
                provider_phone_number_id=provider_id,
                number=number,
                assistant_id=assistant_id,
            )

    async def post(
        self,
        organization_id: str,
        body: object,
        *,
        secret: str | None = "whsec-1",  # noqa: S107  # the test's own
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", **(headers or {})}
        if secret is not None:
            sent["x-vapi-secret"] = secret
        return await self.http.post(f"/webhooks/vapi/{organization_id}", content=content, headers=sent)

    async def post_within(self, seconds: float, organization_id: str, body: object) -> httpx.Response:
        """Post, and fail when no answer comes in time: some promises are about time itself."""
        async with asyncio.timeout(seconds):
            return await self.post(organization_id, body)

    async def accepts(self, organization_id: str, body: object) -> bool:
        return (await self.post(organization_id, body)).is_success

    async def has_row(self, organization_id: str, kind: str) -> bool:
        return kind in [row["type"] for row in await self.rows(organization_id)]

    async def rows(self, organization_id: str) -> list[dict[str, Any]]:
        """What Postgres holds, each with the text of its `body`."""
        rows = await self.database.fetch(
            """select type, event_key, call_id, deliveries, facts, packed from webhook_inbox
               left join webhook_bodies on inbox_id = id where webhook_inbox.organization_id = $1 order by id""",
            organization_id,
        )
        return [{**row, "body": row["packed"] and unpacked(row["packed"]).decode()} for row in rows]


@asynccontextmanager
async def open_door(database_url: str) -> AsyncGenerator[Door]:
    settings = Settings(
        database_url=database_url,
        redis_url="redis://127.0.0.1:1",
        temporal_address="127.0.0.1:1",
        encryption_key=SecretStr(KEY),
        recordings_url="file:///nowhere",
        embedded=True,
    )
    queue = Queue()
    ingress = WebhookIngress(settings, router=queue, clock=lambda: time.time_ns() // 1_000_000)
    await ingress.startup()
    transport = httpx.ASGITransport(app=ingress)  # pyright: ignore[reportArgumentType]  # ASGI's own types are looser
    async with (
        await open_pool(database_url, size=2, name="test") as database,
        httpx.AsyncClient(transport=transport, base_url="http://door") as http,
    ):
        yield Door(ingress=ingress, http=http, database=database, queue=queue)
    await ingress.shutdown()
