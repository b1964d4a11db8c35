"""Sessions of people: opened with a token, in a cookie no script reads, ended one by one and all at once."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from serve.auth import LOGIN_SCOPE, SESSION_SCOPES
from serve.services import Services
from storage.api_keys import add_api_key, new_api_key
from storage.postgres import Pool, transaction
from storage.redis import open_redis
from storage.sessions import MOST_SESSIONS, SESSION_SECONDS, Holder
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import BASE_URL, Person, Tenant, add_member
from tests.integration.api.test_api_access import assert_problem
from tests.integration.test_access_tokens import ATTACKS, Attack

Client = httpx.AsyncClient


async def _opened(client: Client, person: Person) -> str:
    """The cookie's value, which the client forgets."""
    got = await client.post("/v1/sessions", headers=person.credential)
    assert got.status_code == 201, got.text
    cookie = got.headers["set-cookie"].lower()
    assert all(part in cookie for part in ("httponly", "samesite=strict", f"max-age={SESSION_SECONDS}"))
    token = client.cookies["session"]
    client.cookies.clear()
    return token


def cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"session={token}"}


async def test_a_token_becomes_a_session_that_follows_the_persons_role(
    client: Client, pool: Pool, services: Services, issuer: TokenIssuer, tenant: Tenant
) -> None:
    person = await add_member(pool, issuer, tenant, "viewer")
    token = await _opened(client, person)
    assert (await client.get(f"{tenant.path}/calls", headers=cookie(token))).status_code == 200
    assert_problem(await client.get(f"{tenant.path}/api-keys", headers=cookie(token)), 403, "forbidden")
    await add_member(pool, issuer, tenant, "admin", person)
    services.identification.forget(person.user_id)
    assert (await client.get(f"{tenant.path}/api-keys", headers=cookie(token))).status_code == 200
    told = (await client.get("/v1/session", headers=cookie(token))).json()
    assert told["user"] == {"user_id": person.user_id, "email": person.email, "name": None}
    # By it the page tells the time, also to whoever may not see the live board.
    zone = await pool.fetchval("select time_zone from organizations where id = $1", UUID(tenant.organization_id))
    assert [(each["name"], each["time_zone"]) for each in told["organizations"]] == [("One", zone)]


