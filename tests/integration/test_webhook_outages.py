"""The door while Postgres is away: stopped in its tracks, or gone."""

import secrets
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import pytest_asyncio

from serve.webhooks import vapi
from storage.embedded import PostgresServer, start_postgres
from storage.migrate import migrate
from tests.integration.webhook_door import Door, message, open_door, until

REQUEST = message("assistant-request", phoneNumber={"id": "pn-1", "number": "+15550100099"})
ENDED = message("status-update", status="ended")
CONFIG = {"name": "Desk", "firstMessage": "Hello."}


@contextmanager
def frozen(server: PostgresServer) -> Generator[None]:
    """Stop every process of the server in its tracks: connections stay open, nothing answers."""
    root = psutil.Process(server.pid)
    processes = [root, *root.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@pytest_asyncio.fixture
async def server(servers_folder: Path) -> AsyncIterator[PostgresServer]:
    folder = servers_folder / f"outage-{secrets.token_hex(4)}"
    folder.mkdir()
    started = start_postgres(folder / "postgres", password=secrets.token_hex(16), durable=False)
    await migrate(started.url)
    yield started
    started.stop()


@pytest_asyncio.fixture
async def door(server: PostgresServer) -> AsyncIterator[Door]:
    async with open_door(server.url) as opened:
        yield opened


async def test_nothing_is_acknowledged_while_postgres_is_frozen(
    door: Door, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two seconds are promised. That they are kept is tried with fewer, so that a busy machine has some to itself.
    assert vapi._ACK_SECONDS < 2.0  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr(vapi, "_ACK_SECONDS", 0.8)
    organization_id = await door.add_organization()
    await door.post(organization_id, message("hang"))
    with frozen(server):
        response = await door.post_within(2.0, organization_id, ENDED)
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.json()["type"] == "urn:call-supervisor:problem:temporarily-unavailable"
        unheard = message("transcript", call_id="unseen", role="user", transcript="Hello.")
        assert (await door.post_within(2.0, organization_id, unheard)).status_code == 503
        heard = message("transcript", role="user", transcript="Hello.")
        assert (await door.post_within(2.0, organization_id, heard)).status_code == 200
    await until(lambda: door.accepts(organization_id, ENDED))
    assert [row["type"] for row in await door.rows(organization_id)].count("status-update") == 1


async def test_a_cold_replica_refuses_nobody_as_unknown_while_postgres_is_frozen(
    door: Door, server: PostgresServer
) -> None:
    organization_id = await door.add_organization()
    with frozen(server):
        assert (await door.post_within(2.0, organization_id, ENDED)).status_code == 503


async def test_nothing_is_acknowledged_after_postgres_ended(door: Door, server: PostgresServer) -> None:
    organization_id = await door.add_organization()
    await door.post(organization_id, message("hang"))
    server.stop()
    assert (await door.post_within(2.0, organization_id, ENDED)).status_code == 503
    assert len(door.queue.deliveries) == 1


async def test_an_assistant_request_is_answered_while_postgres_is_frozen_and_recorded_later(
    door: Door, server: PostgresServer
) -> None:
    organization_id = await door.add_organization()
    await door.add_number(organization_id, provider_id="pn-1", number="+15550100099", config=CONFIG)
    await door.post(organization_id, message("hang", call_id="another"))
    with frozen(server):
        response = await door.post_within(1.5, organization_id, REQUEST)
    assert (response.status_code, response.json()) == (200, {"assistant": CONFIG})
    await until(lambda: door.has_row(organization_id, "assistant-request"))


async def test_an_assistant_request_is_answered_after_postgres_ended_and_recorded_when_it_is_back(
    door: Door, server: PostgresServer
) -> None:
    organization_id = await door.add_organization()
    await door.add_number(organization_id, provider_id="pn-1", number="+15550100099", config=CONFIG)
    await door.post(organization_id, message("hang", call_id="another"))
    server.stop()
    response = await door.post_within(1.5, organization_id, REQUEST)
    assert (response.status_code, response.json()) == (200, {"assistant": CONFIG})
    assert door.ingress.figures()["answered_from_copy"] == 1
    password = urlsplit(server.url).password
    assert password is not None
    again = start_postgres(
        server.child.log_path.with_name("postgres"), password=password, port=server.port, durable=False
    )
    try:
        await until(lambda: door.has_row(organization_id, "assistant-request"))
    finally:
        again.stop()
