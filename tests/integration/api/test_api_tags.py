"""Tags of calls: set and taken away once, found again, nobody else's."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from actors.domain.tags import MOST_TAGS
from actors.slots import slot_of
from storage.errors import NotPermittedError
from storage.postgres import Pool
from storage.statements import statement
from storage.tenant import tenant_writes
from tests.integration.api.conftest import Tenant
from tests.integration.api.stored_calls import NOW, store_call
from tests.integration.api.test_api_access import add_key, assert_problem, bearer
from tests.integration.archive_world import START, PastMonth

Client = httpx.AsyncClient


def path_of(tenant: Tenant, call_id: str, tag: str = "") -> str:
    return f"{tenant.path}/calls/{call_id}/tags" + (f"/{tag}" if tag else "")


async def tags(client: Client, tenant: Tenant, call_id: str, *added: str) -> list[str]:
    """After adding some, what the call's tags are."""
    for tag in added:
        got = await client.put(path_of(tenant, call_id, tag), headers=tenant.credential)
        assert got.status_code == 200, got.text
    listed = await client.get(path_of(tenant, call_id), headers=tenant.credential)
    assert listed.status_code == 200, listed.text
    return listed.json()["tags"]


async def found(client: Client, tenant: Tenant, **query: Any) -> dict[str, list[str]]:
    got = await client.get(f"{tenant.path}/calls", params=query, headers=tenant.credential)
    assert got.status_code == 200, got.text
    return {call["call_id"]: call["tags"] for call in got.json()["calls"]}


async def paged(client: Client, tenant: Tenant, **query: Any) -> list[str]:
    """The calls of all pages, one to a page."""
    seen, cursor = list[str](), dict[str, str]()
    while True:
        got = await client.get(
            f"{tenant.path}/calls", params={**query, "limit": 1, **cursor}, headers=tenant.credential
        )
        assert got.status_code == 200, got.text
        seen += [call["call_id"] for call in got.json()["calls"]]
        if (following := got.json()["next_cursor"]) is None:
            return seen
        cursor = {"cursor": following}


async def told(pool: Pool, tenant: Tenant) -> list[list[str]]:
    """What the owner is told, in the order in which that counts."""
    rows = await pool.fetch(
        "select facts, slot from webhook_inbox where organization_id = $1 and type = 'call-tagged'"
        " and provider = 'internal' order by id",
        UUID(tenant.organization_id),
    )
    assert {row["slot"] for row in rows} <= {slot_of(tenant.organization_id)}
    return [row["facts"]["tags"] for row in rows]


async def test_a_tag_is_set_once_and_taken_away_once(client: Client, pool: Pool, tenant: Tenant) -> None:
    await store_call(pool, tenant.organization_id, "some/call")
    assert await tags(client, tenant, "some/call", "VIP", "Call%20back", "vip") == ["call-back", "vip"]
    for _ in range(2):
        gone = await client.delete(path_of(tenant, "some/call", "Vip"), headers=tenant.credential)
        assert (gone.status_code, gone.json()) == (200, {"tags": ["call-back"]})
    assert await told(pool, tenant) == [["vip"], ["call-back", "vip"], ["call-back"]]
    logged = await pool.fetch(
        "select actor, action, target, result from audit_log where action like 'tag-%' order by id"
    )
    assert [tuple(row)[1:] for row in logged] == [
        ("tag-added", "some/call", "vip"),
        ("tag-added", "some/call", "call-back"),
        ("tag-removed", "some/call", "vip"),
    ]
    assert all(row["actor"].startswith("key:") for row in logged)
    detail = await client.get(f"{tenant.path}/calls/some/call", headers=tenant.credential)
    assert detail.json()["tags"] == ["call-back"]
    assert [each["details"]["tag"] for each in detail.json()["timeline"]] == ["vip", "call-back", "vip"]


async def test_a_call_has_a_few_tags_however_many_are_set_at_once(client: Client, pool: Pool, tenant: Tenant) -> None:
    await store_call(pool, tenant.organization_id, "c")
    asked = [client.put(path_of(tenant, "c", f"tag-{n}"), headers=tenant.credential) for n in range(MOST_TAGS + 4)]
    answers = await asyncio.gather(*asked)
    assert sorted(each.status_code for each in answers) == [200] * MOST_TAGS + [409] * 4
    assert_problem(next(each for each in answers if each.status_code == 409), 409, "conflict")
    assert len(await tags(client, tenant, "c")) == MOST_TAGS
    # Each was told after the one before it: the last telling is the whole.
    assert [len(each) for each in await told(pool, tenant)] == list(range(1, MOST_TAGS + 1))


