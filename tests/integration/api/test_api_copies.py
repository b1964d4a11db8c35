"""Single things read from copies: no statement while one is there, nothing that an acknowledged write replaced."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest_asyncio

from serve.services import Services
from storage import cache_keys
from storage.postgres import Pool
from storage.redis import Redis, open_redis
from storage.sessions import Holder
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member, new_person
from tests.integration.api.test_api_access import assert_problem

Client = httpx.AsyncClient

TABLE = {
    "org:{id}": 300,
    "org:{id}:settings": 300,
    "assistant:{id}": 300,
    "template:{slug}": 3_600,
    "user:{id}": 600,
    "org:{id}:calls:recent": 10,
    "org:{id}:assistants": 300,
    "org:{id}:phone_numbers": 300,
}
"""Of architecture.md: copies of what Postgres holds, and how many seconds each lives."""


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    opened = open_redis(redis_url)
    yield opened
    await opened.aclose()


async def shown(client: Client, path: str, headers: dict[str, str]) -> httpx.Response:
    got = await client.get(path, headers=headers)
    assert got.status_code == 200, got.text
    return got


async def made(client: Client, tenant: Tenant, noun: str, **told: Any) -> dict[str, Any]:
    got = await client.post(f"{tenant.path}/{noun}", json=told, headers=tenant.credential)
    assert got.status_code == 201, got.text
    return got.json()


async def add_template(pool: Pool, slug: str) -> str:
    template, industry = uuid4(), uuid4()
    await pool.execute("insert into industries (id, slug, name) values ($1, $2, 'Dentists')", industry, f"i-{industry}")
    await pool.execute(
        "insert into templates (id, industry_id, slug, name, config) values ($1, $2, $3, 'Desk', $4)",
        template,
        industry,
        slug,
        {"name": "Desk"},
    )
    return str(template)


async def test_every_copy_of_the_documents_table_lies_at_its_key_for_its_time(  # noqa: PLR0917  # fixtures
    client: Client, pool: Pool, services: Services, redis: Redis, issuer: TokenIssuer, tenant: Tenant
) -> None:
    assistant = await made(client, tenant, "assistants", name="Desk", config={})
    person, slug = await add_member(pool, issuer, tenant, "viewer"), f"t-{uuid4()}"
    await add_template(pool, slug)
    for path in ("/dashboard", "/usage", "/phone-numbers", f"/assistants/{assistant['id']}", f"/templates/{slug}"):
        await shown(client, tenant.path + path, tenant.credential)
    await shown(client, "/v1/user", person.credential)
    session = await services.sessions.find(await services.sessions.open(Holder(subject="user:1", user_id="1")))
    assert session is not None
    assert 86_390 < await redis.ttl(f"session:{session.session_id}") <= 86_400
    names = {"org": tenant.organization_id, "assistant": assistant["id"], "user": person.user_id}
    for pattern, seconds in TABLE.items():
        family = pattern.partition(":")[0]
        key = pattern.replace("{id}", names.get(family, "")).replace("{slug}", slug)
        remaining = await redis.pttl(key) / 1000
        # A tenth less at most by chance, and as long as this test took.
        assert seconds * 0.9 - 9 < remaining <= seconds, (key, remaining)


async def test_what_was_read_once_is_read_without_a_statement(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant, statements: list[str]
) -> None:
    person, slug = await add_member(pool, issuer, tenant, "viewer"), f"t-{uuid4()}"
    template = await add_template(pool, slug)
    assistant = await made(client, tenant, "assistants", name="Desk", config={"model": 1})
    for place in range(3):
        await made(client, tenant, "phone-numbers", number=f"+1555010000{place}", assistant_id=assistant["id"])
    for path, headers in (
        (f"{tenant.path}/assistants/{assistant['id']}", tenant.credential),
        (f"{tenant.path}/phone-numbers?limit=2", tenant.credential),
        (f"{tenant.path}/templates/{slug}", tenant.credential),
        (f"{tenant.path}/templates/{template}", tenant.credential),
        ("/v1/user", person.credential),
    ):
        first = await shown(client, path, headers)
        statements.clear()
        second = await shown(client, path, headers)
        assert not set(statements) - {"memberships_of_user"}, path
        assert (second.json(), second.headers["etag"]) == (first.json(), first.headers["etag"])


async def test_a_hundred_readers_of_one_thing_are_one_query(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant, statements: list[str]
) -> None:
    person, slug = await add_member(pool, issuer, tenant, "viewer"), f"t-{uuid4()}"
    await add_template(pool, slug)
    assistant = await made(client, tenant, "assistants", name="Desk", config={})
    for path, headers, name in (
        (f"{tenant.path}/assistants/{assistant['id']}", tenant.credential, "assistant"),
        (f"{tenant.path}/templates/{slug}", tenant.credential, "template"),
        ("/v1/user", person.credential, "person"),
    ):
        statements.clear()
        await asyncio.gather(*(shown(client, path, headers) for _ in range(100)))
        assert statements.count(name) == 1, statements


async def test_an_assistant_shows_every_change_that_was_acknowledged(client: Client, tenant: Tenant) -> None:
    async def now() -> tuple[str, int | None, list[str]]:
        told = (await shown(client, place, tenant.credential)).json()
        return told["name"], told["concurrency_limit"], told["numbers"]

    async def change(method: str, path: str, **told: Any) -> Any:
        got = await client.request(method, tenant.path + path, json=told or None, headers=tenant.credential)
        assert got.is_success, got.text
        return got.json() if got.content else None

    one, other = [await made(client, tenant, "assistants", name=name, config={}) for name in ("One", "Other")]
    place = f"{tenant.path}/assistants/{one['id']}"
    assert await now() == ("One", None, [])
    await change("PATCH", f"/assistants/{one['id']}", name="First")
    assert await now() == ("First", None, [])
    number = await made(client, tenant, "phone-numbers", number="+15550100009", assistant_id=one["id"])
    assert await now() == ("First", None, ["+15550100009"])
    await change("PATCH", f"/phone-numbers/{number['id']}", assistant_id=other["id"])
    assert await now() == ("First", None, [])
    await change("PATCH", f"/phone-numbers/{number['id']}", assistant_id=one["id"])
    assert await now() == ("First", None, ["+15550100009"])
    await change("PATCH", "/settings", assistant_limits={one["id"]: 3})
    assert await now() == ("First", 3, ["+15550100009"])
    await change("DELETE", f"/phone-numbers/{number['id']}")
    assert await now() == ("First", 3, [])
    await change("DELETE", f"/assistants/{one['id']}")
    assert_problem(await client.get(place, headers=tenant.credential), 404, "not-found")


async def test_numbers_show_every_change_and_page_through_the_copy(client: Client, tenant: Tenant) -> None:
    async def listed(limit: int) -> list[str]:
        numbers: list[str] = []
        cursor: dict[str, Any] = {}
        while True:
            query = {"limit": limit, **cursor}
            got = await client.get(f"{tenant.path}/phone-numbers", params=query, headers=tenant.credential)
            numbers += [each["number"] for each in got.json()["phone_numbers"]]
            if got.json()["next_cursor"] is None:
                return numbers
            cursor = {"cursor": got.json()["next_cursor"]}

    assert await listed(2) == []
    told = [await made(client, tenant, "phone-numbers", number=f"+1555010010{place}") for place in range(5)]
    newest_first = [each["number"] for each in reversed(told)]
    for limit in (1, 2, 5, 200):
        assert await listed(limit) == newest_first
    path = f"{tenant.path}/phone-numbers/{told[2]['id']}"
    assert (await client.delete(path, headers=tenant.credential)).status_code == 204
    assert await listed(2) == [number for number in newest_first if number != told[2]["number"]]


async def test_anothers_assistant_is_none_whether_there_is_a_copy_or_not(
    client: Client, tenant: Tenant, stranger: Tenant
) -> None:
    theirs = await made(client, stranger, "assistants", name="Theirs", config={})
    for _ in range(2):
        got = await client.get(f"{tenant.path}/assistants/{theirs['id']}", headers=tenant.credential)
        assert_problem(got, 404, "not-found")
        await shown(client, f"{stranger.path}/assistants/{theirs['id']}", stranger.credential)


async def test_a_person_changes_what_is_kept_of_them(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    person, other = [await add_member(pool, issuer, tenant, "viewer") for _ in range(2)]
    first = await shown(client, "/v1/user", person.credential)
    assert (first.json()["email"], first.json()["name"], first.json()["preferences"]) == (person.email, None, {})

    async def change(*, only_from: str | None = None, **told: Any) -> httpx.Response:
        headers = person.credential | ({"If-Match": only_from} if only_from is not None else {})
        return await client.patch("/v1/user", json=told, headers=headers)

    changed = await change(only_from=first.headers["etag"], name=" Ada ", preferences={"theme": "dark"})
    assert changed.status_code == 200, changed.text
    again = await shown(client, "/v1/user", person.credential)
    assert (again.json()["name"], again.json()["preferences"]) == ("Ada", {"theme": "dark"})
    assert again.json() == changed.json()
    assert_problem(await change(only_from=first.headers["etag"], name="Eve"), 412, "precondition-failed")
    assert (await change(name=None)).json()["name"] is None
    assert (await change(name="Ada")).json()["preferences"] == {"theme": "dark"}
    refused: list[dict[str, Any]] = [{"email": "a@b.example"}, {"name": ""}, {"preferences": [1]}]
    refused += [{"preferences": {"a": "x" * 17_000}}]
    for wrong in refused:
        assert (await change(**wrong)).status_code == 422
    assert (await shown(client, "/v1/user", other.credential)).json()["name"] is None
    assert (await shown(client, "/v1/session", person.credential)).json()["user"]["name"] == "Ada"
    (member,) = [
        each
        for each in (await shown(client, f"{tenant.path}/members", person.credential)).json()["members"]
        if each["user_id"] == person.user_id
    ]
    assert member["name"] == "Ada"


async def test_only_a_person_of_an_organization_has_a_record(
    client: Client, issuer: TokenIssuer, tenant: Tenant
) -> None:
    for method in ("GET", "PATCH"):
        body: dict[str, str] | None = {} if method == "PATCH" else None
        got = await client.request(method, "/v1/user", json=body, headers=tenant.credential)
        assert_problem(got, 403, "forbidden")
        got = await client.request(method, "/v1/user", json=body, headers=new_person(issuer).credential)
        assert_problem(got, 404, "not-found")


async def test_a_record_is_there_once_an_invitation_was_accepted(
    client: Client, issuer: TokenIssuer, tenant: Tenant
) -> None:
    person = new_person(issuer)
    assert (await client.get("/v1/user", headers=person.credential)).status_code == 404
    asked = {"email": person.email, "role": "viewer"}
    told = (await client.post(f"{tenant.path}/invitations", json=asked, headers=tenant.credential)).json()
    token = {"token": told["token"]}
    assert (await client.post("/v1/invitations/accept", json=token, headers=person.credential)).status_code == 200
    assert (await shown(client, "/v1/user", person.credential)).json()["email"] == person.email


async def test_a_template_that_does_not_exist_is_told(client: Client, services: Services, tenant: Tenant) -> None:
    for _ in range(2):
        got = await client.get(f"{tenant.path}/templates/none", headers=tenant.credential)
        assert_problem(got, 404, "not-found")
    assert services.cache.figures()[cache_keys.template("none").family]["misses"] == 1
