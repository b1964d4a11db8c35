import re
import secrets
import string
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from serve.api import create_api
from serve.auth import API_SCOPES, LOGIN_SCOPE, OPEN_PATHS, OPEN_PREFIXES, SESSION_SCOPES
from serve.config import Settings
from serve.openapi import openapi_document
from serve.roles import LEAST_ROLE, least_role
from serve.services import Services
from storage.api_keys import CACHE_SECONDS, ApiKeys, add_api_key, new_api_key
from storage.postgres import Pool, transaction
from tests.integration.api.conftest import BASE_URL, Tenant
from tests.integration.api.stored_calls import NOW, store_call, store_event

Client = httpx.AsyncClient

UNKNOWN = "0b8f1f0e-6a3c-4d5e-9f00-000000000000"


def assert_problem(got: httpx.Response, status: int, kind: str) -> None:
    assert got.status_code == status, got.text
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json()["type"] == f"urn:call-supervisor:problem:{kind}"
    assert got.json()["status"] == status


async def add_key(pool: Pool, tenant: Tenant, *scopes: str, expires_in: timedelta | None = None) -> str:
    key = new_api_key()
    async with transaction(pool) as connection:
        await add_api_key(
            connection,
            key,
            organization_id=tenant.organization_id,
            name="another",
            scopes=scopes,
            role=least_role(scope for scope in scopes if scope in LEAST_ROLE),
            expires_at=None if expires_in is None else datetime.now(UTC) + expires_in,
        )
    return key.text


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


async def test_every_route_but_the_open_ones_asks_for_a_credential(api: FastAPI, client: Client) -> None:
    documented = openapi_document(api)["paths"]
    assert len(documented) > 10
    for path, item in documented.items():
        if path in OPEN_PATHS:
            continue
        concrete = re.sub(r"\{\w+\}", UNKNOWN, path)
        for method in item:
            assert_problem(await client.request(method, concrete), 401, "unauthenticated")
    # Whatever is not documented is refused too, so nothing can be added without a credential by mistake.
    for undocumented in ("/v1", "/v2/anything", "/docs2", "/static", "/metrics", "/logout", "/healthz/"):
        got = await client.get(undocumented)
        assert_problem(got, 401, "unauthenticated")
        assert got.headers["www-authenticate"] == "Bearer"


async def test_the_open_paths_are_the_agreed_ones() -> None:
    documents = {"/docs", "/openapi.json", "/asyncapi.json"}
    pages = {"/", "/calls", "/usage", "/integrations", "/truth", "/alarms", "/setup", "/people", "/audit", "/wallboard"}
    credentials = {"/login", "/sign-in", "/invitation"}
    assert {*pages, *credentials, "/healthz", "/readyz", *documents} == OPEN_PATHS
    assert set(OPEN_PREFIXES) == {"/static/", "/docs/", "/calls/"}


async def test_without_a_credential_a_malformed_request_is_401_not_422(client: Client, tenant: Tenant) -> None:
    got = await client.get(f"{tenant.path}/calls", params={"limit": "NaN", "cursor": "?"})
    assert_problem(got, 401, "unauthenticated")
    broken = await client.post(
        f"{tenant.path}/live-tickets", content=b"{", headers={"Content-Type": "application/json"}
    )
    assert_problem(broken, 401, "unauthenticated")


def _flipped(text: str, at: int) -> str:
    other = "0" if text[at] != "0" else "1"
    return text[:at] + other + text[at + 1 :]


