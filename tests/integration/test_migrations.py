"""What migrating leaves behind: its own notes out of reach, every table of `public` under row level security."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from storage.embedded import DATABASE, PostgresServer
from storage.migrate import MIGRATIONS, MigrationError, migrate
from storage.postgres import Connection


@pytest_asyncio.fixture
async def empty_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database nothing was migrated in."""
    name = f"test_{secrets.token_hex(6)}"
    server_url = postgres_server.url.removesuffix(DATABASE)
    connection = await asyncpg.connect(server_url + "postgres")
    await connection.execute(f"create database {name} template template0")
    yield server_url + name
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    connected = await asyncpg.connect(database_url)
    yield connected
    await connected.close()


async def test_every_table_of_public_has_row_level_security(connection: Connection) -> None:
    tables = await connection.fetch(
        """select relname, relrowsecurity from pg_class
           where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'f')"""
    )
    assert len(tables) > 20
    assert [table["relname"] for table in tables if not table["relrowsecurity"]] == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
async def test_no_user_reads_what_was_migrated(connection: Connection, role: str) -> None:
    assert await connection.fetchval("select count(*) from private.schema_migrations") == len(
        list(MIGRATIONS.glob("*.sql"))
    )
    await connection.execute(f"set role {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("select * from private.schema_migrations")


async def test_notes_that_lie_in_public_move_and_nothing_is_applied_twice(empty_url: str) -> None:
    await migrate(empty_url)
    connected = await asyncpg.connect(empty_url)
    await connected.execute("alter table private.schema_migrations set schema public")
    before = await connected.fetch("select * from public.schema_migrations order by version")
    await migrate(empty_url)
    assert await connected.fetch("select * from private.schema_migrations order by version") == before
    assert await connected.fetchval("select to_regclass('public.schema_migrations')") is None
    await connected.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Migrations that a test may change."""
    shutil.copytree(MIGRATIONS, tmp_path / "migrations")
    return tmp_path / "migrations"


def migrations_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sql"))


async def test_an_edited_file_is_refused_and_nothing_is_applied(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder)
    edited = next(path for path in migrations_in(folder) if path.name.startswith("0004"))
    applied = edited.read_text()
    edited.write_text(applied.replace("not null", "null"))
    (folder / "9000_next.sql").write_text("-- migrate:up\ncreate table next ();\n-- migrate:down\n")
    with pytest.raises(MigrationError, match=r"changed after being applied: 0004_calls\.sql"):
        await migrate(empty_url, folder)
    connected = await asyncpg.connect(empty_url)
    assert await connected.fetchval("select to_regclass('next')") is None
    edited.write_text(applied)
    await migrate(empty_url, folder)
    assert await connected.fetchval("select to_regclass('next')") is not None
    await connected.close()


async def test_what_went_before_a_failing_file_stays_and_cannot_be_edited_either(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder)
    (folder / "9000_good.sql").write_text("-- migrate:up\ncreate table good ();\n-- migrate:down\n")
    (folder / "9001_bad.sql").write_text("-- migrate:up\ncreate table half ();\nselect 1/0;\n-- migrate:down\n")
    with pytest.raises(MigrationError, match="division by zero"):
        await migrate(empty_url, folder)
    connected = await asyncpg.connect(empty_url)
    assert await connected.fetchval("select to_regclass('good')") is not None
    assert await connected.fetchval("select to_regclass('half')") is None
    await connected.close()
    (folder / "9000_good.sql").write_text("-- migrate:up\ncreate table better ();\n-- migrate:down\n")
    with pytest.raises(MigrationError, match=r"9000_good\.sql"):
        await migrate(empty_url, folder)


async def test_digests_of_what_was_applied_before_there_were_any_are_kept(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder)
    connected = await asyncpg.connect(empty_url)
    await connected.execute("drop table private.migration_digests")
    await migrate(empty_url, folder)
    kept = await connected.fetchval("select count(*) from private.migration_digests")
    assert kept == len(migrations_in(folder))
    await connected.close()


async def test_two_runners_at_once_apply_each_file_once(empty_url: str, folder: Path) -> None:
    (folder / "9000_counted.sql").write_text(
        "-- migrate:up\ncreate table counted ();\nselect pg_sleep(0.5);\n-- migrate:down\n"
    )
    await asyncio.gather(*(migrate(empty_url, folder) for _ in range(3)))
    connected = await asyncpg.connect(empty_url)
    applied = await connected.fetchval("select count(*) from private.schema_migrations")
    assert applied == len(migrations_in(folder))
    await connected.close()


async def test_a_migration_waits_for_a_lock_only_a_moment(empty_url: str, folder: Path) -> None:
    await migrate(empty_url, folder)
    (folder / "9000_locked.sql").write_text("-- migrate:up\nlock table calls;\n-- migrate:down\n")
    reader = await asyncpg.connect(empty_url)
    reading = reader.transaction()
    await reading.start()
    await reader.execute("select from calls")
    with pytest.raises(MigrationError, match="lock timeout"):
        await migrate(empty_url, folder)
    await reading.rollback()
    await migrate(empty_url, folder)
    await reader.close()
