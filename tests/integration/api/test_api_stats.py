"""Closed days: kept as the live board left them, read without a look at calls."""

from datetime import timedelta
from uuid import UUID

import httpx

from actors.domain.capacity import Limits
from actors.domain.day_view import day_view
from actors.domain.local_day import day_bounds, local_date
from storage.calls import TenantReader
from storage.postgres import Pool
from storage.tenant import tenant_reads
from storage.times import milliseconds, moment
from storage.usage import aggregate_day, aggregate_due, aggregate_range, kept_days, total
from tests.integration.api.conftest import Tenant, midday_zone
from tests.integration.api.stored_calls import NOW, store_call, store_event

ZONE = midday_zone()
TODAY = local_date(milliseconds(NOW), ZONE)
YESTERDAY = TODAY - timedelta(days=1)
OPENS, CLOSES = day_bounds(YESTERDAY, ZONE)


async def store_day(pool: Pool, tenant: Tenant) -> None:
    """Two calls that overlap, one over midnight, with everything that figures are made of."""
    for place in range(3):
        begun = OPENS + 3_600_000 + place * 10_000 if place < 2 else CLOSES - 30_000
        at = moment(begun)
        await store_call(
            pool,
            tenant.organization_id,
            f"call-{place}",
            created_at=at,
            status="ended",
            direction="outbound" if place else "inbound",
            ended_class="completed",
            queued_at=at,
            ringing_at=at,
            answered_at=at + timedelta(seconds=4),
            ended_at=at + timedelta(seconds=64),
            live_from=at,
            live_until=at + timedelta(seconds=64),
            duration_ms=60_000,
            cost_micros=120_000,
            first_word_at=at + timedelta(milliseconds=4_900),
            turn_latencies_ms=[700, 1_900],
            silence_ms=2_500,
            tools_called=3,
            tools_failed=1,
            tool_latencies_ms=[400],
            ended_reason="customer-ended-call",
            success_evaluation="true",
            reported_at=at + timedelta(seconds=67),
            interruptions=1,
            webhook_lags_ms=[120, -5],
        )
    await store_event(pool, tenant.organization_id, event_key="twice", deliveries=2, received_at=moment(OPENS + 1))


async def test_a_closed_day_is_kept_as_the_live_board_left_it(pool: Pool, tenant: Tenant) -> None:
    await store_day(pool, tenant)
    await pool.execute("insert into concurrency_limits values ($1, $2, 2)", UUID(tenant.organization_id), moment(OPENS))
    async with tenant_reads(pool, organization_id=tenant.organization_id, subject="key:test") as connection:
        live = await TenantReader(connection, tenant.organization_id).day(YESTERDAY, ZONE)
    made = await aggregate_day(pool, tenant.organization_id, YESTERDAY, ZONE)
    assert made == live
    async with tenant_reads(pool, organization_id=tenant.organization_id, subject="key:test") as connection:
        (kept,) = await kept_days(connection, tenant.organization_id, YESTERDAY, YESTERDAY)
    limits = Limits.always(2)
    shown = day_view(live, use=live.concurrency.use(limits, CLOSES), until=CLOSES)
    assert day_view(kept.figures, use=kept.use, until=kept.until) == shown
    assert (shown["calls"], shown["peak_live"], shown["duplicates"]) == (3, 2, 1)
    assert (shown["attempted"], shown["attempted_outcomes"]) == (2, {"completed": 2})
    again = await aggregate_day(pool, tenant.organization_id, YESTERDAY, ZONE)
    assert again == made
    whole = total([kept])
    assert day_view(whole.figures, use=whole.use, until=whole.until) == shown


async def test_days_are_kept_when_they_are_due_and_by_range(pool: Pool, tenant: Tenant) -> None:
    await pool.execute(
        "update organizations set created_at = now() - interval '2 days' where id = $1", UUID(tenant.organization_id)
    )
    await store_day(pool, tenant)
    assert await aggregate_due(pool) >= 2
    assert await aggregate_due(pool) == 0
    count = await aggregate_range(pool, TODAY - timedelta(days=10), TODAY + timedelta(days=5), tenant.organization_id)
    assert count == 10


async def test_a_range_is_read_from_kept_days_and_today_as_it_goes(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    await store_day(pool, tenant)
    await store_call(pool, tenant.organization_id, "now")
    await aggregate_range(pool, TODAY - timedelta(days=2), TODAY, tenant.organization_id)
    # Were they read again, the figures would be gone.
    await pool.execute("delete from calls where created_at < $1", moment(CLOSES))
    got = await client.get(f"{tenant.path}/stats", params={"range": "7d"}, headers=tenant.credential)
    assert got.status_code == 200, got.text
    told = got.json()
    assert (told["from"], told["to"]) == ((TODAY - timedelta(days=6)).isoformat(), TODAY.isoformat())
    assert [(day["date"], day["calls"]) for day in told["days"]] == [
        ((TODAY - timedelta(days=2)).isoformat(), 0),
        (YESTERDAY.isoformat(), 3),
    ]
    assert (told["total"]["calls"], told["total"]["turn_latency_n"], told["total"]["peak_live"]) == (3, 6, 2)
    assert told["today"]["calls"] == 1
    assert told["missing"] == [(TODAY - timedelta(days=back)).isoformat() for back in (6, 5, 4, 3)]
    wrong = await client.get(
        f"{tenant.path}/stats",
        params={"from": TODAY.isoformat(), "to": YESTERDAY.isoformat()},
        headers=tenant.credential,
    )
    assert wrong.status_code == 422
