"""What the schema keeps of money and messages: one charge, corrections in order, no change, no falling rank."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from storage.postgres import Pool, open_pool
from tests.integration.rows import Rows

NOW = datetime.now(UTC)
ENTRY = """
    insert into usage_ledger (organization_id, call_id, entry, seconds, amount_micros, currency, reason, charged_at)
    values ($1, 'call-1', $2, $3::bigint, $3::bigint * 1000, 'usd', 'call', $4)
"""


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=2, name="test") as opened:
        yield opened


@pytest_asyncio.fixture
async def organization(pool: Pool) -> UUID:
    return UUID(await Rows(pool).add_organization())


async def test_a_call_is_charged_once(pool: Pool, organization: UUID) -> None:
    await pool.execute(ENTRY, organization, 1, 60, NOW)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(ENTRY, organization, 1, 60, NOW)


async def test_corrections_follow_each_other_and_may_take_back(pool: Pool, organization: UUID) -> None:
    await pool.execute(ENTRY, organization, 1, 60, NOW)
    with pytest.raises(asyncpg.CheckViolationError, match="needs the one before"):
        await pool.execute(ENTRY, organization, 3, -10, NOW)
    await pool.execute(ENTRY, organization, 2, -10, NOW)
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(ENTRY, organization, 2, -10, NOW)
    kept = await pool.fetchrow("select sum(seconds)::int, sum(amount_micros)::int, max(kind) from usage_ledger")
    assert kept is not None
    assert tuple(kept) == (50, 50_000, "correction")


@pytest.mark.parametrize(("entry", "seconds"), [(1, -1), (0, 1)])
async def test_a_charge_takes_nothing_back(pool: Pool, organization: UUID, entry: int, seconds: int) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(ENTRY, organization, entry, seconds, NOW)


@pytest.mark.parametrize(
    "change", ["update usage_ledger set seconds = 1", "delete from usage_ledger", "truncate usage_ledger cascade"]
)
async def test_the_ledger_is_only_added_to(pool: Pool, organization: UUID, change: str) -> None:
    await pool.execute(ENTRY, organization, 1, 60, NOW)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute(change)


async def test_only_what_is_in_the_ledger_is_metered_and_once(pool: Pool, organization: UUID) -> None:
    meter = """insert into meter_events (organization_id, call_id, entry, identifier, quantity)
               values ($1, 'call-1', 1, $2, 60)"""
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute(meter, organization, "call:1")
    await pool.execute(ENTRY, organization, 1, 60, NOW)
    await pool.execute(meter, organization, "call:1")
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute(meter, organization, "call:2")


async def test_a_notifications_rank_never_falls(pool: Pool, organization: UUID) -> None:
    await pool.execute(
        """insert into notifications (id, created_at, organization_id, kind, channel, recipient, provider, rank)
           values ($1, $2, $3, 'call-completed', 'sms', '+49301234567', 'twilio', 2)""",
        uuid4(),
        NOW,
        organization,
    )
    await pool.execute("update notifications set rank = 3, status = 'delivered'")
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("update notifications set rank = 2, status = 'sent'")
    assert await pool.fetchval("select status from notifications") == "delivered"


async def test_the_same_delivery_written_again_is_the_same_row(pool: Pool, organization: UUID) -> None:
    delivery = uuid4()
    write = """insert into webhook_deliveries (id, created_at, organization_id, integration_id, event, payload)
               values ($1, $2, $3, $4, 'call.completed', '{}') on conflict do nothing"""
    assert await pool.execute(write, delivery, NOW, organization, uuid4()) == "INSERT 0 1"
    assert await pool.execute(write, delivery, NOW, organization, uuid4()) == "INSERT 0 0"
