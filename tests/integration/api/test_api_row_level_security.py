"""The second lock: what Postgres itself shows a user whose query forgot to name the organization."""

from dataclasses import replace
from uuid import uuid4

import asyncpg
import pytest

from serve.services import Services
from storage.errors import StorageUnavailableError
from storage.postgres import Connection, Pool, open_pool
from storage.principals import Principal
from storage.tenant import tenant_reads
from tests.integration.api.conftest import Tenant
from tests.integration.tenant_rows import add_row

TABLES = """
    select relname from pg_class
    join pg_attribute on attrelid = pg_class.oid and attname = 'organization_id'
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
    union select 'organizations'
"""


async def fill(pool: Pool, table: str, organization_id: str) -> None:
    """One row of the organization in the table, beside the organization itself."""
    if table != "organizations":
        async with pool.acquire() as connection:
            await add_row(connection, table, organization_id)


async def shown(connection: Connection, table: str) -> set[str]:
    """The organizations whose rows the table shows to a query that names none; a refusal shows nothing."""
    column = "id" if table == "organizations" else "organization_id"
    try:
        async with connection.transaction():
            rows = await connection.fetch(f"select {column} as organization_id from {table}")  # noqa: S608
    except asyncpg.InsufficientPrivilegeError:
        return set()
    return {str(row["organization_id"]) for row in rows}


async def test_no_table_shows_another_organizations_rows(pool: Pool, tenant: Tenant, stranger: Tenant) -> None:
    tables = [row["relname"] for row in await pool.fetch(TABLES)]
    assert {"calls", "call_keys", "webhook_inbox", "api_keys", "organizations"} <= set(tables)
    for table in tables:
        for who in (tenant, stranger):
            await fill(pool, table, who.organization_id)
    visible: set[str] = set()
    async with tenant_reads(pool, organization_id=tenant.organization_id, subject="test") as connection:
        for table in tables:
            told = await shown(connection, table)
            assert told <= {tenant.organization_id}, table
            visible |= {table} if told else set()
    # The lock opens for the right key: otherwise this test would pass on a database that shows nothing.
    assert visible >= {"organizations", "calls", "call_keys", "call_transcripts", "webhook_inbox", "assistants"}
    assert visible.isdisjoint({"api_keys", "webhook_secrets", "webhook_bodies", "provider_keys"})


async def test_without_claims_nothing_is_shown(pool: Pool, tenant: Tenant) -> None:
    await fill(pool, "calls", tenant.organization_id)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local role authenticated")
        assert await shown(connection, "calls") == set()
        assert await shown(connection, "organizations") == set()


async def test_a_request_reads_as_its_caller(services: Services, tenant: Tenant) -> None:
    person = Principal(
        organization_id=tenant.organization_id,
        subject="user:somebody",
        scopes=frozenset(),
        role="admin",
        user_id=str(uuid4()),
    )
    async with services.reading(person) as reads:
        told = await reads.connection.fetchrow("select auth.uid()::text as user_id, private.actor() as actor")
    assert told is not None
    assert (told["user_id"], told["actor"]) == (person.user_id, person.subject)
    for role, sees_keys in (("admin", True), ("viewer", False), (None, False)):
        async with services.viewing(replace(person, role=role)) as rows:
            assert bool(await rows.all("api_keys_of_organization")) == sees_keys, role


async def test_the_role_and_the_claims_end_with_the_transaction(pool: Pool, tenant: Tenant) -> None:
    async with tenant_reads(pool, organization_id=tenant.organization_id, subject="test") as connection:
        assert await connection.fetchval("select current_user") == "authenticated"
    for connection in [await pool.acquire() for _ in range(2)]:
        assert await connection.fetchval("select current_user") != "authenticated"
        assert not await connection.fetchval("select current_setting('request.jwt.claims', true)")
        await pool.release(connection)


@pytest.mark.parametrize(
    "statement", ["delete from calls", "update calls set status = 'ended'", "insert into effects default values"]
)
async def test_a_read_never_writes(pool: Pool, tenant: Tenant, statement: str) -> None:
    async with tenant_reads(pool, organization_id=tenant.organization_id, subject="test") as connection:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await connection.execute(statement)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local role authenticated")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)


async def test_partitions_are_locked_each_for_itself(pool: Pool) -> None:
    open_tables = await pool.fetch(
        """select relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
            and (not relrowsecurity or (relispartition and has_table_privilege('authenticated', oid, 'select')))"""
    )
    assert open_tables == []


async def test_a_login_role_that_may_not_become_a_user_is_told_apart(database_url: str, pool: Pool) -> None:
    role = f"limited_{uuid4().hex}"
    await pool.execute(f"create role {role} login password 'of-the-test'")
    limited = f"postgresql://{role}:of-the-test@{database_url.partition('@')[2]}"
    async with await open_pool(limited, size=1, name="test") as as_limited:
        with pytest.raises(StorageUnavailableError, match="may not become"):
            async with tenant_reads(as_limited, organization_id=str(uuid4()), subject="test"):
                pass
        await pool.execute(f"grant authenticated to {role}")
        async with tenant_reads(as_limited, organization_id=str(uuid4()), subject="test") as connection:
            assert await shown(connection, "calls") == set()
    await pool.execute(f"drop role {role}")
