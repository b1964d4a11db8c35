"""Real servers for the tests: one PostgreSQL, Valkey and Temporal per session, a fresh database per test."""

import itertools
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
import redis.asyncio

from serve.stack.temporal_server import TemporalServer, start_temporal
from storage.embedded import DATABASE, PostgresServer, ValkeyServer, start_postgres, start_valkey
from storage.migrate import migrate
from tests.running_stack import other, product, stack
from tests.scratch import marker_of, scratch_folder

__all__ = ["other", "product", "stack"]

STACK_TEST_SECONDS = 900
VALKEY_DATABASES = 16
MEMORY = Path("/dev/shm")
MEMORY_NEEDED = 4 * 2**30


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of a running stack has time for what happens to it, and the first for the stack's start."""
    for item in items:
        if "stack" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(STACK_TEST_SECONDS))


def roomy_memory() -> Path | None:
    """Where files stay in memory, if there is room: a database of a thousand files is copied there ten times faster."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_NEEDED:
        return MEMORY
    return None


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    with scratch_folder(roomy_memory()) as folder:
        yield folder


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[PostgresServer]:
    server = start_postgres(
        servers_folder / "postgres", password=secrets.token_hex(16), marker=marker_of(servers_folder), durable=False
    )
    yield server
    server.stop()


@pytest.fixture(scope="session")
def valkey_server(servers_folder: Path) -> Iterator[ValkeyServer]:
    server = start_valkey(
        servers_folder / "valkey", password=secrets.token_hex(16), marker=marker_of(servers_folder), durable=False
    )
    yield server
    server.stop()


@pytest.fixture(scope="session")
def temporal_server(servers_folder: Path) -> Iterator[TemporalServer]:
    server = start_temporal(servers_folder / "temporal", marker=marker_of(servers_folder), durable=False)
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="session")
async def migrated_template(postgres_server: PostgresServer) -> str:
    """Migrate one database, which every test's own is copied from."""
    await migrate(postgres_server.url)
    return DATABASE


@pytest_asyncio.fixture
async def database_url(postgres_server: PostgresServer, migrated_template: str) -> AsyncIterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    maintenance_url = postgres_server.url.removesuffix(DATABASE) + "postgres"
    connection = await asyncpg.connect(maintenance_url)
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_template} STRATEGY file_copy")
    yield postgres_server.url.removesuffix(DATABASE) + name
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture(scope="session")
def valkey_databases() -> Iterator[int]:
    return itertools.cycle(range(VALKEY_DATABASES))


@pytest_asyncio.fixture
async def redis_url(valkey_server: ValkeyServer, valkey_databases: Iterator[int]) -> str:
    url = valkey_server.url.removesuffix("0") + str(next(valkey_databases))
    async with redis.asyncio.from_url(url) as client:
        await client.flushdb()  # pyright: ignore[reportUnknownMemberType]
    return url
