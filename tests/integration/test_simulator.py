"""The vendor simulator over HTTP, with its state in Valkey and calls looked up in Postgres."""

import io
import time
import wave
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest_asyncio
from fastapi import FastAPI

from serve.config import Settings
from serve.simulator.app import SCOPE, Parts, create_simulator
from serve.simulator.bodies import call_record
from serve.simulator.calls import scripted_calls
from storage.postgres import Pool, open_pool
from storage.principals import Principal
from storage.redis import open_redis
from storage.simulator_store import SimulatorStore

SETTINGS = Settings.model_validate(
    {
        "database_url": "postgresql://unused",
        "redis_url": "redis://unused",
        "temporal_address": "unused",
        "encryption_key": "unused",
        "recordings_url": "file:///unused",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulator:
    http: httpx.AsyncClient
    store: SimulatorStore
    pool: Pool
    ours: str
    theirs: str

    async def requests(self, key: str = "ours") -> list[dict[str, object]]:
        answer = await self.http.get("/simulator/requests", params={"limit": 2000}, headers=bearer(key))
        return answer.json()["requests"]

    async def register(self, record: dict[str, object], key: str = "ours") -> httpx.Response:
        return await self.http.post("/simulator/calls", json={"calls": [record]}, headers=bearer(key))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def scripted_record() -> dict[str, object]:
    call = next(
        call for call in scripted_calls(3, 5, starts_at=time.time_ns() // 1_000_000) if call.answered_at is not None
    )
    return dict(call_record(call, call.messages[-1].at))


@pytest_asyncio.fixture
async def simulator(database_url: str, redis_url: str) -> AsyncGenerator[Simulator]:
    ours, theirs = str(uuid4()), str(uuid4())
    principals = {
        name: Principal(organization_id=identity, subject=name, scopes=frozenset(scopes))
        for name, identity, scopes in (
            ("ours", ours, {SCOPE}),
            ("theirs", theirs, {SCOPE}),
            ("blind", ours, {"calls:read"}),
        )
    }

    async def verify(key: str) -> Principal | None:
        return principals.get(key)

    async with (
        await open_pool(database_url, size=2, name="test") as pool,
        open_redis(redis_url) as redis,
    ):
        for organization_id in (ours, theirs):
            await pool.execute(
                "insert into organizations (id, name, slug) values ($1, 'Clinic', $1::uuid::text)", organization_id
            )
        store = SimulatorStore(redis, pool)

        async def account_of(_token: str) -> Sequence[str]:
            return [ours]

        @asynccontextmanager
        async def opened() -> AsyncGenerator[Parts]:
            yield Parts(store=store, verify=verify, vapi_api_key="vendor-key", account_of=account_of)

        app = create_simulator(SETTINGS, opened)
        root = FastAPI()
        root.mount("/simulator", app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(root), base_url="http://simulator.test") as http,
        ):
            yield Simulator(http=http, store=store, pool=pool, ours=ours, theirs=theirs)


async def test_registered_call_is_answered_to_holders_of_the_vendor_key(simulator: Simulator) -> None:
    record = scripted_record()
    assert (await simulator.register(record)).json() == {"registered": 1}
    path = f"/simulator/vapi/call/{record['id']}"
    assert (await simulator.http.get(path, headers=bearer("vendor-key"))).json() == record
    assert (await simulator.http.get(path, headers=bearer("wrong"))).status_code == 401
    assert (await simulator.http.get(path)).status_code == 401
    assert (await simulator.http.get("/simulator/vapi/call/other", headers=bearer("vendor-key"))).status_code == 404


async def test_listing_keeps_to_its_bounds(simulator: Simulator) -> None:
    record = scripted_record()
    await simulator.register(record)
    for bound, value, found in (
        ("createdAtGe", record["createdAt"], 1),
        ("createdAtGt", record["createdAt"], 0),
        ("createdAtLt", record["createdAt"], 0),
        ("updatedAtLe", record["updatedAt"], 1),
        ("updatedAtLt", record["updatedAt"], 0),
        ("updatedAtGe", record["updatedAt"], 1),
    ):
        answer = await simulator.http.get(
            "/simulator/vapi/call", params={bound: str(value)}, headers=bearer("vendor-key")
        )
        assert len(answer.json()) == found, bound


async def test_an_account_holds_the_calls_of_those_alone_whose_key_it_is(simulator: Simulator) -> None:
    ours, theirs = scripted_record(), {**scripted_record(), "id": "call-of-theirs"}
    await simulator.register(ours)
    await simulator.register(theirs, "theirs")
    answer = await simulator.http.get("/simulator/vapi/call", headers=bearer("vendor-key"))
    assert [each["id"] for each in answer.json()] == [ours["id"]]


async def test_recording_redirects_to_a_sound_file(simulator: Simulator) -> None:
    for call_id in ("never-registered", "an/odd id"):
        path = f"/simulator/vapi/call/{call_id}/mono-recording"
        redirect = await simulator.http.get(path, headers=bearer("vendor-key"))
        assert redirect.status_code == 302
        answer = await simulator.http.get(redirect.headers["location"])
        assert answer.headers["content-type"] == "audio/wav"
        with wave.open(io.BytesIO(answer.content)) as sound:
            assert (sound.getnchannels(), sound.getframerate(), sound.getnframes()) == (1, 4000, 4000)


async def test_requests_are_kept_newest_first_without_secrets_for_their_organization(simulator: Simulator) -> None:
    record = scripted_record()
    await simulator.register(record)
    await simulator.http.get(f"/simulator/vapi/call/{record['id']}", headers=bearer("vendor-key"))
    await simulator.http.post(f"/simulator/vapi/call/{record['id']}/control", json={"type": "end-call"})
    control, read = await simulator.requests()
    assert (read["vendor"], read["method"], read["path"]) == ("vapi", "GET", f"/call/{record['id']}")
    assert read["status"] == 200
    headers = read["headers"]
    assert isinstance(headers, dict)
    assert headers["authorization"] == "[redacted]"
    assert (control["body"], control["status"]) == ({"type": "end-call"}, 404), "the call had ended"
    assert await simulator.requests("theirs") == []


async def test_a_call_that_arrived_by_webhook_alone_is_told_by_postgres(simulator: Simulator) -> None:
    await simulator.pool.execute(
        "insert into call_keys (organization_id, provider_call_id, id, created_at) values ($1, 'seen', $2, now())",
        simulator.theirs,
        uuid4(),
    )
    for call_id in ("seen", "nobodys"):
        await simulator.http.get(f"/simulator/vapi/call/{call_id}", headers=bearer("vendor-key"))
    assert await simulator.requests("ours") == []
    assert [request["path"] for request in await simulator.requests("theirs")] == ["/call/seen"]


async def test_no_organization_takes_over_the_calls_of_another(simulator: Simulator) -> None:
    record = scripted_record()
    await simulator.register(record)
    refused = await simulator.register({**record, "status": "queued"}, key="theirs")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert (await simulator.store.call(str(record["id"]))) == record


async def test_faults_are_shown_until_they_are_cleared(simulator: Simulator) -> None:
    async def listing() -> int:
        return (await simulator.http.get("/simulator/vapi/call", headers=bearer("vendor-key"))).status_code

    put = await simulator.http.put("/simulator/faults", json={"vapi": {"status": 503}}, headers=bearer("ours"))
    assert put.json()["faults"]["vapi"]["status"] == 503
    assert await listing() == 503
    assert [request["status"] for request in await simulator.requests()] == [503]
    assert (await simulator.http.delete("/simulator/faults", headers=bearer("ours"))).status_code == 204
    assert await listing() == 200


async def test_only_a_key_with_the_scope_sees_the_simulator(simulator: Simulator) -> None:
    for headers, status in ((bearer("blind"), 403), (bearer("nobody"), 401), ({}, 401)):
        for path in ("requests", "calls", "faults"):
            answer = await simulator.http.get(f"/simulator/{path}", headers=headers)
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


async def test_malformed_registrations_and_faults_are_named(simulator: Simulator) -> None:
    for path, body in (
        ("calls", {"calls": [{"createdAt": "2026-01-01T00:00:00Z"}]}),
        ("calls", {"calls": [{"id": "x", "createdAt": "yesterday", "updatedAt": "2026-01-01T00:00:00Z"}]}),
        ("faults", {"vapi": {"status": 200}}),
        ("faults", {"nobody": {"status": 500}}),
    ):
        answer = await simulator.http.put(f"/simulator/{path}", json=body, headers=bearer("ours"))
        assert answer.status_code == 422, path
        assert answer.json()["type"] == "urn:call-supervisor:problem:invalid-parameter"


async def test_no_more_than_the_newest_requests_are_kept(simulator: Simulator) -> None:
    for number in range(2_003):
        await simulator.store.record({"at": f"{number:05d}", "number": number}, [simulator.ours])
    kept = await simulator.requests()
    assert [kept[0]["number"], kept[-1]["number"], len(kept)] == [2002, 3, 2000]
