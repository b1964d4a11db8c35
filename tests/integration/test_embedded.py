import os
import signal
from pathlib import Path

import asyncpg
import pytest
import redis.asyncio
from temporalio.client import Client

from serve.stack.temporal_server import TemporalServer
from storage.child_process import ServerFailedError
from storage.embedded import PostgresServer, start_postgres, start_valkey

PASSWORD = "of-this-test-only"


async def test_postgres_keeps_what_was_committed_when_it_is_killed(servers_folder: Path) -> None:
    data_dir = servers_folder / "killed"
    server = start_postgres(data_dir, password=PASSWORD)
    connection = await asyncpg.connect(server.url)
    await connection.execute("CREATE TABLE kept (n int)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    os.kill(server.pid, signal.SIGKILL)
    server.child.process.wait(10)
    connection.terminate()

    again = start_postgres(data_dir, password=PASSWORD, port=server.port)
    try:
        connection = await asyncpg.connect(again.url)
        assert await connection.fetchval("SELECT n FROM kept") == 1
        await connection.close()
    finally:
        again.stop()
    assert not again.is_running()


async def test_postgres_asks_for_the_password(postgres_server: PostgresServer) -> None:
    host = f"127.0.0.1:{postgres_server.port}"
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:wrong@{host}/supervisor")


def test_a_cluster_cut_off_while_it_was_made_is_made_anew(servers_folder: Path) -> None:
    data_dir = servers_folder / "cut"
    unfinished = data_dir.with_name("cut.unfinished")
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    server = start_postgres(data_dir, password=PASSWORD, durable=False)
    server.stop()
    assert not unfinished.exists()


def test_a_stale_lock_naming_another_process_does_not_stop_postgres(servers_folder: Path) -> None:
    data_dir = servers_folder / "stale"
    start_postgres(data_dir, password=PASSWORD, durable=False).stop()
    (data_dir / "postmaster.pid").write_text(f"{os.getppid()}\n{data_dir}\n")
    start_postgres(data_dir, password=PASSWORD, durable=False).stop()


def test_a_taken_port_is_told_with_the_servers_own_words(postgres_server: PostgresServer, servers_folder: Path) -> None:
    with pytest.raises(ServerFailedError, match="PostgreSQL ended with code 1") as failure:
        start_postgres(servers_folder / "taken", password=PASSWORD, port=postgres_server.port, durable=False)
    assert "Address already in use" in failure.value.log_tail


async def test_valkey_keeps_its_data_over_a_stop_and_asks_for_the_password(servers_folder: Path) -> None:
    server = start_valkey(servers_folder / "kept-valkey", password=PASSWORD)
    async with redis.asyncio.from_url(server.url) as client:
        await client.set("kept", "1")
    async with redis.asyncio.from_url(f"redis://127.0.0.1:{server.port}/0") as stranger:
        with pytest.raises(redis.AuthenticationError):
            await stranger.get("kept")
    server.stop()

    again = start_valkey(servers_folder / "kept-valkey", password=PASSWORD)
    try:
        async with redis.asyncio.from_url(again.url) as client:
            assert await client.get("kept") == b"1"
    finally:
        again.stop()


async def test_temporal_answers(temporal_server: TemporalServer) -> None:
    client = await Client.connect(temporal_server.address)
    assert await client.service_client.check_health()


async def test_each_test_has_its_own_database(database_url: str, redis_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    name = str(await connection.fetchval("SELECT current_database()"))
    await connection.close()
    assert name.startswith("test_")
    async with redis.asyncio.from_url(redis_url) as client:
        assert await client.dbsize() == 0  # pyright: ignore[reportUnknownMemberType]
