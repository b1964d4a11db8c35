"""What the schema itself keeps of people: roles, the last owner, invitations, and who is said to have acted."""

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from storage.errors import NotPermittedError
from storage.postgres import Pool, open_pool
from storage.tenant import Claims, claimed_reads, claimed_writes, tenant_reads, tenant_writes
from tests.integration.rows import Rows

TOKEN = hashlib.sha256(b"of the test").digest()


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=4, name="test") as opened:
        yield opened


@pytest_asyncio.fixture
async def organization(pool: Pool) -> str:
    return await Rows(pool).add_organization()


async def add_person(pool: Pool, organization_id: str | None = None, role: str = "viewer") -> str:
    person = str(uuid4())
    await pool.execute("insert into users (id, email) values ($1, $2)", UUID(person), f"{person}@people.example")
    if organization_id is not None:
        await pool.execute(
            "insert into organization_members (organization_id, user_id, role) values ($1, $2, $3)",
            UUID(organization_id),
            UUID(person),
            role,
        )
    return person


def claims_of(person: str) -> Claims:
    return Claims(subject=f"user:{person}", user_id=person, email=f"{person}@people.example")


async def test_a_person_sees_the_organizations_it_is_a_member_of(pool: Pool, organization: str) -> None:
    rows = Rows(pool)
    second, foreign = await rows.add_organization(), await rows.add_organization()
    person = await add_person(pool, organization)
    await pool.execute(
        "insert into organization_members (organization_id, user_id, role) values ($1, $2, 'owner')",
        UUID(second),
        UUID(person),
    )
    async with claimed_reads(pool, claims_of(person)) as connection:
        seen = {str(row["id"]) for row in await connection.fetch("select id from organizations")}
    assert seen == {organization, second}
    assert foreign not in seen


async def test_a_person_who_chose_an_organization_sees_no_other(pool: Pool, organization: str) -> None:
    second = await Rows(pool).add_organization()
    person = await add_person(pool, organization)
    await pool.execute(
        "insert into organization_members (organization_id, user_id, role) values ($1, $2, 'owner')",
        UUID(second),
        UUID(person),
    )
    async with tenant_reads(
        pool, organization_id=organization, subject=f"user:{person}", role="viewer", user_id=person
    ) as connection:
        assert [str(row["id"]) for row in await connection.fetch("select id from organizations")] == [organization]


async def test_a_membership_that_ended_opens_nothing(pool: Pool, organization: str) -> None:
    person = await add_person(pool, organization, "admin")
    await pool.execute("delete from organization_members where user_id = $1", UUID(person))
    async with claimed_reads(pool, claims_of(person)) as connection:
        assert await connection.fetch("select id from organizations") == []


ADD_MEMBER = "insert into organization_members (organization_id, user_id, role) values"
ADD_AUDIT = "insert into audit_log (organization_id, actor, action, target, reason, result) values"
ADD_KEY = "insert into api_keys (id, organization_id, name, secret_hash, scopes, role) values"


@pytest.mark.parametrize(
    ("role", "change"),
    [
        ("viewer", f"{ADD_MEMBER} (:organization, :person, 'viewer')"),
        ("admin", f"{ADD_MEMBER} (:organization, :person, 'owner')"),
        ("supervisor", f"{ADD_KEY} ('k', :organization, 'K', '', '{{}}', 'viewer')"),
        ("admin", f"{ADD_KEY} ('k', :organization, 'K', '', '{{}}', 'owner')"),
        ("owner", f"{ADD_AUDIT} (:organization, 'user:another', 'x', 'x', 'x', 'x')"),
        ("owner", "select private.audit(:person, 'x', 'x', 'x', 'x')"),
        ("owner", "update organizations set dedicated = true"),
        ("owner", "update organizations set plan_id = null"),
        ("owner", "update api_keys set role = 'owner'"),
        ("admin", "delete from calls"),
    ],
)
async def test_a_role_cannot(pool: Pool, organization: str, role: str, change: str) -> None:
    change = change.replace(":organization", f"'{organization}'").replace(":person", f"'{await add_person(pool)}'")
    with pytest.raises(NotPermittedError):
        async with tenant_writes(pool, organization_id=organization, subject="key:a", role=role) as connection:
            await connection.execute(change)


async def test_a_change_without_a_role_is_refused(pool: Pool, organization: str) -> None:
    with pytest.raises(NotPermittedError):
        async with tenant_writes(pool, organization_id=organization, subject="key:a", role=None) as connection:
            await connection.execute(
                "insert into assistants (id, organization_id, name, config) values ($1, $2, 'A', '{}')",
                uuid4(),
                UUID(organization),
            )


async def test_a_change_is_whole_or_not_at_all_and_never_the_owners(pool: Pool, organization: str) -> None:
    async def rename(then: str) -> None:
        async with tenant_writes(pool, organization_id=organization, subject="key:a", role="admin") as connection:
            assert await connection.fetchval("select current_user") == "authenticated"
            await connection.execute("update organizations set name = 'Renamed' where id = $1", UUID(organization))
            await connection.execute(then)

    with pytest.raises(NotPermittedError):
        await rename("delete from calls")
    assert await pool.fetchval("select name from organizations") == "Clinic"
    await rename("select 1")
    assert await pool.fetchval("select name from organizations") == "Renamed"
    assert await pool.fetchval("select current_user") != "authenticated"


