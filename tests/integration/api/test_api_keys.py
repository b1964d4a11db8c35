"""API keys through the API: a secret shown once, no scope that the maker lacks, a rotation that refuses nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from serve.roles import Role, scopes_of
from storage.postgres import Pool
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member
from tests.integration.api.test_api_access import add_key, assert_problem, bearer

Client = httpx.AsyncClient


async def _made(client: Client, tenant: Tenant, name: str, *scopes: str, by: dict[str, str] | None = None) -> Any:
    asked = {"name": name, "scopes": list(scopes)}
    return await client.post(f"{tenant.path}/api-keys", json=asked, headers=by or tenant.credential)


async def test_a_key_is_shown_once_and_opens_what_it_says(client: Client, pool: Pool, tenant: Tenant) -> None:
    made = await _made(client, tenant, "reporting", "calls:read", "calls:read")
    assert made.status_code == 201
    told = made.json()
    secret = told.pop("api_key")
    assert (told["scopes"], told["role"], told["name"]) == (["calls:read"], "viewer", "reporting")
    assert (await client.get(f"{tenant.path}/calls", headers=bearer(secret))).status_code == 200
    assert_problem(await client.get(tenant.path, headers=bearer(secret)), 403, "forbidden")
    listed = (await client.get(f"{tenant.path}/api-keys", headers=tenant.credential)).json()["api_keys"]
    (row,) = [each for each in listed if each["key_id"] == told["key_id"]]
    assert {**row, "last_used_at": None} == told
    assert row["last_used_at"] is not None
    assert secret.split("_")[2] not in str(listed)
    (noted,) = await pool.fetch("select actor, action, target, result from audit_log")
    owner = f"key:{tenant.api_key.split('_')[1]}"
    assert tuple(noted) == (owner, "api-key-created", f"key:{told['key_id']}", "created")


async def test_who_changes_a_key_keeps_nobody_from_using_it(client: Client, pool: Pool, tenant: Tenant) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("update api_keys set name = 'changed' where id = $1", tenant.api_key[4:12])
        assert (await client.get(tenant.path, headers=tenant.credential)).status_code == 200
    assert await pool.fetchval("select last_used_at from api_keys where id = $1", tenant.api_key[4:12]) is None


async def test_nobody_gives_what_they_lack(client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant) -> None:
    admin = await add_member(pool, issuer, tenant, "admin")
    assert (await _made(client, tenant, "a", "calls:read", by=admin.credential)).status_code == 201
    assert_problem(await _made(client, tenant, "b", "owners:write", by=admin.credential), 403, "forbidden")
    narrow = bearer(await add_key(pool, tenant, "api-keys:write", "calls:read"))
    assert_problem(await _made(client, tenant, "c", "live:read", by=narrow), 403, "forbidden")
    assert_problem(await _made(client, tenant, "d", "session:create"), 422, "invalid-parameter")
    assert_problem(await _made(client, tenant, "e", "calls:reed"), 422, "invalid-parameter")
    assert_problem(await _made(client, tenant, "f"), 422, "invalid-parameter")
    # Nor is a key ended, or copied by rotation, by who has less than it.
    strong = (await _made(client, tenant, "strong", *scopes_of(Role.OWNER))).json()["key_id"]
    for headers in (admin.credential, narrow):
        place = f"{tenant.path}/api-keys/{strong}"
        assert_problem(await client.delete(place, headers=headers), 403, "forbidden")
        assert_problem(await client.post(f"{place}/rotate", json={}, headers=headers), 403, "forbidden")


async def test_a_rotation_leaves_two_live_for_a_while(client: Client, pool: Pool, tenant: Tenant) -> None:
    first = (await _made(client, tenant, "server", "calls:read")).json()
    assert_problem(await _made(client, tenant, "server", "calls:read"), 409, "conflict")
    place = f"{tenant.path}/api-keys/{first['key_id']}/rotate"
    second = (await client.post(place, json={"grace_seconds": 60}, headers=tenant.credential)).json()
    assert (second["name"], second["scopes"]) == ("server", ["calls:read"])
    for text in (first["api_key"], second["api_key"]):
        assert (await client.get(f"{tenant.path}/calls", headers=bearer(text))).status_code == 200
    assert_problem(await client.post(place, json={}, headers=tenant.credential), 409, "conflict")
    ends_at = await pool.fetchval("select expires_at from api_keys where id = $1", first["key_id"])
    assert timedelta(seconds=50) < ends_at - datetime.now(UTC) <= timedelta(seconds=60)

    again = f"{tenant.path}/api-keys/{second['key_id']}/rotate"
    assert (await client.delete(place.removesuffix("/rotate"), headers=tenant.credential)).status_code == 204
    at_once = (await client.post(again, json={"grace_seconds": 0}, headers=tenant.credential)).json()
    assert_problem(await client.get(f"{tenant.path}/calls", headers=bearer(second["api_key"])), 401, "unauthenticated")
    assert (await client.get(f"{tenant.path}/calls", headers=bearer(at_once["api_key"]))).status_code == 200


async def test_a_revoked_key_is_refused_at_once_where_it_was_revoked(client: Client, tenant: Tenant) -> None:
    made = (await _made(client, tenant, "old", "calls:read")).json()
    assert (await client.get(f"{tenant.path}/calls", headers=bearer(made["api_key"]))).status_code == 200
    place = f"{tenant.path}/api-keys/{made['key_id']}"
    assert (await client.delete(place, headers=tenant.credential)).status_code == 204
    assert_problem(await client.get(f"{tenant.path}/calls", headers=bearer(made["api_key"])), 401, "unauthenticated")
    assert_problem(await client.delete(place, headers=tenant.credential), 404, "not-found")


@pytest.mark.parametrize(
    "asked",
    [
        {"name": "", "scopes": ["calls:read"]},
        {"name": "a\0", "scopes": ["calls:read"]},
        {"name": "x" * 101, "scopes": ["calls:read"]},
        {"name": "a", "scopes": ["calls:read"], "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "a", "scopes": ["calls:read"], "expires_at": "2020-01-01T00:00:00"},
        {"name": "a", "scopes": ["calls:read"], "role": "owner"},
        {"name": "a", "scopes": "calls:read"},
    ],
    ids=str,
)
async def test_a_request_for_a_key_that_cannot_be_is_named(
    client: Client, tenant: Tenant, asked: dict[str, Any]
) -> None:
    got = await client.post(f"{tenant.path}/api-keys", json=asked, headers=tenant.credential)
    assert_problem(got, 422, "invalid-parameter")


async def test_a_lost_answer_is_asked_for_again_and_makes_no_second_key(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    async def ask(path: str, key: str, **told: Any) -> httpx.Response:
        return await client.post(tenant.path + path, json=told, headers=tenant.credential | {"Idempotency-Key": key})

    asked = {"name": "Reports", "scopes": ["owners:write", "calls:read"]}
    first, again = [await ask("/api-keys", "one", **asked) for _ in range(2)]
    assert first.status_code == again.status_code == 201
    assert again.json() == first.json()
    assert again.headers["idempotency-replayed"] == "true"
    place = f"/api-keys/{first.json()['key_id']}/rotate"
    first, again = [await ask(place, "two", grace_seconds=60) for _ in range(2)]
    assert again.json() == first.json()
    assert await pool.fetchval("select count(*) from api_keys where name = 'Reports'") == 2
    first, again = [await ask("/invitations", "three", email="a@b.example", role="owner") for _ in range(2)]
    assert first.status_code == 201, first.text
    assert again.json() == first.json()
    assert await pool.fetchval("select count(*) from invitations") == 1
    other = await ask("/invitations", "three", email="b@b.example", role="owner")
    assert other.status_code == 422
    # What an admin may not give, no key of theirs makes them give.
    admin = await add_member(pool, issuer, tenant, "admin")
    refused = await client.post(
        f"{tenant.path}/api-keys", json=asked, headers=admin.credential | {"Idempotency-Key": "one"}
    )
    assert refused.status_code == 403
    stored = await pool.fetch("select response::text as told from idempotency_keys where response is not null")
    assert len(stored) == 3
    assert not any("sup_" in row["told"] or "invitation" in row["told"] for row in stored)
