"""Members and invitations: who may make, change and remove whom, and what is left of it."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from serve.roles import Role, scopes_of
from storage.postgres import Pool
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Person, Tenant, add_member, new_person
from tests.integration.api.test_api_access import add_key, assert_problem, bearer

Client = httpx.AsyncClient


async def _invited(client: Client, tenant: Tenant, by: dict[str, str], email: str, role: str = "viewer") -> str:
    made = await client.post(f"{tenant.path}/invitations", json={"email": email, "role": role}, headers=by)
    assert made.status_code == 201, made.text
    assert made.json()["status"] == "pending"
    return made.json()["token"]


async def _accepted(client: Client, person: Person, token: str) -> httpx.Response:
    return await client.post("/v1/invitations/accept", json={"token": token}, headers=person.credential)


async def _audited(pool: Pool, tenant: Tenant) -> list[tuple[str, str, str]]:
    rows = await pool.fetch(
        "select actor, action, result from audit_log where organization_id = $1 order by id", tenant.organization_id
    )
    return [(row["actor"], row["action"], row["result"]) for row in rows]


@pytest.mark.parametrize("role", list(Role))
async def test_a_person_may_do_what_the_role_permits_where_they_are_a_member(  # noqa: PLR0917  # fixtures
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant, stranger: Tenant, role: Role
) -> None:
    person = await add_member(pool, issuer, tenant, role)
    told = (await client.get("/v1/session", headers=person.credential)).json()
    assert told["user"] == {"user_id": person.user_id, "email": person.email, "name": None}
    (permitted,) = told["organizations"]
    assert (permitted["organization_id"], permitted["role"]) == (tenant.organization_id, role)
    assert permitted["scopes"] == sorted(scopes_of(role))
    assert (await client.get(f"{tenant.path}/calls", headers=person.credential)).status_code == 200
    assert_problem(await client.get(f"{stranger.path}/calls", headers=person.credential), 404, "not-found")
    keys = await client.get(f"{tenant.path}/api-keys", headers=person.credential)
    assert keys.status_code == (200 if role in {Role.OWNER, Role.ADMIN} else 403)


async def test_somebody_without_an_organization_is_known_and_sees_nothing(
    client: Client, issuer: TokenIssuer, tenant: Tenant
) -> None:
    person = new_person(issuer)
    told = (await client.get("/v1/session", headers=person.credential)).json()
    assert (told["organization_id"], told["organizations"]) == (None, [])
    assert_problem(await client.get(tenant.path, headers=person.credential), 404, "not-found")


async def test_an_invitation_makes_a_member_once_and_only_the_person_invited(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    owner, invited, other = await add_member(pool, issuer, tenant, "owner"), new_person(issuer), new_person(issuer)
    token = await _invited(client, tenant, owner.credential, invited.email.upper(), "supervisor")
    (listed,) = (await client.get(f"{tenant.path}/invitations", headers=owner.credential)).json()["invitations"]
    assert "token" not in listed
    assert (listed["role"], listed["invited_by"]) == ("supervisor", f"user:{owner.user_id}")
    kept = await pool.fetchval("select token_hash from invitations")
    assert token.encode() not in kept

    assert_problem(await _accepted(client, other, token), 404, "not-found")
    assert_problem(await client.get(f"{tenant.path}/calls", headers=invited.credential), 404, "not-found")
    got = await _accepted(client, invited, token)
    assert got.json() == {"organization_id": tenant.organization_id}
    assert (await client.get(f"{tenant.path}/calls", headers=invited.credential)).status_code == 200
    assert_problem(await _accepted(client, invited, token), 404, "not-found")
    members = (await client.get(f"{tenant.path}/members", headers=invited.credential)).json()["members"]
    assert {(each["email"], each["role"]) for each in members} == {
        (owner.email, "owner"),
        (invited.email, "supervisor"),
    }
    assert await _audited(pool, tenant) == [
        (f"user:{owner.user_id}", "invitation-made", "supervisor"),
        (f"user:{invited.user_id}", "invitation-accepted", "supervisor"),
    ]


async def test_many_invitations_to_one_address_at_once_leave_one(client: Client, tenant: Tenant) -> None:
    asked = {"email": "one@example.com", "role": "viewer"}
    made = await asyncio.gather(
        *(client.post(f"{tenant.path}/invitations", json=asked, headers=tenant.credential) for _ in range(6))
    )
    # Whoever comes while another is at it is told so at once, and holds no connection waiting for it.
    assert {got.status_code for got in made} <= {201, 409}
    for got in made:
        if got.is_error:
            assert_problem(got, 409, "conflict")
    assert any(got.is_success for got in made)
    listed = (await client.get(f"{tenant.path}/invitations", headers=tenant.credential)).json()["invitations"]
    assert len(listed) == 1


async def test_invitations_end(client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant) -> None:
    invited = new_person(issuer)
    first = await _invited(client, tenant, tenant.credential, invited.email)
    second = await _invited(client, tenant, tenant.credential, invited.email)
    assert_problem(await _accepted(client, invited, first), 404, "not-found")
    (listed,) = (await client.get(f"{tenant.path}/invitations", headers=tenant.credential)).json()["invitations"]
    place = f"{tenant.path}/invitations/{listed['invitation_id']}"
    assert (await client.delete(place, headers=tenant.credential)).status_code == 204
    assert_problem(await client.delete(place, headers=tenant.credential), 404, "not-found")
    assert_problem(await _accepted(client, invited, second), 404, "not-found")

    third = await _invited(client, tenant, tenant.credential, invited.email)
    await pool.execute("update invitations set created_at = now() - interval '8 days', expires_at = now()")
    (listed,) = (await client.get(f"{tenant.path}/invitations", headers=tenant.credential)).json()["invitations"]
    assert listed["status"] == "expired"
    assert_problem(await _accepted(client, invited, third), 404, "not-found")
    for wrong in ("", "x" * 201):
        assert_problem(await _accepted(client, invited, wrong), 422, "invalid-parameter")
    for unknown in ("x", "\0", "\u20ac"):
        assert_problem(await _accepted(client, invited, unknown), 404, "not-found")


async def test_a_key_accepts_no_invitation_and_a_member_needs_none(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant, stranger: Tenant
) -> None:
    member = await add_member(pool, issuer, tenant, "viewer")
    again = await client.post(
        f"{tenant.path}/invitations", json={"email": member.email, "role": "admin"}, headers=tenant.credential
    )
    assert_problem(again, 409, "conflict")
    token = await _invited(client, stranger, stranger.credential, member.email)
    got = await client.post("/v1/invitations/accept", json={"token": token}, headers=tenant.credential)
    assert_problem(got, 403, "forbidden")


@pytest.mark.parametrize("email", ["", "nobody", "@example.com", "a@b", "a b@example.com", "a@b.example\n", "a" * 400])
async def test_an_address_that_cannot_be_is_named(client: Client, tenant: Tenant, email: str) -> None:
    got = await client.post(
        f"{tenant.path}/invitations", json={"email": email, "role": "viewer"}, headers=tenant.credential
    )
    assert_problem(got, 422, "invalid-parameter")


async def test_only_owners_make_and_unmake_owners(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    owner, admin, viewer = [await add_member(pool, issuer, tenant, role) for role in ("owner", "admin", "viewer")]
    members = f"{tenant.path}/members"

    async def made(by: Person, whom: Person, role: str) -> int:
        return (await client.patch(f"{members}/{whom.user_id}", json={"role": role}, headers=by.credential)).status_code

    assert await made(admin, viewer, "owner") == 403
    assert await made(admin, admin, "owner") == 403
    assert await made(admin, owner, "viewer") == 403
    assert (await client.delete(f"{members}/{owner.user_id}", headers=admin.credential)).status_code == 403
    invited = {"email": "new@example.com", "role": "owner"}
    assert (await client.post(f"{tenant.path}/invitations", json=invited, headers=admin.credential)).status_code == 403
    assert await made(viewer, viewer, "admin") == 403
    assert await made(admin, viewer, "supervisor") == 204
    assert await made(owner, viewer, "owner") == 204
    assert await made(viewer, owner, "admin") == 204
    assert await made(owner, viewer, "viewer") == 403, "no owner any more"
    assert [action for _, action, _ in await _audited(pool, tenant)] == ["member-role-changed"] * 3


async def test_the_last_owner_stays(client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant) -> None:
    owner = await add_member(pool, issuer, tenant, "owner")
    place = f"{tenant.path}/members/{owner.user_id}"
    for headers in (owner.credential, tenant.credential):
        assert_problem(await client.patch(place, json={"role": "admin"}, headers=headers), 409, "conflict")
        assert_problem(await client.delete(place, headers=headers), 409, "conflict")
    assert_problem(await client.delete(f"{tenant.path}/membership", headers=owner.credential), 409, "conflict")
    assert await _audited(pool, tenant) == []
    await add_member(pool, issuer, tenant, "owner")
    assert (await client.delete(f"{tenant.path}/membership", headers=owner.credential)).status_code == 204
    assert_problem(await client.get(tenant.path, headers=owner.credential), 404, "not-found")


async def test_who_is_let_go_or_leaves_reads_nothing_more(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    await add_member(pool, issuer, tenant, "owner")
    for role in ("viewer", "supervisor"):
        person = await add_member(pool, issuer, tenant, role)
        assert (await client.get(tenant.path, headers=person.credential)).status_code == 200
        if role == "viewer":
            left = await client.delete(f"{tenant.path}/membership", headers=person.credential)
        else:
            left = await client.delete(f"{tenant.path}/members/{person.user_id}", headers=tenant.credential)
        assert left.status_code == 204
        assert_problem(await client.get(tenant.path, headers=person.credential), 404, "not-found")


async def test_a_key_with_members_write_manages_people_but_not_owners(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant
) -> None:
    made = await client.post(
        f"{tenant.path}/api-keys",
        json={"name": "people", "scopes": ["members:read", "members:write"]},
        headers=tenant.credential,
    )
    key = bearer(made.json()["api_key"])
    viewer, owner = await add_member(pool, issuer, tenant, "viewer"), await add_member(pool, issuer, tenant, "owner")
    members = f"{tenant.path}/members"
    assert (await client.delete(f"{members}/{viewer.user_id}", headers=key)).status_code == 204
    assert (await client.delete(f"{members}/{owner.user_id}", headers=key)).status_code == 403
    assert_problem(await client.delete(f"{members}/{uuid4()}", headers=key), 404, "not-found")
    assert_problem(await client.delete(f"{tenant.path}/membership", headers=tenant.credential), 403, "forbidden")
    narrow = bearer(await add_key(pool, tenant, "members:read"))
    assert (await client.get(members, headers=narrow)).status_code == 200
    assert_problem(await client.delete(f"{members}/{owner.user_id}", headers=narrow), 403, "forbidden")
