"""The dashboard's parts come from where they are nearest, and few statements make them when nothing is near."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import cast

import httpx
import orjson
import pytest_asyncio
from fastapi import FastAPI

from actors.domain.views import counters_view
from actors.router import ShardRouter
from serve.services import Services
from storage import cache_keys
from storage.postgres import Pool
from storage.redis import Redis, open_redis
from tests.integration.api.conftest import Tenant
from tests.integration.api.stored_calls import store_call, store_event
from tests.integration.live_owner import Owner

Client = httpx.AsyncClient


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(redis_url)
    yield opened
    await opened.aclose()


async def dashboard(client: Client, tenant: Tenant) -> httpx.Response:
    got = await client.get(f"{tenant.path}/dashboard", headers=tenant.credential)
    assert got.status_code == 200, got.text
    return got


def places(got: httpx.Response) -> dict[str, str]:
    return dict(re.findall(r'(\w+);desc="(\w+)";dur=[\d.]+', got.headers["server-timing"]))


PARTS = ("assistants", "figures", "organization", "recent_calls")


async def test_nothing_cached_takes_four_statements_and_everything_cached_none(
    client: Client, pool: Pool, tenant: Tenant, statements: list[str]
) -> None:
    await store_call(pool, tenant.organization_id, "one")
    await store_event(pool, tenant.organization_id, event_key="twice", deliveries=2)
    await client.get("/v1/session", headers=tenant.credential)
    statements.clear()
    first = await dashboard(client, tenant)
    assert len(statements) == 4, statements
    assert places(first) == dict.fromkeys(PARTS, "postgres")
    statements.clear()
    second = await dashboard(client, tenant)
    assert statements == []
    assert places(second) == dict.fromkeys(PARTS, "redis")
    assert second.json() == first.json()
    assert second.json()["figures"]["today"]["duplicates"] == 1
    assert second.json()["figures"]["live"] == 1


async def test_a_hundred_pages_opened_at_once_take_four_statements(
    client: Client, tenant: Tenant, statements: list[str]
) -> None:
    await client.get("/v1/session", headers=tenant.credential)
    statements.clear()
    await asyncio.gather(*(dashboard(client, tenant) for _ in range(100)))
    assert len(statements) == 4, statements


async def test_figures_are_the_owners_as_long_as_it_answers(
    api: FastAPI, client: Client, tenant: Tenant, redis: Redis, statements: list[str]
) -> None:
    owner = Owner(redis=redis, organization_id=tenant.organization_id)
    await owner.open()
    await owner.call(1)

    class Router:
        snapshot = staticmethod(owner.board)

    api.state.services = replace(cast("Services", api.state.services), owners=cast("ShardRouter", Router()))
    await dashboard(client, tenant)
    statements.clear()
    await owner.call(2)
    got = await dashboard(client, tenant)
    assert got.json()["figures"] == orjson.loads(orjson.dumps(counters_view(owner.state)))
    assert got.json()["figures"]["live"] == 2
    assert places(got) == {**dict.fromkeys(PARTS, "redis"), "figures": "owner"}
    assert statements == []
    owner.away = True
    assert places(await dashboard(client, tenant))["figures"] == "postgres"


async def test_an_invalidated_part_is_read_again(
    client: Client, services: Services, pool: Pool, tenant: Tenant
) -> None:
    assert (await dashboard(client, tenant)).json()["organization"]["name"] == "One"
    await pool.execute("update organizations set name = 'Another' where id = $1", tenant.organization_id)
    await services.cache.invalidate(cache_keys.organization_settings(tenant.organization_id))
    got = await dashboard(client, tenant)
    assert got.json()["organization"]["name"] == "Another"
    assert places(got)["organization"] == "postgres"


async def test_copies_are_of_one_organization(client: Client, pool: Pool, tenant: Tenant, stranger: Tenant) -> None:
    await store_call(pool, tenant.organization_id, "ours")
    for _ in range(2):
        assert len((await dashboard(client, tenant)).json()["recent_calls"]) == 1
        assert (await dashboard(client, stranger)).json()["recent_calls"] == []


async def test_an_answer_that_did_not_change_is_not_sent_again(client: Client, pool: Pool, tenant: Tenant) -> None:
    await store_call(pool, tenant.organization_id, "one", status="ended")
    path = f"{tenant.path}/calls/one"
    first = await client.get(path, headers=tenant.credential)
    tag = first.headers["etag"]
    again = await client.get(path, headers=tenant.credential | {"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert first.headers["cache-control"] == again.headers["cache-control"] == "private, no-cache"
    await pool.execute("update calls set summary = 'changed' where organization_id = $1", tenant.organization_id)
    changed = await client.get(path, headers=tenant.credential | {"If-None-Match": tag})
    assert (changed.status_code, changed.json()["summary"]) == (200, "changed")
    assert changed.headers["etag"] != tag
    unknown = await client.get(f"{tenant.path}/calls/none", headers=tenant.credential | {"If-None-Match": "*"})
    assert unknown.status_code == 404
