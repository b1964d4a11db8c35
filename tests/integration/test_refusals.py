"""Refused webhooks are counted once, whatever Postgres does meanwhile, and forgotten after 90 days."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from storage import refusals as refusals_module
from storage.errors import StorageUnavailableError
from storage.postgres import Pool, close_pool, fetch, open_pool
from storage.provisioning import add_organization
from storage.refusals import Refusals
from storage.statements import statement
from storage.times import milliseconds

AT = milliseconds(datetime(2026, 11, 28, 14, 30, tzinfo=UTC))
HOUR = 3_600_000


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=2, name="refusals")
    yield pool
    await close_pool(pool)


@pytest_asyncio.fixture
async def organization_id(pool: Pool) -> str:
    made = str(uuid4())
    async with pool.acquire() as connection:
        await add_organization(connection, organization_id=made, name="Office", slug=made, time_zone="UTC")
    return made


async def counted(pool: Pool, organization_id: str) -> list[tuple[datetime, int]]:
    rows = await pool.fetch(
        "select hour, count from webhook_refusals where organization_id = $1 order by hour", UUID(organization_id)
    )
    return [(row["hour"], row["count"]) for row in rows]


async def test_each_hour_has_a_count_of_its_own(pool: Pool, organization_id: str) -> None:
    refusals = Refusals(pool)
    for at in (AT, AT + 1, AT + HOUR):
        refusals.count(organization_id, at=at)
        await refusals.write()
    await refusals.write()
    hours = [datetime(2026, 11, 28, hour, tzinfo=UTC) for hour in (14, 15)]
    assert await counted(pool, organization_id) == [(hours[0], 2), (hours[1], 1)]


async def test_what_postgres_did_not_take_is_told_later(
    pool: Pool, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = Refusals(pool)
    refusals.count(organization_id, at=AT)

    async def away(*_arguments: object) -> None:
        refusals.count(organization_id, at=AT + 1)
        raise StorageUnavailableError("Postgres is away")

    with monkeypatch.context() as without:
        without.setattr(refusals_module, "fetch", away)
        await refusals.write()
    assert await counted(pool, organization_id) == []
    await refusals.close()
    assert [count for _, count in await counted(pool, organization_id)] == [2]


async def test_what_was_taken_without_an_answer_is_not_counted_again(
    pool: Pool, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = Refusals(pool)
    refusals.count(organization_id, at=AT)

    async def unanswered(*arguments: Any) -> None:
        await fetch(*arguments)
        refusals.count(organization_id, at=AT + 1)
        raise StorageUnavailableError("its answer was lost")

    with monkeypatch.context() as without:
        without.setattr(refusals_module, "fetch", unanswered)
        await refusals.write()
        await refusals.write()
    assert [count for _, count in await counted(pool, organization_id)] == [1]
    await refusals.close()
    assert [count for _, count in await counted(pool, organization_id)] == [3]


async def test_what_postgres_refuses_ends_no_counting(
    pool: Pool, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals_module, "EVERY_SECONDS", 0.01)
    refusals, taken, tries = Refusals(pool), asyncio.Event(), iter(range(2))

    async def refused_once(*arguments: Any) -> None:
        if next(tries) == 0:
            raise asyncpg.ForeignKeyViolationError("an organization was deleted just then")
        await fetch(*arguments)
        taken.set()

    monkeypatch.setattr(refusals_module, "fetch", refused_once)
    refusals.start()
    refusals.count(organization_id, at=AT)
    async with asyncio.timeout(20):
        await taken.wait()
    await refusals.close()
    assert [count for _, count in await counted(pool, organization_id)] == [1]


async def test_what_is_on_its_way_when_it_is_closed_is_written_once(
    pool: Pool, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals_module, "EVERY_SECONDS", 0.01)
    refusals, under_way, goes_on = Refusals(pool), asyncio.Event(), asyncio.Event()

    async def slow(*arguments: Any) -> object:
        under_way.set()
        await goes_on.wait()
        return await fetch(*arguments)

    monkeypatch.setattr(refusals_module, "fetch", slow)
    refusals.start()
    refusals.count(organization_id, at=AT)
    async with asyncio.timeout(20):
        await under_way.wait()
        closing = asyncio.create_task(refusals.close())
        await asyncio.sleep(0)
        goes_on.set()
        await closing
    assert [count for _, count in await counted(pool, organization_id)] == [1]


async def test_an_organization_that_is_gone_keeps_no_other_from_being_counted(pool: Pool, organization_id: str) -> None:
    refusals = Refusals(pool)
    refusals.count(str(uuid4()), at=AT)
    refusals.count(organization_id, at=AT)
    await refusals.close()
    assert [count for _, count in await counted(pool, organization_id)] == [1]


async def test_a_flood_of_organizations_takes_a_bounded_room(
    pool: Pool, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals_module, "_MOST_ORGANIZATIONS", 1)
    refusals = Refusals(pool)
    refusals.count(organization_id, at=AT)
    refusals.count(str(uuid4()), at=AT)
    refusals.count(organization_id, at=AT)
    await refusals.close()
    assert [count for _, count in await counted(pool, organization_id)] == [2]


async def test_the_room_stays_bounded_while_postgres_is_away(
    pool: Pool, organization_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals_module, "_MOST_ORGANIZATIONS", 1)
    refusals = Refusals(pool)
    refusals.count(organization_id, at=AT)

    async def away(*_arguments: object) -> None:
        refusals.count(str(uuid4()), at=AT)
        raise StorageUnavailableError("Postgres is away")

    told: list[Sequence[UUID]] = []

    async def noted(of: Pool, name: str, write: UUID, organizations: Sequence[UUID], *arguments: object) -> None:
        told.append(organizations)
        await fetch(of, name, write, organizations, *arguments)

    with monkeypatch.context() as without:
        without.setattr(refusals_module, "fetch", away)
        await refusals.write()
        await refusals.write()
        without.setattr(refusals_module, "fetch", noted)
        await refusals.close()
    assert told[0] == [UUID(organization_id)]
    assert [len(each) for each in told] == [1, 1], "what waits, and one that came meanwhile"
    assert [count for _, count in await counted(pool, organization_id)] == [1]


async def test_old_ones_are_dropped(pool: Pool, organization_id: str) -> None:
    ids = [uuid4() for _ in range(3)]
    first, left = ids[0], iter(ids)
    refusals, now = Refusals(pool, new_id=lambda: next(left)), datetime.now(UTC)
    for age in (timedelta(days=1), timedelta(days=89), timedelta(days=91)):
        refusals.count(organization_id, at=milliseconds(now - age))
        await refusals.write()
    await pool.execute("update webhook_refusal_writes set written_at = now() - interval '8 days' where id = $1", first)
    await pool.execute(statement("upkeep_drop_old_refusals"))
    assert len(await counted(pool, organization_id)) == 2
    assert await pool.fetchval("select count(*) from webhook_refusal_writes where id = any ($1)", ids) == 2
