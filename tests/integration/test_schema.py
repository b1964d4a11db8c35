"""The schema is the same wherever it was built, and a database that differs from it is told where."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from storage.embedded import DATABASE, PostgresServer
from storage.migrate import MigrationError, migrate
from storage.postgres import Connection, Pool, open_pool
from storage.schema import drift
from tests.integration.isolation import Matrix
from tests.integration.rows import Rows
from tests.integration.supabase import LIKE_SUPABASE, ORDINARY, database_of_role

pytestmark = pytest.mark.usefixtures("migrated_template")


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    connected = await asyncpg.connect(database_url)
    yield connected
    await connected.close()


async def test_the_migrations_make_what_is_described(connection: Connection) -> None:
    """Fails after a new migration: `make schema` describes it."""
    assert str(await drift(connection)) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("drop index idx_calls_from", "- index calls.idx_calls_from btree (from_number, created_at DESC)"),
        ("alter table plans add column secret text", "+ column plans.secret text"),
        ("alter table calls alter column status drop not null", "- column calls.status text not null"),
        ("alter table suppressions drop constraint suppressions_channel_check", "- constraint suppressions."),
        ("drop policy own on calls", "- policy calls.own select to authenticated using "),
        ("grant truncate on calls to anon", "+ grant truncate on calls to anon"),
        ("grant select (secret_hash) on api_keys to authenticated", "+ grant select (created_at, "),
        ("drop trigger append_only on audit_log", "- trigger audit_log.append_only "),
        ("alter function private.audit security invoker", "+ function audit(uuid,text,text,text,text) "),
        ("alter table incidents no force row level security", "+ table incidents, row security\n"),
        (
            "do $$ begin execute format('grant select on calls_%s to anon', to_char(now(), 'YYYY_MM')); end $$",
            ": row security, forced, service, granted to anon",
        ),
    ],
)
async def test_a_difference_is_named(connection: Connection, change: str, told: str) -> None:
    await connection.execute(change)
    assert told in f"{await drift(connection)}\n"


async def test_partitions_of_later_months_are_no_difference(connection: Connection) -> None:
    await connection.execute("select private.ensure_all_partitions(now() + interval '1 year')")
    assert str(await drift(connection)) == ""


async def test_on_a_database_like_supabases(postgres_server: PostgresServer) -> None:
    """Another's schema `auth`, everything granted to everybody by default, an owner that is no superuser."""
    async with database_of_role(
        postgres_server, attributes="createrole createdb bypassrls", prepare=LIKE_SUPABASE
    ) as url:
        await migrate(url)
        async with await open_pool(url, size=4, name="test", statement_seconds=10) as pool:
            async with pool.acquire() as connected:
                assert str(await drift(connected)) == ""
            rows = Rows(pool)
            own, other = await rows.add_organization(), await rows.add_organization()
            as_superuser = postgres_server.url.removesuffix(DATABASE) + url.rpartition("/")[2]
            await a_person_goes_with_its_account(pool, own, accounts=as_superuser)
            # The people of the matrix have no accounts.
            await pool.execute("alter table users drop constraint users_account")
            matrix = await Matrix.of(pool, own=own, other=other)
            outcomes = await matrix.outcomes()
            assert [str(outcome) for outcome in outcomes if not outcome.is_as_decided] == []


async def a_person_goes_with_its_account(pool: Pool, organization_id: str, *, accounts: str) -> None:
    person = uuid4()
    supabase = await asyncpg.connect(accounts)
    await supabase.execute("insert into auth.users (id, email) values ($1, 'a@b.example')", person)
    await pool.execute("insert into users (id, email) values ($1, 'a@b.example')", person)
    await pool.execute(
        "insert into organization_members (organization_id, user_id, role) values ($1, $2, 'viewer')",
        UUID(organization_id),
        person,
    )
    await supabase.execute("delete from auth.users where id = $1", person)
    await supabase.close()
    assert await pool.fetchval("select count(*) from users") == 0
    assert await pool.fetchval("select count(*) from organization_members") == 0


async def test_with_an_ordinary_login_role_that_owns_the_tables(postgres_server: PostgresServer) -> None:
    async with database_of_role(postgres_server, attributes="", prepare=ORDINARY) as url:
        await migrate(url)
        async with await open_pool(url, size=4, name="test", statement_seconds=10) as pool:
            rows = Rows(pool)
            own, other = await rows.add_organization(), await rows.add_organization()
            matrix = await Matrix.of(pool, own=own, other=other)
            outcomes = await matrix.outcomes(["organizations", "organization_members", "users", "calls", "api_keys"])
            assert [str(outcome) for outcome in outcomes if not outcome.is_as_decided] == []
            assert await pool.fetchval("select count(*) from organizations") == 2


async def test_a_login_role_that_would_see_nothing_is_told_before(postgres_server: PostgresServer) -> None:
    prepare = "grant authenticated to {role};"
    async with database_of_role(postgres_server, attributes="", prepare=prepare) as url:
        with pytest.raises(MigrationError, match="would no longer see its own tables"):
            await migrate(url)
