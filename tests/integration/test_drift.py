"""A shard on real servers finds what was changed behind its back, and the call's history tells of the repair."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from actors.shard import Shard
from serve.stack.temporal_server import TemporalServer
from storage.postgres import Pool, open_pool
from tests.integration.rows import Rows
from tests.integration.test_runtime import open_ports

STANDS = "select status || ' ' || version from calls where provider_call_id = 'call-1'"
REPAIRS = "select call_id from webhook_inbox where type = 'state-repaired' and applied_at is not null"


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=2, name="test")
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def shard(
    database_url: str, redis_url: str, temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shard]:
    monkeypatch.setattr("actors.shard.CHECK_MS", 500)
    ports = await open_ports(database_url, redis_url, temporal_server.address)
    shard = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=ports)
    await shard.start()
    yield shard
    await shard.stop()


async def until_it_stands(pool: Pool, status: str, version: int) -> None:
    async with asyncio.timeout(30):
        while await pool.fetchval(STANDS) != f"{status} {version}":  # noqa: ASYNC110  # what another writes into Postgres
            await asyncio.sleep(0.05)


async def test_a_call_ended_behind_its_back_goes_on(shard: Shard, pool: Pool) -> None:
    rows = Rows(pool)
    organization_id = await rows.add_organization()
    await rows.add_row(organization_id, call_id="call-1", received_at=rows.now - 5_000, facts={"status": "in-progress"})
    await until_it_stands(pool, "in-progress", 1)
    await pool.execute("update calls set status = 'ended'")
    await until_it_stands(pool, "in-progress", 2)
    board = await shard.snapshot(organization_id)
    assert board is not None
    assert '"repairs": 1' in str(board.state).replace("'", '"')
    assert [record["call_id"] for record in await pool.fetch(REPAIRS)] == ["call-1"]
    assert shard.status()["repairs"] == 1
