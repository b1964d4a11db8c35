"""A page of a backlog costs what a page costs, however long the backlog is and wherever it lies."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from actors.domain.commands import InboxRow
from actors.slots import slot_of
from storage.effects import PostgresEffects
from storage.ownership import PostgresOwnership
from storage.postgres import Connection, Pool, open_pool
from storage.statements import statement
from tests.integration.rows import Rows

BACKLOG = 20_000
SLOTS = 64
PAGE = 100
TABLES = ("webhook_inbox", "effects")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=2, name="test") as opened:
        yield opened


async def add_backlog(pool: Pool, *, slots: int) -> None:
    """Rows and effects of the last hour, in turn of each of so many slots."""
    await pool.execute(
        """insert into organizations (id, name, slug)
           select gen_random_uuid(), 'Clinic', number::text from generate_series(1, 200) as number"""
    )
    await pool.execute(
        """insert into webhook_inbox (organization_id, provider, event_key, slot, type, facts, received_at)
           select id, 'vapi', number::text, number % $2, 'hang', '{}',
               now() - interval '2 hours' + number * interval '1ms'
           from generate_series(1, $1::integer) as number
           join (select id, row_number() over () as place from organizations) as kept on place = number % 200 + 1""",
        BACKLOG,
        slots,
    )
    await pool.execute(
        """insert into effects (organization_id, call_id, effect, slot, retry_at)
           select gen_random_uuid(), 'call', 'seen', number % $2, now() - interval '2 hours' + number * interval '1ms'
           from generate_series(1, $1::integer) as number""",
        BACKLOG,
        slots,
    )
    await pool.execute("analyze")


async def overdue(pool: Pool, *, limit: int) -> list[InboxRow]:
    found = await PostgresOwnership(pool).overdue(range(SLOTS), received_before=Rows(pool).now, limit=limit)
    return [each.item for each in found if isinstance(each.item, InboxRow)]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def scans(connection: Connection, name: str, slots: Sequence[int]) -> list[dict[str, Any]]:
    """What one page reads of the tables that hold backlogs."""
    listed = ",".join(str(slot) for slot in slots)
    await connection.execute(f"prepare page as {statement(name)}")
    (told,) = await connection.fetchval(f"explain (analyze, format json) execute page ('{{{listed}}}', now(), {PAGE})")
    await connection.execute("deallocate page")
    return [node for node in nodes(told["Plan"]) if node.get("Relation Name") in TABLES]


@pytest.mark.parametrize("filled", [SLOTS, 2])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", ["ownership_overdue", "effects_due"])
async def test_a_page_reads_no_more_than_a_page(pool: Pool, name: str, mode: str, filled: int) -> None:
    await add_backlog(pool, slots=filled)
    async with pool.acquire() as connection:
        await connection.execute(f"set plan_cache_mode = {mode}")
        found = await scans(connection, name, range(SLOTS))
    assert {node["Node Type"] for node in found} == {"Index Scan"}
    read = sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in found)
    assert PAGE <= read <= BACKLOG / 20


@pytest.mark.parametrize("filled", [SLOTS, 2, 1])
async def test_a_page_is_full_while_there_is_more_and_each_slot_has_its_part(pool: Pool, filled: int) -> None:
    await add_backlog(pool, slots=filled)
    page = [row.id for row in await overdue(pool, limit=PAGE)]
    assert len(set(page)) == PAGE
    effects = await PostgresEffects(pool).due(range(SLOTS), now=Rows(pool).now, limit=PAGE)
    assert len({each.organization_id for each in effects}) == PAGE
    slots = await pool.fetch("select slot from webhook_inbox where id = any($1) group by slot", page)
    assert len(slots) == filled


async def test_pages_come_to_an_end_whatever_their_size(pool: Pool) -> None:
    await add_backlog(pool, slots=3)
    await pool.execute("delete from webhook_inbox where slot = 0 and id % 100 <> 0")
    left = int(await pool.fetchval("select count(*) from webhook_inbox"))
    while page := await overdue(pool, limit=7_001):
        assert len(page) == min(7_001, left)
        assert page == sorted(page, key=lambda row: row.received_at)
        left -= len(page)
        await pool.execute("update webhook_inbox set applied_at = now() where id = any($1)", [row.id for row in page])
    assert left == 0


async def test_rows_of_no_living_organization_are_left_out(pool: Pool) -> None:
    rows = Rows(pool)
    kept, deleted, never = await rows.add_organization(), await rows.add_organization(), str(uuid4())
    for organization_id in (deleted, never, kept):
        await rows.add_row(organization_id, call_id=None, received_at=rows.now - 5_000)
    await pool.execute("update organizations set deleted_at = now() where id = $1", deleted)
    slots = [slot_of(each) for each in (kept, deleted, never)]
    found = await PostgresOwnership(pool).overdue(slots, received_before=rows.now, limit=1)
    assert [each.organization_id for each in found] == [kept]