async def test_an_organization_keeps_an_owner(pool: Pool, organization: str) -> None:
    first = await add_person(pool, organization, "owner")
    for change in (
        "delete from organization_members where user_id = $1",
        "update organization_members set role = 'admin' where user_id = $1",
        "delete from users where id = $1",
    ):
        with pytest.raises(asyncpg.CheckViolationError, match="at least one owner"):
            await pool.execute(change, UUID(first))
    await add_person(pool, organization, "owner")
    await pool.execute("delete from organization_members where user_id = $1", UUID(first))
    assert await pool.fetchval("select count(*) from organization_members where role = 'owner'") == 1


async def test_two_owners_who_leave_at_once_do_not_both(pool: Pool, organization: str) -> None:
    owners = [await add_person(pool, organization, "owner") for _ in range(2)]
    leave = "delete from organization_members where user_id = $1"
    async with pool.acquire() as one, pool.acquire() as two:
        leaving = one.transaction()
        await leaving.start()
        await one.execute(leave, UUID(owners[0]))
        await two.execute("set lock_timeout = '200ms'")
        # The second waits for the first to decide itself, instead of counting an owner who is leaving.
        with pytest.raises(asyncpg.LockNotAvailableError):
            await two.execute(leave, UUID(owners[1]))
        await leaving.commit()
        with pytest.raises(asyncpg.CheckViolationError):
            await two.execute(leave, UUID(owners[1]))


async def invite(pool: Pool, organization_id: str, email: str, role: str = "supervisor") -> None:
    async with tenant_writes(pool, organization_id=organization_id, subject="key:a", role="admin") as connection:
        await connection.execute(
            """insert into invitations (id, organization_id, email, role, token_hash, invited_by, expires_at)
               values ($1, $2, $3, $4, $5, 'key:a', $6)""",
            uuid4(),
            UUID(organization_id),
            email,
            role,
            TOKEN,
            datetime.now(UTC) + timedelta(days=7),
        )


async def accept(pool: Pool, claims: Claims) -> str | None:
    async with claimed_writes(pool, claims) as connection:
        accepted = await connection.fetchval("select private.accept_invitation($1)", TOKEN)
    return None if accepted is None else str(accepted)


async def test_who_was_invited_becomes_a_member_once(pool: Pool, organization: str) -> None:
    person = str(uuid4())
    await invite(pool, organization, f"{person.upper()}@people.example")
    assert await accept(pool, claims_of(str(uuid4()))) is None
    assert await accept(pool, Claims(subject="key:a")) is None
    assert await accept(pool, claims_of(person)) == organization
    assert await accept(pool, claims_of(person)) is None
    async with claimed_reads(pool, claims_of(person)) as connection:
        member = await connection.fetchrow("select user_id, role from organization_members")
        logged = await connection.fetchrow("select actor, action, result from audit_log")
    assert member is not None
    assert (str(member["user_id"]), member["role"]) == (person, "supervisor")
    assert logged is not None
    assert tuple(logged) == (f"user:{person}", "invitation-accepted", "supervisor")


async def test_an_invitation_takes_no_role_away(pool: Pool, organization: str) -> None:
    person = await add_person(pool, organization, "owner")
    await invite(pool, organization, f"{person}@people.example", "viewer")
    assert await accept(pool, claims_of(person)) == organization
    assert await pool.fetchval("select role from organization_members") == "owner"


@pytest.mark.parametrize(
    "ending",
    [
        "update invitations set revoked_at = now()",
        "update invitations set created_at = now() - interval '9 days', expires_at = now()",
    ],
)
async def test_an_invitation_that_ended_admits_nobody(pool: Pool, organization: str, ending: str) -> None:
    person = await add_person(pool)
    await invite(pool, organization, f"{person}@people.example")
    await pool.execute(ending)
    assert await accept(pool, claims_of(person)) is None


async def test_an_admin_cannot_invite_an_owner(pool: Pool, organization: str) -> None:
    with pytest.raises(NotPermittedError):
        await invite(pool, organization, "a@b.example", "owner")


async def test_what_was_done_is_noted_under_the_credentials_own_name(pool: Pool, organization: str) -> None:
    async with tenant_writes(pool, organization_id=organization, subject="key:a", role="supervisor") as connection:
        await connection.execute(
            "select private.audit($1, 'call-ended', 'c-1', 'asked to', 'ended')", UUID(organization)
        )
    logged = await pool.fetchrow("select organization_id, actor, action, target, reason, result from audit_log")
    assert logged is not None
    assert tuple(logged) == (UUID(organization), "key:a", "call-ended", "c-1", "asked to", "ended")


async def test_a_number_is_answered_by_no_other_organizations_assistant(pool: Pool, organization: str) -> None:
    foreign, assistant = await Rows(pool).add_organization(), uuid4()
    await pool.execute(
        "insert into assistants (id, organization_id, name, config) values ($1, $2, 'A', '{}')",
        assistant,
        UUID(foreign),
    )

    async def point_at(named: UUID) -> str:
        with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
            async with tenant_writes(pool, organization_id=organization, subject="key:a", role="admin") as connection:
                await connection.execute(
                    "insert into phone_numbers (id, organization_id, number, assistant_id) values ($1, $2, '+49', $3)",
                    uuid4(),
                    UUID(organization),
                    named,
                )
        return str(refused.value)

    # One that exists elsewhere looks as one that does not.
    assert await point_at(assistant) == await point_at(uuid4())
