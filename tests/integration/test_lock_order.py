"""Duplicates that arrive while their rows are being marked: two writers of the same rows that must never deadlock."""

import asyncio
from collections.abc import AsyncIterator
from itertools import chain
from random import Random

import pytest_asyncio

from actors.domain.commands import InboxRow
from actors.ports import Batch, Lease
from actors.slots import SLOTS, slot_of
from storage.inbox import Accepted, Inbox, NewEvent
from storage.journal import PostgresJournal
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from tests.integration.rows import Rows

ROUNDS = 10
ROWS = 40
REPLICAS = 2


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=REPLICAS + 2, name="test") as opened:
        # Locks are taken slowly enough for the writers to meet in the middle; Postgres looks for circles at once.
        await opened.execute(
            """
            create function dawdle() returns trigger language plpgsql as $$
                begin perform pg_sleep(0.001); return new; end
            $$;
            create trigger dawdle before update of deliveries on webhook_inbox for each row execute function dawdle();
            do $$ begin
                execute format('alter database %I set deadlock_timeout = %L', current_database(), '10ms');
            end $$
            """
        )
        await opened.expire_connections()
        yield opened


def event(organization_id: str, key: str, at: int) -> NewEvent:
    return NewEvent(
        organization_id=organization_id,
        provider="vapi",
        event_key=key,
        type="hang",
        call_id="call-1",
        facts={},
        occurred_at=None,
        received_at=at,
    )


async def accept(inbox: Inbox, events: list[NewEvent]) -> list[Accepted]:
    return await asyncio.gather(*(inbox.accept(each, seconds=30) for each in events))


async def test_duplicates_and_marks_of_the_same_rows_never_deadlock(pool: Pool) -> None:
    rows, random = Rows(pool), Random(7)
    organization_id = await rows.add_organization()
    leases = await PostgresOwnership(pool).claim("shard-0", held=(), share=SLOTS, lease_seconds=600)
    lease = next(each for each in leases if each.slot == slot_of(organization_id))
    replicas, journal, sequence = [Inbox(pool, flushers=1) for _ in range(REPLICAS)], PostgresJournal(pool), 0
    for turn in range(ROUNDS):
        events = [event(organization_id, f"{turn}-{number:03}", rows.now) for number in range(ROWS)]
        stored = [each.row for each in await accept(replicas[0], events)]
        random.shuffle(stored)
        sequence += ROWS
        marking = asyncio.create_task(journal.commit(batch(organization_id, lease, stored, last=sequence, at=rows.now)))
        answers = await asyncio.gather(*(accept(replica, random.sample(events, ROWS)) for replica in replicas))
        assert all(each.duplicate for each in chain.from_iterable(answers))
        await marking
    for replica in replicas:
        await replica.close()
    assert await journal.last_sequence(organization_id) == ROUNDS * ROWS
    # What a connection counted reaches the server's figures when it ends.
    await pool.expire_connections()
    assert await deadlocks(pool) == 0


def batch(organization_id: str, lease: Lease, rows: list[InboxRow], *, last: int, at: int) -> Batch:
    marks = [(row.id, last - place) for place, row in enumerate(rows)]
    return Batch(
        organization_id=organization_id, lease=lease, owner="shard-0", marks=marks, calls=(), effects=(), at=at
    )


async def deadlocks(pool: Pool) -> int:
    return int(await pool.fetchval("select deadlocks from pg_stat_database where datname = current_database()"))
