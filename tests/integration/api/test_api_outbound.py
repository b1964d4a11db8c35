"""Placing calls: the owner decides, VAPI is asked once, and a lost answer is looked up, never dialled again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio
from aiohttp import web

from actors.router import ShardRouter
from actors.shard import Shard
from serve.api import create_api
from serve.config import Settings
from serve.outbound import Dialer
from serve.ports import open_ports
from serve.services import Services, open_services
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, transaction
from storage.provider_keys import put_provider_key
from tests.integration.api.conftest import BASE_URL, Tenant
from tests.integration.api.test_api_access import add_key, assert_problem, bearer
from tests.integration.one_process import NearShard


@dataclass(slots=True)
class Exchange:
    """VAPI's `POST /call` and `GET /call`: what it was asked, and how it misbehaves."""

    base_url: str = ""
    status: int = 201
    silent: bool = False
    carries_out: bool = True
    gate: asyncio.Event | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    placed: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    async def place(self, request: web.Request) -> web.StreamResponse:
        asked: dict[str, Any] = await request.json()
        assert request.headers["authorization"] == "Bearer private"
        self.asked.append(asked)
        self.arrived.set()
        call_id = str(uuid4())
        record = {
            "id": call_id,
            "name": asked["name"],
            "type": "outboundPhoneCall",
            "status": "queued",
            "assistantId": asked.get("assistantId"),
            "createdAt": datetime.now(UTC).isoformat(),
            "customer": asked["customer"],
            "monitor": {"controlUrl": f"{self.base_url}/{call_id}/control"},
            "subscriptionLimits": {
                "concurrencyBlocked": False,
                "concurrencyLimit": 10,
                "remainingConcurrentCalls": 9,
            },
        }
        if self.status >= 400:
            return web.json_response({"message": "Number is not valid."}, status=self.status)
        if self.carries_out:
            self.placed.append(record)
        if self.gate is not None:
            await self.gate.wait()
        if self.silent:
            assert request.transport is not None
            request.transport.close()
        return web.json_response(record, status=201)

    async def listing(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(self.placed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    client: httpx.AsyncClient
    exchange: Exchange
    services: Services
    pool: Pool
    tenant: Tenant
    body: dict[str, Any]

    async def place(self, key: str, **changes: Any) -> httpx.Response:
        headers = {**self.tenant.credential, "Idempotency-Key": key}
        return await self.client.post(f"{self.tenant.path}/calls", json={**self.body, **changes}, headers=headers)

    async def limit_to(self, concurrency: int) -> None:
        """Set how many calls may go on at once, and wait until the owner goes by it."""
        settings, slots = f"{self.tenant.path}/settings", f"{self.tenant.path}/slots"
        told = {"concurrency_limit": concurrency}
        (await self.client.patch(settings, json=told, headers=self.tenant.credential)).raise_for_status()
        async with asyncio.timeout(30):
            while True:
                held = await self.client.get(slots, headers=self.tenant.credential)
                if held.json()["limit"] == concurrency:
                    return
                await asyncio.sleep(0.02)

    async def outbound(self) -> list[dict[str, Any]]:
        got = await self.client.get(f"{self.tenant.path}/outbound-calls", headers=self.tenant.credential)
        return got.json()["outbound_calls"]


@pytest_asyncio.fixture
async def desk(settings: Settings, pool: Pool, tenant: Tenant) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as resources:
        exchange = Exchange()
        server = web.Application()
        server.router.add_post("/call", exchange.place)
        server.router.add_get("/call", exchange.listing)
        runner = web.AppRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        resources.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        exchange.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        local = settings.model_copy(update={"embedded": True, "vapi_base_url": exchange.base_url})
        shard = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=await open_ports(local))
        await shard.start()
        resources.push_async_callback(shard.stop)
        router = ShardRouter(PostgresOwnership(pool), lambda _name: NearShard(shard))
        await router.start()
        resources.push_async_callback(router.close)
        app = create_api(local, partial(open_services, local, owners=router))
        await resources.enter_async_context(app.router.lifespan_context(app))
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        client = await resources.enter_async_context(httpx.AsyncClient(transport=transport, base_url=BASE_URL))
        services: Services = app.state.services
        async with transaction(pool) as connection:
            await put_provider_key(
                connection,
                services.sealer,
                organization_id=tenant.organization_id,
                provider="vapi",
                key="private",
            )
        body = await _callee(client, tenant)
        yield Desk(client=client, exchange=exchange, services=services, pool=pool, tenant=tenant, body=body)


async def _callee(client: httpx.AsyncClient, tenant: Tenant) -> dict[str, Any]:
    assistant = await client.post(
        f"{tenant.path}/assistants",
        json={"name": "Desk", "provider_assistant_id": "asst-1"},
        headers=tenant.credential,
    )
    number = await client.post(
        f"{tenant.path}/phone-numbers",
        json={"number": "+15550100001", "provider_phone_number_id": "pn-1"},
        headers=tenant.credential,
    )
    return {
        "assistant_id": assistant.json()["id"],
        "phone_number_id": number.json()["id"],
        "customer": {"number": "+15550100002", "name": "Ada"},
        "variable_values": {"subject": "appointment"},
    }


async def test_a_call_is_placed_once_and_is_there_at_once(desk: Desk) -> None:
    got = await desk.place("k1")
    assert got.status_code == 201, got.text
    told = got.json()
    assert told["status"] == "placed"
    assert told["subscription_limits"]["remainingConcurrentCalls"] == 9
    (asked,) = desk.exchange.asked
    assert asked == {
        "name": told["id"],
        "phoneNumberId": "pn-1",
        "assistantId": "asst-1",
        "customer": {"number": "+15550100002", "name": "Ada"},
        "assistantOverrides": {"variableValues": {"subject": "appointment"}},
    }
    again = await desk.place("k1")
    assert (again.status_code, again.json()["call_id"]) == (201, told["call_id"])
    assert len(desk.exchange.asked) == 1
    row = await desk.pool.fetchval("select count(*) from webhook_inbox where call_id = $1", told["call_id"])
    assert row == 1
    address = await desk.services.provider.addresses.address_of(desk.tenant.organization_id, told["call_id"])
    assert address == f"{desk.exchange.base_url}/{told['call_id']}/control"
    assert "/control" not in got.text
    other = await desk.place("k1", customer={"number": "+15550100003"})
    assert_problem(other, 422, "invalid-parameter")
    actions = await desk.pool.fetch("select result from audit_log where action = 'call-requested' order by id")
    assert [row["result"] for row in actions] == ["asked", "placed"]


async def test_two_requests_at_once_with_one_key_dial_once(desk: Desk) -> None:
    answers = await asyncio.gather(desk.place("k1"), desk.place("k1"))
    assert {answer.status_code for answer in answers} <= {201, 202}
    assert len(desk.exchange.asked) == 1


async def test_used_up_minutes_stop_outbound_calls_where_the_policy_says_so(desk: Desk) -> None:
    settings, slots = f"{desk.tenant.path}/settings", f"{desk.tenant.path}/slots"
    # Waiting at VAPI it holds no slot yet, but the minute it will begin is spoken for.
    assert (await desk.place("k0")).status_code == 201
    for key, policy, status in (("k1", "notify", 201), ("k2", "block-outbound", 409), ("k3", "block", 409)):
        told = {"minutes_cap": 1, "minutes_policy": policy}
        (await desk.client.patch(settings, json=told, headers=desk.tenant.credential)).raise_for_status()
        async with asyncio.timeout(30):
            while True:
                minutes = (await desk.client.get(slots, headers=desk.tenant.credential)).json()["minutes"]
                if (minutes["cap"], minutes["policy"]) == (1, policy):
                    break
                await asyncio.sleep(0.02)
        placed = await desk.place(key)
        assert placed.status_code == status, placed.text
        assert ("refused:minutes" in placed.text) is (status == 409)
    assert len(desk.exchange.asked) == 2, "a refused call is not asked for"


async def test_calls_being_placed_at_once_keep_to_the_limit(desk: Desk) -> None:
    await desk.limit_to(1)
    desk.exchange.gate = asyncio.Event()
    first = asyncio.create_task(desk.place("k1"))
    await desk.exchange.arrived.wait()
    second = await desk.place("k2")
    desk.exchange.gate.set()
    assert (await first).status_code == 201
    assert_problem(second, 409, "conflict")
    assert "refused:concurrency" in second.json()["detail"]
    assert len(desk.exchange.asked) == 1
    assert sorted(each["status"] for each in await desk.outbound()) == ["placed", "refused"]
    # Asked anew under the same key, it is the same refusal.
    assert_problem(await desk.place("k2"), 409, "conflict")


async def test_a_lost_answer_is_looked_up_and_not_dialled_again(desk: Desk) -> None:
    desk.exchange.silent = True
    got = await desk.place("k1")
    assert (got.status_code, got.json()["status"]) == (202, "unknown")
    assert (await desk.place("k1")).json()["status"] == "unknown"
    await desk.pool.execute("update outbound_calls set updated_at = now() - interval '1 minute'")
    await Dialer(desk.services).look_up_all()
    (settled,) = await desk.outbound()
    assert (settled["status"], settled["call_id"]) == ("placed", desk.exchange.placed[0]["id"])
    assert len(desk.exchange.asked) == 1


async def test_a_call_that_vapi_does_not_list_was_never_placed(desk: Desk) -> None:
    desk.exchange.silent, desk.exchange.carries_out = True, False
    await desk.place("k1")
    await desk.pool.execute("update outbound_calls set updated_at = now() - interval '1 minute'")
    await Dialer(desk.services).look_up_all()
    assert (await desk.outbound())[0]["status"] == "unknown"
    await desk.pool.execute(
        "update outbound_calls set updated_at = now() - interval '1 minute', asked_at = now() - interval '3 minutes'"
    )
    await Dialer(desk.services).look_up_all()
    assert (await desk.outbound())[0]["status"] == "failed"
    assert len(desk.exchange.asked) == 1


async def test_vapis_refusal_is_told_in_its_words(desk: Desk) -> None:
    desk.exchange.status = 400
    got = await desk.place("k1")
    assert_problem(got, 502, "provider-refused")
    assert got.json()["provider_message"] == "Number is not valid."
    assert (await desk.outbound())[0]["status"] == "failed"


async def test_what_cannot_be_dialled_is_told_and_nothing_is_dialled(desk: Desk, stranger: Tenant) -> None:
    foreign = await _callee(desk.client, stranger)
    for changes in (
        {"assistant_id": foreign["assistant_id"]},
        {"phone_number_id": foreign["phone_number_id"]},
        {"customer": {"number": "911\r\n"}},
        {"customer": {"number": "+15550100002", "name": "a\u0000b"}},
        {"variable_values": {"bad name": "x"}},
        {"variable_values": {"long": "x" * 2_001}},
        {"server": {"url": "https://evil"}},
    ):
        assert_problem(await desk.place(str(uuid4()), **changes), 422, "invalid-parameter")
    keyless = await desk.client.post(f"{desk.tenant.path}/calls", json=desk.body, headers=desk.tenant.credential)
    assert_problem(keyless, 422, "invalid-parameter")
    own = await desk.client.post(
        f"{stranger.path}/calls", json=foreign, headers={**stranger.credential, "Idempotency-Key": "k"}
    )
    assert_problem(own, 409, "conflict")
    narrow = {**bearer(await add_key(desk.pool, desk.tenant, "calls:control")), "Idempotency-Key": "k"}
    denied = await desk.client.post(f"{desk.tenant.path}/calls", json=desk.body, headers=narrow)
    assert_problem(denied, 403, "forbidden")
    assert desk.exchange.asked == []
    placed = (await desk.place("k9")).json()
    hidden = await desk.client.get(f"{stranger.path}/outbound-calls/{placed['id']}", headers=stranger.credential)
    assert_problem(hidden, 404, "not-found")