async def test_sessions_end_one_by_one_and_all_at_once(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    person, other = [await add_member(pool, issuer, tenant, "viewer") for _ in range(2)]
    first, second, third = [await _opened(client, person) for _ in range(3)]
    theirs = await _opened(client, other)
    listed = (await client.get("/v1/sessions", headers=cookie(first))).json()["sessions"]
    assert len(listed) == 3
    (current,) = [each for each in listed if each["is_current"]]
    assert not any(token in str(listed) for token in (first, second, third))

    foreign = await client.delete(f"/v1/sessions/{current['session_id']}", headers=cookie(theirs))
    assert_problem(foreign, 404, "not-found")
    assert (await client.delete(f"/v1/sessions/{current['session_id']}", headers=cookie(second))).status_code == 204
    assert_problem(await client.get("/v1/session", headers=cookie(first)), 401, "unauthenticated")
    assert (await client.delete("/v1/sessions", headers=cookie(second))).status_code == 204
    for token in (second, third):
        assert_problem(await client.get("/v1/session", headers=cookie(token)), 401, "unauthenticated")
    assert (await client.get("/v1/session", headers=cookie(theirs))).status_code == 200


async def test_only_a_token_opens_a_session(client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant) -> None:
    person = await add_member(pool, issuer, tenant, "viewer")
    token = await _opened(client, person)
    assert_problem(await client.post("/v1/sessions", headers=cookie(token)), 403, "forbidden")
    assert_problem(await client.post("/v1/sessions", headers=tenant.credential), 403, "forbidden")
    assert_problem(await client.get("/v1/sessions", headers=tenant.credential), 403, "forbidden")
    assert_problem(await client.post("/v1/sessions"), 401, "unauthenticated")


async def test_the_oldest_session_gives_way(services: Services) -> None:
    holder = Holder(subject="user:1", user_id="1")
    tokens = [await services.sessions.open(holder) for _ in range(MOST_SESSIONS + 2)]
    assert len(await services.sessions.of(holder.owner)) == MOST_SESSIONS
    alive = [token for token in tokens if await services.sessions.find(token) is not None]
    assert len(alive) == MOST_SESSIONS
    assert await services.sessions.end_all(holder.owner) == MOST_SESSIONS
    assert await services.sessions.of(holder.owner) == []


async def test_a_link_ends_no_session_that_another_link_opened(services: Services) -> None:
    organization_id = str(uuid4())
    one, other = (
        Holder(subject=subject, organization_id=organization_id, scopes=SESSION_SCOPES)
        for subject in ("key:one", "key:other")
    )
    first = await services.sessions.open(one)
    tokens = [await services.sessions.open(other) for _ in range(MOST_SESSIONS + 1)]
    alive = [token for token in (first, *tokens) if await services.sessions.find(token) is not None]
    assert alive == [first, *tokens[1:]]
    assert len(await services.sessions.of(one.owner)) == len(alive), "an admin sees those of all links"
    assert await services.sessions.end_all(one.owner) == len(alive)
    assert await services.sessions.find(first) is None


@pytest.mark.parametrize("by", ["logging out", "its id", "all of them"])
async def test_an_ended_session_takes_no_place_of_its_link(services: Services, by: str) -> None:
    link = Holder(subject="key:one", organization_id=str(uuid4()), scopes=SESSION_SCOPES)
    person = Holder(subject="user:1", user_id="1")
    for holder in (link, person):
        tokens = [await services.sessions.open(holder) for _ in range(MOST_SESSIONS)]
        ended = tokens if by == "all of them" else tokens[-3:]
        if by == "all of them":
            assert await services.sessions.end_all(holder.owner) == MOST_SESSIONS
        for token in tokens[-3:]:
            session = await services.sessions.find(token)
            if by == "logging out":
                await services.sessions.end(token)
            elif by == "its id":
                assert session is not None
                assert await services.sessions.end_one(holder.owner, session.session_id)
        new = [await services.sessions.open(holder) for _ in ended]
        alive = [token for token in (*tokens, *new) if await services.sessions.find(token) is not None]
        assert alive == [*(token for token in tokens if token not in ended), *new]
        assert len(await services.sessions.of(holder.owner)) == MOST_SESSIONS


async def test_redis_holds_no_token(services: Services, redis_url: str) -> None:
    token = await services.sessions.open(Holder(subject="user:1", user_id="1"))
    async with open_redis(redis_url) as opened:
        redis: Any = opened
        (name,) = await redis.keys("session:*")
        assert token.encode() not in name + await redis.get(name)


async def test_a_persons_login_link_opens_the_persons_session(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    person, key = await add_member(pool, issuer, tenant, "owner"), new_api_key()
    async with transaction(pool) as connection:
        await add_api_key(
            connection,
            key,
            organization_id=tenant.organization_id,
            name="link",
            scopes=[LOGIN_SCOPE],
            user_id=person.user_id,
        )
    assert (await client.get("/login", params={"token": key.text})).status_code == 303
    told = (await client.get("/v1/session")).json()
    assert (told["user"]["user_id"], told["role"]) == (person.user_id, "owner")


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_every_forged_token_gets_the_same_401(api: FastAPI, issuer: TokenIssuer, attack: Attack) -> None:
    keys = dict(issuer.keys)
    forged = attack(issuer).encode()
    issuer.keys = keys
    transport = httpx.ASGITransport(app=api, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
        right = issuer.token()
        assert (await client.get("/v1/session", headers={"Authorization": f"Bearer {right}"})).status_code == 200
        got = await client.get("/v1/session", headers=[(b"authorization", b"Bearer " + forged)])
        nobody = await client.get("/v1/session")
    if forged.strip() == forged:
        assert_problem(got, 401, "unauthenticated")
        assert (got.content, dict(got.headers)) == (nobody.content, dict(nobody.headers))


async def test_what_a_login_link_let_in_is_put_out_by_its_organizations_admins(  # noqa: PLR0917  # fixtures
    client: Client, pool: Pool, services: Services, issuer: TokenIssuer, tenant: Tenant, stranger: Tenant
) -> None:
    def opened(by: Tenant) -> Holder:
        return Holder(subject="key:link", organization_id=by.organization_id, scopes=SESSION_SCOPES)

    first, second, third = [await services.sessions.open(opened(tenant)) for _ in range(3)]
    theirs = await services.sessions.open(opened(stranger))
    admin, supervisor = [await add_member(pool, issuer, tenant, role) for role in ("admin", "supervisor")]
    place = f"{tenant.path}/link-sessions"
    for headers in (supervisor.credential, cookie(first)):
        assert_problem(await client.get(place, headers=headers), 403, "forbidden")
        assert_problem(await client.delete(place, headers=headers), 403, "forbidden")
    listed = (await client.get(place, headers=admin.credential)).json()["sessions"]
    assert len(listed) == 3
    assert not any(token in str(listed) for token in (first, second, third))
    session = await services.sessions.find(third)
    assert session is not None

    foreign = f"{stranger.path}/link-sessions/{session.session_id}"
    assert_problem(await client.delete(foreign, headers=stranger.credential), 404, "not-found")
    one = f"{place}/{session.session_id}"
    assert (await client.delete(one, headers=admin.credential)).status_code == 204
    assert_problem(await client.delete(one, headers=admin.credential), 404, "not-found")
    assert_problem(await client.get("/v1/session", headers=cookie(third)), 401, "unauthenticated")
    assert (await client.get("/v1/session", headers=cookie(first))).status_code == 200
    assert (await client.delete(place, headers=admin.credential)).status_code == 204
    for token in (first, second):
        assert_problem(await client.get("/v1/session", headers=cookie(token)), 401, "unauthenticated")
    assert (await client.get("/v1/session", headers=cookie(theirs))).status_code == 200
    kept = await pool.fetch("select actor, action from audit_log order by id")
    assert [tuple(row) for row in kept] == [
        (f"user:{admin.user_id}", "link-session-ended"),
        (f"user:{admin.user_id}", "link-sessions-ended"),
    ]