async def test_only_who_may_annotate_tags_and_only_the_own_calls(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    await store_call(pool, tenant.organization_id, "c")
    assert await tags(client, tenant, "c", "vip") == ["vip"]
    reader = bearer(await add_key(pool, tenant, "calls:read"))
    assert (await client.get(path_of(tenant, "c"), headers=reader)).json() == {"tags": ["vip"]}
    for method in ("PUT", "DELETE"):
        path = path_of(tenant, "c", "vip")
        assert_problem(await client.request(method, path, headers=reader), 403, "forbidden")
        theirs = path_of(stranger, "c", "vip")
        assert_problem(await client.request(method, theirs, headers=stranger.credential), 404, "not-found")
        refused = await client.request(method, path_of(tenant, "c", "a,b"), headers=tenant.credential)
        assert_problem(refused, 422, "invalid-parameter")
    assert_problem(await client.get(path_of(stranger, "c"), headers=stranger.credential), 404, "not-found")
    assert_problem(await client.get(path_of(tenant, "unknown"), headers=tenant.credential), 404, "not-found")
    assert await tags(client, tenant, "c") == ["vip"]
    assert await told(pool, stranger) == []


async def test_postgres_itself_lets_nobody_tag_anothers_call(pool: Pool, tenant: Tenant, stranger: Tenant) -> None:
    row_id = await store_call(pool, tenant.organization_id, "c")
    arguments = (UUID(tenant.organization_id), "c", slot_of(tenant.organization_id), "vip", True, MOST_TAGS)
    for who, role in ((stranger, "owner"), (tenant, "viewer"), (tenant, None)):
        with pytest.raises(NotPermittedError):
            async with tenant_writes(
                pool, organization_id=who.organization_id, subject="key:x", role=role
            ) as connection:
                await connection.fetch(statement("tag_call"), *arguments)
    with pytest.raises(NotPermittedError):
        async with tenant_writes(
            pool, organization_id=tenant.organization_id, subject="key:x", role="owner"
        ) as connection:
            await connection.execute(
                "insert into call_tags (organization_id, tag, call_created_at, call_id) values ($1, 'vip', $2, $3)",
                *(arguments[0], NOW, row_id),
            )
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "insert into call_tags (organization_id, tag, call_created_at, call_id, author)"
            " values ($1, repeat('a', 33), $2, $3, 'x')",
            *(arguments[0], NOW, row_id),
        )
    assert await told(pool, tenant) == []


async def test_calls_are_found_by_a_tag_and_show_theirs(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    for place, call_id in enumerate(("a", "b", "c", "d")):
        for who in (tenant, stranger):
            at = NOW - timedelta(hours=place + 1)
            await store_call(pool, who.organization_id, call_id, created_at=at, direction="web" if place else "inbound")
    await tags(client, tenant, "a", "vip")
    await tags(client, tenant, "c", "vip", "billing")
    await tags(client, stranger, "b", "vip")
    assert await found(client, tenant) == {"a": ["vip"], "b": [], "c": ["billing", "vip"], "d": []}
    assert await found(client, tenant, tag="VIP") == {"a": ["vip"], "c": ["billing", "vip"]}
    assert await found(client, tenant, tag="vip", direction="web") == {"c": ["billing", "vip"]}
    assert await found(client, tenant, tag="never-set") == {}
    assert await paged(client, tenant, tag="vip") == ["a", "c"]
    assert await paged(client, tenant, tag="vip", direction="web") == ["c"]
    refused = await client.get(f"{tenant.path}/calls", params={"tag": "a,b"}, headers=tenant.credential)
    assert_problem(refused, 422, "invalid-parameter")
    active = await client.get(f"{tenant.path}/calls/active", headers=tenant.credential)
    assert active.json()["calls"][0]["tags"] == ["vip"]
    exported = await client.get(f"{tenant.path}/calls/export", params={"tag": "billing"}, headers=tenant.credential)
    header, line = exported.text.splitlines()
    assert dict(zip(header.split(","), line.split(","), strict=True))["tags"] == "billing vip"


async def test_tags_outlive_the_months_archiving_and_change_no_more(
    client: Client, pool: Pool, tenant: Tenant, database_url: str, tmp_path: Path
) -> None:
    past = PastMonth(database_url=database_url, pool=pool, folder=tmp_path / "recordings")
    await past.open()
    for call_id, hour in (("a", 0), ("b", 0), ("old", 2)):
        await past.add_call(tenant.organization_id, call_id, hour=hour)
    for call_id in ("a", "old"):
        await tags(client, tenant, call_id, "vip")
    month = {"from": START.isoformat(), "to": (START + timedelta(days=31)).isoformat()}
    await past.archive()
    assert await found(client, tenant, **month) == {"a": ["vip"], "b": [], "old": ["vip"]}
    assert await found(client, tenant, **month, tag="vip") == {"a": ["vip"], "old": ["vip"]}
    detail = await client.get(f"{tenant.path}/calls/a", headers=tenant.credential)
    assert (detail.json()["archived"], detail.json()["tags"]) == (True, ["vip"])
    assert await tags(client, tenant, "a") == ["vip"]
    for method, tag in (("PUT", "late"), ("DELETE", "vip")):
        changed = await client.request(method, path_of(tenant, "a", tag), headers=tenant.credential)
        assert_problem(changed, 409, "conflict")
    # What comes late for the month stands in Postgres, between those that do not.
    await past.add_call(tenant.organization_id, "late", hour=1)
    await past.add_call(tenant.organization_id, "later", hour=3)
    await tags(client, tenant, "late", "vip")
    assert await paged(client, tenant, **month, tag="vip") == ["old", "late", "a"]
    again = await client.put(path_of(tenant, "a", "vip"), headers=tenant.credential)
    assert (again.status_code, again.json()) == (200, {"tags": ["vip"]})