ATTACKS: dict[str, Callable[[str], str]] = {
    "wrong checksum": lambda key: _flipped(key, -1),
    "wrong secret": lambda key: _flipped(key, 20),
    "wrong id": lambda key: _flipped(key, 5),
    "truncated": lambda key: key[:-7],
    "lower case": str.lower,
    "padded": lambda key: f"{key}0",
    "empty": lambda _key: "",
    "the id alone": lambda key: key.split("_")[1],
    "not ours": lambda _key: f"ghp_{secrets.token_hex(20)}",
    "not ascii": lambda key: key[:-1] + "\u00e9",
    "NUL": lambda key: f"{key}\0",
    "another key's secret, with its own checksum": lambda _key: new_api_key().text,
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_a_key_that_is_not_exactly_right_is_refused(
    client: Client, tenant: Tenant, attack: Callable[[str], str]
) -> None:
    header = b"Bearer " + attack(tenant.api_key).encode()
    got = await client.get("/v1/session", headers=[(b"authorization", header)])
    assert_problem(got, 401, "unauthenticated")


async def test_the_secret_of_one_key_does_not_open_another(client: Client, pool: Pool, tenant: Tenant) -> None:
    mine, other = new_api_key(), new_api_key()
    async with transaction(pool) as connection:
        await add_api_key(connection, mine, organization_id=tenant.organization_id, name="m", scopes=["calls:read"])
    forged = _with_right_checksum(mine.key_id, other.text.split("_")[2])
    assert (await client.get("/v1/session", headers=bearer(mine.text))).status_code == 200
    assert_problem(await client.get("/v1/session", headers=bearer(forged)), 401, "unauthenticated")


def _with_right_checksum(key_id: str, secret: str) -> str:
    alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
    value, digits = zlib.crc32(f"sup_{key_id}_{secret}".encode()), ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = alphabet[digit] + digits
    return f"sup_{key_id}_{secret}_{digits}"


async def test_expired_and_revoked_keys_and_those_of_deleted_organizations_are_refused(
    client: Client, pool: Pool, tenant: Tenant
) -> None:
    expired = await add_key(pool, tenant, "calls:read", expires_in=timedelta(seconds=-1))
    current = await add_key(pool, tenant, "calls:read", expires_in=timedelta(hours=1))
    revoked = await add_key(pool, tenant, "calls:read")
    await pool.execute("update api_keys set revoked_at = now() where id = $1", revoked.split("_")[1])
    assert (await client.get("/v1/session", headers=bearer(current))).status_code == 200
    for text in (expired, revoked):
        assert_problem(await client.get("/v1/session", headers=bearer(text)), 401, "unauthenticated")

    await pool.execute("update organizations set deleted_at = now() where id = $1", tenant.organization_id)
    fresh = await add_key(pool, tenant, "calls:read")
    assert_problem(await client.get("/v1/session", headers=bearer(fresh)), 401, "unauthenticated")


async def test_a_revocation_is_believed_once_the_kept_answer_is_too_old(pool: Pool, tenant: Tenant) -> None:
    clock = [0.0]
    keys = ApiKeys(pool, monotonic=lambda: clock[0])
    assert await keys.verify(tenant.api_key) is not None
    await pool.execute("update api_keys set revoked_at = now()")
    assert await keys.verify(tenant.api_key) is not None
    clock[0] = CACHE_SECONDS + 0.1
    assert await keys.verify(tenant.api_key) is None


async def test_another_organization_answers_exactly_as_one_that_does_not_exist(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    await store_call(pool, stranger.organization_id, "theirs")
    for method, rest in (
        ("GET", ""),
        ("GET", "/calls"),
        ("GET", "/calls?limit=0"),
        ("GET", "/calls/active"),
        ("GET", "/calls/theirs"),
        ("GET", "/calls/theirs/recording"),
        ("GET", "/dashboard"),
        ("POST", "/live-tickets"),
    ):
        theirs = await client.request(method, stranger.path + rest, headers=tenant.credential)
        nobodys = await client.request(method, f"/v1/organizations/{UNKNOWN}{rest}", headers=tenant.credential)
        assert_problem(theirs, 404, "not-found")
        assert (theirs.content, dict(theirs.headers)) == (nobodys.content, dict(nobodys.headers))


async def test_another_organizations_call_is_as_unknown_as_any(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    await store_call(pool, stranger.organization_id, "theirs")
    await store_event(pool, stranger.organization_id, event_key="x", call_id="theirs")
    theirs = await client.get(f"{tenant.path}/calls/theirs", headers=tenant.credential)
    nobodys = await client.get(f"{tenant.path}/calls/nobodys", headers=tenant.credential)
    assert_problem(theirs, 404, "not-found")
    assert theirs.content == nobodys.content
    for path in ("/calls", "/calls/active", "/dashboard", ""):
        assert "theirs" not in (await client.get(tenant.path + path, headers=tenant.credential)).text


async def test_a_call_id_used_by_two_organizations_shows_each_its_own(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    await store_call(pool, tenant.organization_id, "same", customer_name="Mine")
    await store_call(pool, stranger.organization_id, "same", customer_name="Theirs")
    for who, name in ((tenant, "Mine"), (stranger, "Theirs")):
        told = (await client.get(f"{who.path}/calls/same", headers=who.credential)).json()
        assert told["customer_name"] == name


async def test_a_cursor_of_another_organization_or_filter_is_refused(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    for each in range(3):
        await store_call(pool, stranger.organization_id, f"theirs-{each}", created_at=NOW - timedelta(minutes=each))
    page = await client.get(f"{stranger.path}/calls", params={"limit": 1}, headers=stranger.credential)
    cursor = page.json()["next_cursor"]
    got = await client.get(f"{tenant.path}/calls", params={"cursor": cursor}, headers=tenant.credential)
    assert_problem(got, 400, "malformed-request")
    other_filter = {"cursor": cursor, "status": "ended"}
    got = await client.get(f"{stranger.path}/calls", params=other_filter, headers=stranger.credential)
    assert_problem(got, 400, "malformed-request")


async def test_a_scope_that_is_missing_is_403_and_other_organizations_stay_404(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    narrow = bearer(await add_key(pool, tenant, "calls:read"))
    assert (await client.get(f"{tenant.path}/calls", headers=narrow)).status_code == 200
    assert_problem(await client.get(tenant.path, headers=narrow), 403, "forbidden")
    assert_problem(await client.post(f"{tenant.path}/live-tickets", headers=narrow), 403, "forbidden")
    assert_problem(await client.get(stranger.path, headers=narrow), 404, "not-found")
    none = bearer(await add_key(pool, tenant))
    assert_problem(await client.get(f"{tenant.path}/calls?limit=0", headers=none), 403, "forbidden")


async def test_a_ticket_opens_once_and_only_its_organization(
    client: Client, services: Services, tenant: Tenant, stranger: Tenant
) -> None:
    made = await client.post(f"{tenant.path}/live-tickets", headers=tenant.credential)
    assert made.status_code == 201
    told = made.json()
    assert told["url"] == f"ws://live.test:8001/live/{tenant.organization_id}?ticket={told['ticket']}"
    assert set(told) == {"ticket", "url", "expires_at"}
    standing = await services.tickets.redeem(told["ticket"])
    assert standing is not None
    assert (standing.organization_id, standing.subject) == (tenant.organization_id, f"key:{tenant.api_key[4:12]}")
    assert await services.tickets.redeem(told["ticket"]) is None
    assert await services.tickets.redeem("of nobody") is None
    assert stranger.organization_id != tenant.organization_id


async def test_who_am_i(client: Client, pool: Pool, tenant: Tenant) -> None:
    told = (await client.get("/v1/session", headers=tenant.credential)).json()
    zone = await pool.fetchval("select time_zone from organizations where id = $1", UUID(tenant.organization_id))
    permitted = {
        "organization_id": tenant.organization_id,
        "name": "One",
        "role": "owner",
        "scopes": sorted(API_SCOPES),
    }
    assert told == {**permitted, "user": None, "organizations": [{**permitted, "time_zone": zone}]}


@pytest.fixture
async def local_client(settings: Settings) -> AsyncIterator[Client]:
    app = create_api(settings.model_copy(update={"embedded": True}))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE_URL) as opened,
    ):
        yield opened


async def test_a_login_link_becomes_a_session_once(client: Client, pool: Pool, tenant: Tenant) -> None:
    token = await add_key(pool, tenant, LOGIN_SCOPE)
    came = await client.get("/login", params={"token": token})
    assert (came.status_code, came.headers["location"]) == (303, "/")
    cookie = came.headers["set-cookie"].lower()
    assert cookie.startswith("session=")
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    told = (await client.get("/v1/session")).json()
    assert told["organization_id"] == tenant.organization_id
    assert told["scopes"] == sorted(SESSION_SCOPES)
    assert (await client.get(f"{tenant.path}/dashboard")).status_code == 200

    again = await client.get("/login", params={"token": token})
    assert_problem(again, 401, "unauthenticated")


async def test_locally_a_login_link_works_again_and_again(local_client: Client, pool: Pool, tenant: Tenant) -> None:
    token = await add_key(pool, tenant, LOGIN_SCOPE)
    for _ in range(2):
        assert (await local_client.get("/login", params={"token": token})).status_code == 303


async def test_an_api_key_is_no_login_link_nor_a_link_an_api_key(client: Client, pool: Pool, tenant: Tenant) -> None:
    assert_problem(await client.get("/login", params={"token": tenant.api_key}), 401, "unauthenticated")
    assert_problem(await client.get("/login"), 401, "unauthenticated")
    link = bearer(await add_key(pool, tenant, LOGIN_SCOPE))
    assert_problem(await client.get(f"{tenant.path}/calls", headers=link), 403, "forbidden")


async def test_a_browser_is_shown_that_its_link_does_not_sign_in(client: Client) -> None:
    """As Chromium asks for a page; scripts get the problem document as before."""
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    shown = await client.get("/login", params={"token": "wrong"}, headers={"Accept": accept})
    assert (shown.status_code, shown.headers["content-type"]) == (401, "text/html; charset=utf-8")
    assert shown.headers["cache-control"] == "no-store"
    assert "This link does not sign in" in shown.text
    assert "set-cookie" not in shown.headers
    asked = await client.get("/login", params={"token": "wrong"}, headers={"Accept": "application/json, */*"})
    assert_problem(asked, 401, "unauthenticated")


async def test_logging_out_ends_the_session(client: Client, pool: Pool, tenant: Tenant) -> None:
    await client.get("/login", params={"token": await add_key(pool, tenant, LOGIN_SCOPE)})
    session = client.cookies["session"]
    assert (await client.post("/logout")).status_code == 204
    assert_problem(await client.get("/v1/session", headers={"Cookie": f"session={session}"}), 401, "unauthenticated")


async def test_another_sites_page_changes_nothing_with_our_cookie(client: Client, pool: Pool, tenant: Tenant) -> None:
    await client.get("/login", params={"token": await add_key(pool, tenant, LOGIN_SCOPE)})
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 201)):
        got = await client.post(f"{tenant.path}/live-tickets", headers={"Sec-Fetch-Site": site})
        assert got.status_code == status


async def test_a_wrong_header_is_not_forgiven_for_a_right_cookie(client: Client, pool: Pool, tenant: Tenant) -> None:
    await client.get("/login", params={"token": await add_key(pool, tenant, LOGIN_SCOPE)})
    assert (await client.get("/v1/session")).status_code == 200
    assert_problem(await client.get("/v1/session", headers={"Authorization": "Basic abc"}), 401, "unauthenticated")


BAD_QUERIES: list[dict[str, Any]] = [
    {"limit": 0},
    {"limit": 201},
    {"limit": -1},
    {"limit": 10**30},
    {"limit": "\u0663"},
    {"limit": "NaN"},
    {"limit": "1e2"},
    {"from": "NaN"},
    {"from": "inf"},
    {"from": "yesterday"},
    {"from": "2025-02-30T00:00:00Z"},
    {"from": "0001-01-01T00:00:00Z"},
    {"to": "0001-01-01T00:00:00+14:00"},
    {"to": "9999-12-31T23:59:59-14:00"},
    {"from": "1e300"},
    {"from": str(10**40)},
    {"from": "2025-01-01T00:00:00"},
    {"from": "2025-01-01T00:00:00Z", "to": "2025-12-31T00:00:00Z"},
    {"from": "2025-02-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"},
    {"from": "2025-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"},
    {"status": "completed"},
    {"status": "\0"},
    {"direction": "sideways"},
    {"assistant_id": "\0"},
    {"assistant_id": ""},
    {"assistant_id": "x" * 1000},
    {"cursor": "x" * 1000},
]


@pytest.mark.parametrize("query", BAD_QUERIES, ids=repr)
async def test_a_value_out_of_range_is_named(client: Client, tenant: Tenant, query: dict[str, Any]) -> None:
    got = await client.get(f"{tenant.path}/calls", params=query, headers=tenant.credential)
    assert_problem(got, 422, "invalid-parameter")
    assert any(fault["at"].removeprefix("query.") in {*query, "from"} for fault in got.json()["errors"])


@pytest.mark.parametrize("cursor", ["", "x", "a" * 76, "AAAA", "\u20ac", "\0", "=" * 20, "A" * 85])
async def test_a_made_up_cursor_is_refused(client: Client, tenant: Tenant, cursor: str) -> None:
    got = await client.get(f"{tenant.path}/calls", params={"cursor": cursor}, headers=tenant.credential)
    assert_problem(got, 400, "malformed-request")


@pytest.mark.parametrize("call_id", ["%00", "a%00b", "%ff%fe", "", "x" * 4000, "..%2f..", "%ED%A0%80", "%F0%9F%92%A9"])
async def test_a_call_id_that_cannot_be_is_not_found(client: Client, tenant: Tenant, call_id: str) -> None:
    for rest in ("", "/recording"):
        got = await client.get(f"{tenant.path}/calls/{call_id}{rest}", headers=tenant.credential)
        assert_problem(got, 404, "not-found")


async def test_the_wrong_method_is_told_the_right_one(client: Client, tenant: Tenant) -> None:
    got = await client.delete(f"{tenant.path}/calls/active", headers=tenant.credential)
    assert_problem(got, 405, "method-not-allowed")
    assert got.headers["allow"] == "GET"
