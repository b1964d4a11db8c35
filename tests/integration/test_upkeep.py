"""Partitions are there before they are needed, locked down, and bodies go after 30 days, whatever gets in the way."""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pydantic import SecretStr
from structlog.testing import capture_logs

from serve.app import Api
from serve.config import Settings
from storage import upkeep as upkeep_module
from storage.idempotency import purge
from storage.postgres import Pool, open_pool
from storage.upkeep import upkeep
from tests.integration.rows import Rows
from tests.integration.webhook_door import until

PARTITIONED = ("calls", "call_transcripts", "call_costs", "call_actions", "call_recordings", "webhook_bodies")


async def test_a_month_that_is_not_yet_there_is_created_once(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    later = datetime(2031, 5, 9, tzinfo=UTC)
    assert await connection.fetchval("select private.ensure_all_partitions($1)", later) > 0
    assert await connection.fetchval("select private.ensure_all_partitions($1)", later) == 0
    assert await connection.fetchval("select to_regclass('public.calls_2031_08')") is not None
    await connection.close()


async def test_every_table_by_months_has_three_ahead_and_none_takes_what_fits_nowhere(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        """
        select parent.relname as name, partdefid, array_agg(child.relname::text) as partitions
        from pg_partitioned_table
        join pg_class as parent on parent.oid = partrelid
        join pg_inherits on inhparent = parent.oid
        join pg_class as child on child.oid = inhrelid
        group by 1, 2
        """
    )
    await connection.close()
    assert {row["name"] for row in rows} >= set(PARTITIONED)
    this_month = datetime.now(UTC).year * 12 + datetime.now(UTC).month - 1
    months = [this_month + ahead for ahead in range(4)]
    for row in rows:
        # With a default partition no partition could be detached while others write.
        assert row["partdefid"] == 0, row["name"]
        if row["name"] != "webhook_bodies":
            expected = {f"{row['name']}_{month // 12}_{month % 12 + 1:02}" for month in months}
            assert expected <= set(row["partitions"])


async def test_partitions_have_row_security_and_no_grants_of_their_own(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch(
        """
        select c.relname, c.relrowsecurity, has_table_privilege('authenticated', c.oid, 'select') as readable
        from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
        where p.relname = any ($1) and c.relkind = 'r'
        """,
        list(PARTITIONED),
    )
    assert len(rows) > len(PARTITIONED)
    assert all(row["relrowsecurity"] and not row["readable"] for row in rows)
    await connection.close()


async def test_bodies_older_than_asked_for_are_dropped(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    count = "select count(*) from pg_inherits where inhparent = 'webhook_bodies'::regclass"
    before = await connection.fetchval(count)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    dropped = await connection.fetchval("select private.drop_old_bodies($1)", tomorrow)
    assert dropped >= 1
    assert await connection.fetchval(count) == before - dropped
    assert await connection.fetchval("select private.drop_old_bodies($1)", tomorrow) == 0
    await connection.close()


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=2, name="test") as opened:
        # Something to do for either task: a day long past, and a month that is missing.
        await opened.execute(
            "select private.ensure_partitions('webhook_bodies', '1 day', now() - interval '60 days', 0)"
        )
        await opened.execute(f"drop table {await month_ahead(opened)}")
        yield opened


async def month_ahead(pool: Pool) -> str:
    return str(await pool.fetchval("select 'calls_' || to_char(now() + interval '2 months', 'YYYY_MM')"))


class Work:
    """What is left to do."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def bodies_are_dropped(self) -> bool:
        return not await self._pool.fetchval(
            """select count(*) from pg_inherits join pg_class on oid = inhrelid
               where inhparent = 'webhook_bodies'::regclass
                 and relname < to_char(now() - interval '31 days', '"webhook_bodies_"YYYY_MM_DD')"""
        )

    async def month_is_there(self) -> bool:
        return await self._pool.fetchval("select to_regclass($1) is not null", await month_ahead(self._pool))


@pytest.fixture
def work(pool: Pool) -> Work:
    return Work(pool)


@pytest.fixture(autouse=True)
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "RETRY_SECONDS", 0.05)


async def test_upkeep_goes_on_after_a_fault_of_one_task(database_url: str, pool: Pool, work: Work) -> None:
    await pool.execute("alter function private.ensure_all_partitions rename to gone")
    with capture_logs() as logs:
        async with upkeep(database_url, prepared=False):
            await until(work.bodies_are_dropped)
            assert not await work.month_is_there()
            await pool.execute("alter function private.gone rename to ensure_all_partitions")
            await until(work.month_is_there)
    assert ("error", "upkeep_ensure_partitions") in {(log["log_level"], log["task"]) for log in logs}


async def test_upkeep_gives_way_to_who_holds_its_tables(database_url: str, pool: Pool, work: Work) -> None:
    async with pool.acquire() as reader:
        reading = reader.transaction()
        await reading.start()
        await reader.execute("select count(*) from webhook_bodies")
        with capture_logs() as logs:
            async with upkeep(database_url, prepared=True):

                async def gave_way() -> bool:
                    return len(logs) > 1

                await until(gave_way)
                assert {(log["log_level"], log["task"]) for log in logs} == {("warning", "upkeep_drop_old_bodies")}
                await reading.rollback()
                await until(work.bodies_are_dropped)


async def test_upkeep_starts_while_postgres_is_away_and_ends_at_once() -> None:
    async with upkeep("postgresql://nobody@127.0.0.1:1/none", prepared=True):
        pass


async def test_every_replica_of_the_api_does_the_upkeep(database_url: str, work: Work) -> None:
    settings = Settings(
        database_url=database_url,
        redis_url="redis://127.0.0.1:1",
        temporal_address="127.0.0.1:1",
        encryption_key=SecretStr(base64.b64encode(bytes(32)).decode()),
        recordings_url="file:///nowhere",
        embedded=True,
    )
    app = Api.__serve_build_asgi_app__(await served(settings))
    assert isinstance(app, FastAPI)
    async with app.router.lifespan_context(app):
        await until(work.bodies_are_dropped)
        await until(work.month_is_there)


async def served(settings: Settings) -> Api:
    api = Api.__new__(Api)
    await api.__init__(settings)
    return api


async def test_idempotency_keys_are_forgotten_after_a_day_batch_by_batch(database_url: str, pool: Pool) -> None:
    organization_id = await Rows(pool).add_organization()
    for hours, count in ((25, 7), (23, 2)):
        await pool.execute(
            """insert into idempotency_keys (organization_id, actor, key, request_hash, created_at)
               select $1, 'key:test', $2 || n, sha256('x'), now() - $3 * interval '1 hour'
               from generate_series(1, $4) as n""",
            UUID(organization_id),
            f"{hours} hours old, ",
            hours,
            count,
        )
    assert await purge(pool, at_once=3) == 7
    assert await purge(pool, at_once=3) == 0
    assert await pool.fetchval("select count(*) from idempotency_keys where key like '23%'") == 2

    await pool.execute("update idempotency_keys set created_at = created_at - interval '2 hours'")
    async with upkeep(database_url, prepared=False):

        async def forgotten() -> bool:
            return await pool.fetchval("select count(*) from idempotency_keys") == 0

        await until(forgotten)
