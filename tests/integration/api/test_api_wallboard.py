"""A wallboard's key through the API: made, it opens figures and the organization's name, and revoked, nothing."""

import asyncio
import re

import httpx
import pytest
from fastapi import FastAPI

from serve.auth import GuardedRoute
from serve.live.access import ADMISSION_SECONDS
from serve.live.hub import CHECK_SECONDS, LiveHub
from serve.live.looks import BELIEVED_SECONDS, HEARD_SECONDS
from serve.openapi import openapi_document
from storage.postgres import Pool
from tests.integration.api.conftest import Tenant
from tests.integration.api.test_api_access import UNKNOWN, assert_problem, bearer
from tests.integration.api.test_api_permissions import routes_of
from tests.integration.api.test_api_sockets import Owners, hub, listen, owners, redis_client, swiftly, ticket
from tests.integration.live_owner import frame

__all__ = ["hub", "owners", "redis_client", "swiftly"]

Client = httpx.AsyncClient


async def made(client: Client, tenant: Tenant) -> dict[str, str]:
    asked = {"name": "kitchen", "scopes": ["wallboard:read"]}
    got = await client.post(f"{tenant.path}/api-keys", json=asked, headers=tenant.credential)
    assert got.status_code == 201, got.text
    return got.json()


async def test_it_opens_no_other_route(api: FastAPI, client: Client, tenant: Tenant) -> None:
    headers = bearer((await made(client, tenant))["api_key"])
    opened: list[str] = []
    for route in routes_of(api):
        if not isinstance(route, GuardedRoute) or route.permission.scope is None:
            continue
        place = re.sub(r"\{\w+\}", UNKNOWN, route.path.replace("{organization_id}", tenant.organization_id))
        assert route.methods is not None
        (method,) = route.methods
        got = await client.request(method, place, headers=headers)
        if got.status_code == 403:
            assert_problem(got, 403, "forbidden")
        else:
            opened.append(f"{method} {route.path}")
    assert opened == ["POST /v1/organizations/{organization_id}/live-tickets"]
    who = (await client.get("/v1/session", headers=headers)).json()
    (organization,) = who["organizations"]
    assert (organization["organization_id"], who["user"]) == (tenant.organization_id, None)
    assert organization["scopes"] == ["wallboard:read"]
    for method, place in (("POST", "/v1/sessions"), ("GET", "/v1/sessions"), ("GET", "/v1/user")):
        assert_problem(await client.request(method, place, headers=headers), 403, "forbidden")


@pytest.mark.usefixtures("swiftly")
async def test_it_is_shown_figures_until_it_is_revoked(  # noqa: PLR0917  # fixtures
    hub: LiveHub,  # the fixture
    owners: Owners,
    client: Client,
    pool: Pool,
    tenant: Tenant,
    stranger: Tenant,
) -> None:
    assert HEARD_SECONDS + BELIEVED_SECONDS + CHECK_SECONDS < 10 < ADMISSION_SECONDS
    key = await made(client, tenant)
    headers = bearer(key["api_key"])
    opened = f"?ticket={await ticket(client, tenant, headers)}"
    async with (
        listen(hub, tenant.organization_id, {}, opened) as by_ticket,
        listen(hub, tenant.organization_id, headers) as by_key,
        listen(hub, stranger.organization_id, headers) as elsewhere,
    ):
        for socket in (by_ticket, by_key):
            told = await frame(socket, "snapshot", "wallboard")
            assert (told["type"], told["state"]["figures"]["live"]) == ("wallboard", 1)
        await owners[tenant.organization_id].call(2)
        for socket in (by_ticket, by_key):
            (event,) = (await frame(socket, "events"))["events"]
            assert event["figures"]["live"] == 2
        revoked = await client.delete(f"{tenant.path}/api-keys/{key['key_id']}", headers=tenant.credential)
        assert revoked.status_code == 204
        for socket in (by_ticket, by_key, elsewhere):
            async with asyncio.timeout(20):
                await socket.wait_closed()
        assert [each.close_code for each in (by_ticket, by_key, elsewhere)] == [4001, 4001, 4503]
    assert_problem(await client.post(f"{tenant.path}/live-tickets", headers=headers), 401, "unauthenticated")
    noted = await pool.fetch("select action, target from audit_log order by id")
    assert [tuple(each) for each in noted] == [
        ("api-key-created", f"key:{key['key_id']}"),
        ("api-key-revoked", f"key:{key['key_id']}"),
    ]


def test_the_document_names_it(api: FastAPI) -> None:
    scopes = openapi_document(api)["components"]["schemas"]["ApiKeyRequest"]["properties"]["scopes"]
    assert "wallboard:read" in scopes["items"]["enum"]
