"""What a call left behind is there once, and as it was read last: written again, and by twins at the same moment."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from storage.postgres import Pool, open_pool
from storage.processing import ProcessingStore
from storage.statements import statement
from tests.fakes.processing_world import until
from tests.integration.rows import Rows

CALL = "call-1"


@dataclass(frozen=True, kw_only=True)
class Record:
    """`write` keeps a reading through the store, `begin` the same in a transaction that somebody holds open."""

    write: Callable[[ProcessingStore, str, int], Awaitable[None]]
    begin: Callable[[asyncpg.Connection, str, int], Awaitable[object]]
    kept: str
    of: Callable[[int], Sequence[object]]


async def write_actions(store: ProcessingStore, organization_id: str, reading: int) -> None:
    texts = [f"item {number} of {reading}" for number in range(reading)]
    while True:
        try:
            return await store.replace_actions(organization_id, CALL, source="rules", texts=texts)
        except asyncpg.UniqueViolationError:  # a twin was faster: the activity is tried again
            continue


async def begin_actions(connection: asyncpg.Connection, organization_id: str, reading: int) -> None:
    texts = [f"item {number} of {reading}" for number in range(reading)]
    await connection.execute(statement("clear_call_actions"), organization_id, CALL)
    await connection.execute(statement("insert_call_actions"), organization_id, CALL, "rules", texts)


RECORDS = {
    "transcript": Record(
        write=lambda store, of, n: store.store_transcript(of, CALL, text=f"reading {n}", messages=[], analysis={}),
        begin=lambda open_, of, n: open_.execute(
            statement("store_call_transcript"), of, CALL, f"reading {n}", "[]", "{}"
        ),
        kept="select transcript_text from call_transcripts",
        of=lambda reading: [f"reading {reading}"],
    ),
    "costs": Record(
        write=lambda store, of, n: store.store_costs(of, CALL, cost_micros=n, breakdown={}),
        begin=lambda open_, of, n: open_.execute(statement("store_call_costs"), of, CALL, n, "{}"),
        kept="select cost_micros from call_costs",
        of=lambda reading: [reading],
    ),
    "actions": Record(
        write=write_actions,
        begin=begin_actions,
        kept="select text from call_actions order by position",
        of=lambda reading: [f"item {number} of {reading}" for number in range(reading)],
    ),
}


@dataclass(frozen=True, kw_only=True)
class World:
    pool: Pool
    url: str
    organization_id: str

    @property
    def store(self) -> ProcessingStore:
        return ProcessingStore(self.pool)

    async def kept(self, record: Record) -> list[object]:
        return [row[0] for row in await self.pool.fetch(record.kept)]

    async def is_held_up(self) -> bool:
        waiting = (
            "select exists (select from pg_stat_activity where application_name = 'test' and wait_event_type = 'Lock')"
        )
        return bool(await self.pool.fetchval(waiting))


@pytest_asyncio.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    async with await open_pool(database_url, size=4, name="test") as pool:
        organization_id = await Rows(pool).add_organization()
        await pool.execute(
            "insert into call_keys values ($1, $2, $3, $4)", UUID(organization_id), CALL, uuid4(), datetime.now(UTC)
        )
        yield World(pool=pool, url=database_url, organization_id=organization_id)


@pytest.mark.parametrize("name", RECORDS)
async def test_the_last_reading_stands_alone(world: World, name: str) -> None:
    record = RECORDS[name]
    for reading in (3, 3, 1, 2):
        await record.write(world.store, world.organization_id, reading)
        assert await world.kept(record) == record.of(reading)


@pytest.mark.parametrize("name", RECORDS)
async def test_of_twins_at_the_same_moment_one_reading_stands(world: World, name: str) -> None:
    record, first = RECORDS[name], await asyncpg.connect(world.url)
    try:
        async with first.transaction():
            await record.begin(first, world.organization_id, 2)
            second = asyncio.ensure_future(record.write(world.store, world.organization_id, 3))

            async def came_as_far_as_it_can() -> bool:
                return second.done() or await world.is_held_up()

            await until(came_as_far_as_it_can)
        await second
    finally:
        await first.close()
    assert await world.kept(record) == record.of(3)
