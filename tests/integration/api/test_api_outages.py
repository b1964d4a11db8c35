import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest
import pytest_asyncio

from serve.api import create_api
from serve.config import Settings
from serve.readiness import ReadinessCheck
from serve.services import open_services
from storage.errors import StorageUnavailableError
from storage.postgres import Pool
from tests.integration.api.conftest import BASE_URL, Tenant
from tests.integration.api.stored_calls import store_call


class Gateway:
    """A server's door that can be shut: connections are cut and refused while it is."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._port = 0

    @property
    def url(self) -> str:
        credential = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{credential}@127.0.0.1:{self._port}"))

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        self._writers |= {writer, back}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, back))
                both.create_task(_copy(there, writer))
        finally:
            self._writers -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@pytest_asyncio.fixture
async def postgres_door(database_url: str) -> AsyncIterator[Gateway]:
    door = Gateway(database_url)
    await door.open()
    yield door
    await door.shut()


@pytest_asyncio.fixture
async def redis_door(redis_url: str) -> AsyncIterator[Gateway]:
    door = Gateway(redis_url)
    await door.open()
    yield door
    await door.shut()


@pytest.fixture
def settings(settings: Settings, postgres_door: Gateway, redis_door: Gateway) -> Settings:
    return settings.model_copy(update={"database_url": postgres_door.url, "redis_url": redis_door.url})


def assert_away(got: httpx.Response) -> None:
    assert got.status_code == 503, got.text
    assert got.headers["content-type"] == "application/problem+json"
    assert int(got.headers["retry-after"]) > 0
    assert got.json()["type"] == "urn:call-supervisor:problem:temporarily-unavailable"
    assert "127.0.0.1" not in got.text


async def test_postgres_away_is_503_and_comes_back(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant, postgres_door: Gateway
) -> None:
    await store_call(pool, tenant.organization_id, "kept")
    path = f"{tenant.path}/calls/kept"
    assert (await client.get(path, headers=tenant.credential)).status_code == 200
    await postgres_door.shut()
    # First with the credential's answer still at hand, then with a key that must be looked up.
    assert_away(await client.get(path, headers=tenant.credential))
    assert_away(await client.get(f"{tenant.path}/dashboard", headers=tenant.credential))
    assert (await client.get("/healthz")).status_code == 200
    ready = await client.get("/readyz")
    assert ready.status_code == 503
    assert {name: part["ok"] for name, part in ready.json()["parts"].items()} == {"postgres": False, "redis": True}
    await postgres_door.open()
    assert (await client.get(path, headers=tenant.credential)).status_code == 200
    assert (await client.get("/readyz")).status_code == 200


async def test_a_key_that_cannot_be_looked_up_is_503_not_401(
    client: httpx.AsyncClient, tenant: Tenant, postgres_door: Gateway
) -> None:
    await postgres_door.shut()
    assert_away(await client.get("/v1/session", headers=tenant.credential))


async def test_redis_away_stops_tickets_and_no_reads(
    client: httpx.AsyncClient, tenant: Tenant, redis_door: Gateway
) -> None:
    await redis_door.shut()
    assert_away(await client.post(f"{tenant.path}/live-tickets", headers=tenant.credential))
    assert_away(await client.get("/v1/session", headers={"Cookie": "session=some"}))
    assert (await client.get(f"{tenant.path}/calls", headers=tenant.credential)).status_code == 200
    dashboard = await client.get(f"{tenant.path}/dashboard", headers=tenant.credential)
    assert (dashboard.status_code, dashboard.json()["organization"]["name"]) == (200, "One")
    assert 'organization;desc="postgres"' in dashboard.headers["server-timing"]
    ready = await client.get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["redis"]["ok"]) == (503, False)


async def test_further_parts_are_shown_and_count_when_required(settings: Settings) -> None:
    async def well() -> str:
        return "2 of 2 answer"

    async def away() -> str:
        raise StorageUnavailableError("at 10.0.0.7")

    async def parts(*checks: ReadinessCheck) -> httpx.Response:
        app = create_api(settings, lambda: open_services(settings, checks))
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE_URL) as client,
        ):
            return await client.get("/readyz")

    good = ReadinessCheck(name="shards", probe=well)
    optional = ReadinessCheck(name="temporal", probe=away, required=False)
    got = await parts(good, optional)
    assert got.status_code == 200
    assert set(got.json()["parts"]) == {"postgres", "redis", "shards", "temporal"}
    assert got.json()["parts"]["shards"]["detail"].startswith("2 of 2 answer")
    assert got.json()["parts"]["temporal"]["ok"] is False
    assert "10.0.0.7" not in got.text
    assert (await parts(ReadinessCheck(name="temporal", probe=away))).status_code == 503


async def test_a_fault_of_ours_tells_nothing_of_itself(settings: Settings, tenant: Tenant) -> None:
    app = create_api(settings)

    @app.get("/v1/fault")
    async def fault() -> None:
        raise RuntimeError("the password is swordfish")

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client,
    ):
        got = await client.get("/v1/fault", headers=tenant.credential)
    assert got.status_code == 500
    assert got.headers["content-type"] == "application/problem+json"
    assert "swordfish" not in got.text
