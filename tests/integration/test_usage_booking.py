"""Calls come into the ledger once each, corrections after them, and the marks of a period are noticed once (P8)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.domain.charging import Terms, worth
from storage.ledger import Ledger
from storage.postgres import Pool, open_pool
from storage.times import moment
from tests.integration.billing_world import DAY, MINUTE, BillingWorld


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=8, name="test") as opened:
        yield opened


@pytest_asyncio.fixture
async def world(pool: Pool) -> BillingWorld:
    return await BillingWorld.on_plan(pool)


async def test_a_call_is_charged_once_by_whole_seconds(world: BillingWorld) -> None:
    await world.tell("call-1", duration_ms=61_001, ended_at=world.now - MINUTE)
    first = await world.book("call-1")
    assert first is not None
    assert (first.entry, first.seconds, first.amount_micros, first.alerts) == (1, 62, 62 * 2_500, [])
    assert await world.book("call-1") is None
    assert await world.entries() == [("call-1", 1, 62, 155_000, "call")]
    assert await world.metered() == [("call:call-1", 62, "pending")]
    [(charged_at,)] = await world.rows("select charged_at from usage_ledger where organization_id = $1")
    assert charged_at == moment(world.now - MINUTE)


async def test_bookings_at_once_by_several_processes_make_one_charge(world: BillingWorld, pool: Pool) -> None:
    await world.tell("call-1", duration_ms=30_000)
    workers = [Ledger(pool) for _ in range(6)]
    booked = await asyncio.gather(
        *(each.book(world.organization_id, "call-1", at=world.now) for each in workers for _ in range(4))
    )
    assert len([each for each in booked if each is not None]) == 1
    assert await world.entries() == [("call-1", 1, 30, 75_000, "call")]


async def test_a_later_report_corrects_and_the_sum_is_what_is_known(world: BillingWorld) -> None:
    await world.called("call-1", 30)
    await world.tell("call-1", duration_ms=45_000)
    assert await world.book("call-1") is not None
    await world.tell("call-1", duration_ms=5_000)
    assert await world.book("call-1") is not None
    await world.tell("call-1", duration_ms=4_500)
    assert await world.book("call-1") is None, "the same begun second"
    assert await world.entries() == [
        ("call-1", 1, 30, 75_000, "call"),
        ("call-1", 2, 15, 37_500, "duration"),
        ("call-1", 3, -40, -100_000, "duration"),
    ]
    assert await world.metered() == [
        ("call:call-1", 30, "pending"),
        ("call:call-1:2", 15, "pending"),
        ("call:call-1:3", -40, "pending"),
    ]
    [(moments,)] = await world.rows("select count(distinct charged_at) from usage_ledger where organization_id = $1")
    assert moments == 1, "a correction counts where its call counts"


async def test_a_call_that_nobody_answered_is_charged_nothing_and_the_provider_is_told_nothing(
    world: BillingWorld,
) -> None:
    await world.called("call-1", 0)
    assert await world.entries() == [("call-1", 1, 0, 0, "call")]
    assert await world.metered() == []


async def test_a_call_that_goes_on_or_is_unknown_is_not_charged(world: BillingWorld) -> None:
    await world.pool.execute(
        """insert into webhook_inbox (organization_id, provider, event_key, slot, call_id, type, facts, received_at)
           values ($1, 'vapi', 'ring', 0, 'call-1', 'status-update', '{"status": "in-progress"}', now())""",
        world.organization_id,
    )
    assert await world.book("call-1") is None
    assert await world.book("never-seen") is None
    assert await world.entries() == []


async def test_in_any_order_entries_of_a_period_sum_up_to_what_its_seconds_cost(pool: Pool) -> None:
    world = await BillingWorld.on_plan(pool, "starter")
    terms = Terms(included_seconds=400 * 60, minute_price_micros=140_000)
    await asyncio.gather(*(world.called(f"call-{n}", 2_701) for n in range(10)))
    assert sum(amount for _, _, _, amount, _ in await world.entries()) == worth(27_010, terms) > 0
    await world.tell("call-3", duration_ms=1_000)
    await world.book("call-3")
    assert sum(amount for _, _, _, amount, _ in await world.entries()) == worth(24_310, terms)


async def test_what_is_found_out_after_a_periods_invoice_counts_in_the_one_that_goes_on(world: BillingWorld) -> None:
    start, end = moment(world.now - 40 * DAY), moment(world.now - 10 * DAY)
    await world.subscribe(start, end)
    await world.called("call-1", 60, ended_at=world.now - 11 * DAY)
    await world.pool.execute(
        """insert into billing_events (organization_id, event, event_key, occurred_at, period_start, period_end)
           values ($1, 'period-closed', 'closed', now(), $2, $3)""",
        world.organization_id,
        start,
        end,
    )
    await world.tell("call-1", duration_ms=90_000)
    await world.book("call-1")
    await world.called("call-2", 10, ended_at=world.now - 12 * DAY)
    told = await world.rows(
        "select call_id, entry, charged_at from usage_ledger where organization_id = $1 order by call_id, entry"
    )
    assert told == [
        ("call-1", 1, moment(world.now - 11 * DAY)),
        ("call-1", 2, moment(world.now)),
        ("call-2", 1, moment(world.now)),
    ]


@pytest.mark.parametrize(("plan_id", "cap"), [("metered", 10), (None, 10)])
async def test_each_mark_of_a_period_is_noticed_once_when_it_is_reached(
    pool: Pool, plan_id: str | None, cap: int
) -> None:
    world = await BillingWorld.on_plan(pool, plan_id)
    await pool.execute("update organizations set minutes_cap = $2 where id = $1", world.organization_id, cap)
    await world.called("call-1", 479)
    assert await world.rows("select 1 from usage_alerts where organization_id = $1") == []
    await world.tell("call-2", duration_ms=1_000, ended_at=world.now)
    booked = await world.book("call-2")
    assert booked is not None
    assert booked.alerts == [80]
    await world.tell("call-2", duration_ms=2_000, ended_at=world.now)
    again = await world.book("call-2")
    assert again is not None
    assert again.alerts == [], "noticed before"
    await asyncio.gather(*(world.called(f"more-{n}", 40) for n in range(5)))
    told = await world.rows(
        "select threshold_percent, limit_seconds from usage_alerts where organization_id = $1 order by 1"
    )
    assert told == [(80, 600), (100, 600)]


async def test_a_mark_that_one_call_jumps_over_is_noticed_with_the_next(pool: Pool) -> None:
    world = await BillingWorld.on_plan(pool, "starter")
    await world.tell("call-1", duration_ms=400 * 60_000, ended_at=world.now)
    booked = await world.book("call-1")
    assert booked is not None
    assert booked.alerts == [80, 100]
