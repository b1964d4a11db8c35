"""How much of the limit of calls at once was used, over limits that changed: one answer, wherever one asks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from actors.domain.local_day import day_bounds, local_date
from actors.domain.organization import Organization
from actors.domain.policy import Policy
from actors.domain.views import counters_view
from actors.organization_actor import OrganizationActor
from actors.slots import slot_of
from serve.services import Services
from storage.journal import PostgresJournal
from storage.ownership import PostgresOwnership
from storage.postgres import Pool
from storage.times import milliseconds, moment
from storage.usage import aggregate_day
from tests.fakes.world import Faults, World
from tests.integration.api.conftest import Tenant, midday_zone
from tests.integration.api.stored_calls import NOW, store_call

ZONE = midday_zone()
TODAY = local_date(milliseconds(NOW), ZONE)
OPENS, CLOSES = day_bounds(TODAY, ZONE)
HOUR = timedelta(hours=1)
SHARES = ("average_live", "saturated_share", "capacity_share")


async def store_limit(pool: Pool, tenant: Tenant, since: datetime, limit: int | None) -> None:
    await pool.execute("insert into concurrency_limits values ($1, $2, $3)", UUID(tenant.organization_id), since, limit)


async def known_limits(pool: Pool, tenant: Tenant) -> list[tuple[int, int | None]]:
    rows = await pool.fetch(
        "select since, concurrency_limit from concurrency_limits where organization_id = $1 order by since",
        UUID(tenant.organization_id),
    )
    return [(milliseconds(row["since"]), row["concurrency_limit"]) for row in rows]


async def store_calls(pool: Pool, tenant: Tenant) -> list[tuple[int, int]]:
    """Calls of the morning, and some of now that go on for a minute yet: what changes now falls into them."""
    opened, spans = moment(OPENS), list[tuple[datetime, datetime]]()
    for begun, lasted in ((1.5, 1.0), (1.75, 0.5), (2.0, 1.5), (2.25, 0.25), (2.5, 2.0)):
        spans.append((opened + begun * HOUR, opened + (begun + lasted) * HOUR))
    spans += [(NOW - timedelta(seconds=seconds), NOW + timedelta(minutes=1)) for seconds in (30, 20, 10)]
    for place, (begun, ended) in enumerate(spans):
        values = {"created_at": begun, "ringing_at": begun, "live_from": begun, "live_until": ended, "ended_at": ended}
        await store_call(pool, tenant.organization_id, f"call-{place}", status="ended", **values)
    return [(milliseconds(begun), milliseconds(ended)) for begun, ended in spans]


def expected(
    spans: Sequence[tuple[int, int]], limits: Sequence[tuple[int, int | None]], until: int
) -> dict[str, float | None]:
    """By the formulas, from one change of either to the next."""
    edges = sorted({OPENS, until, *(at for span in spans for at in span), *(since for since, _ in limits)})
    edges = [at for at in edges if OPENS <= at <= until]
    overlap = used = capacity = saturated = 0
    for start, end in pairwise(edges):
        live = sum(begun <= start < ended for begun, ended in spans)
        limit = [limits[0][1], *(limit for since, limit in limits if since <= start)][-1]
        overlap += live * (end - start)
        if limit is not None:
            used, capacity = used + live * (end - start), capacity + limit * (end - start)
            saturated += (end - start) * (live >= limit)
    shares = (overlap / (until - OPENS), saturated / (until - OPENS), used / capacity)
    return dict(zip(SHARES, (round(share, 4) for share in shares), strict=True))


def shares(figures: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: figures[name] for name in SHARES}


def board(state: Organization) -> dict[str, float | None]:
    return shares(cast("Mapping[str, Any]", counters_view(state)["today"]))


async def recovered(pool: Pool, tenant: Tenant) -> OrganizationActor:
    claimed = await PostgresOwnership(pool).claim("shard", held=(), share=256, lease_seconds=60)
    lease = next(lease for lease in claimed if lease.slot == slot_of(tenant.organization_id))
    world = World(tenant.organization_id, time_zone=ZONE, epoch=lease.epoch)
    world.clock.at = milliseconds(NOW)
    ports = replace(world.ports(Faults(Random(0))), journal=PostgresJournal(pool))
    return await OrganizationActor.recover(tenant.organization_id, lease=lease, owner="shard", ports=ports)


async def test_board_day_and_kept_day_agree_over_limits_that_changed(
    api: FastAPI, client: httpx.AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    for hours, limit in ((1, 2), (2, 3), (2.5, None), (3, 1)):
        await store_limit(pool, tenant, moment(OPENS) + hours * HOUR, limit)
    spans = await store_calls(pool, tenant)
    actor = await recovered(pool, tenant)
    until = max(ended for _, ended in spans)
    assert board(actor.state) == expected(spans, await known_limits(pool, tenant), until)

    for limit in (2, 4, 3):
        told = {"concurrency_limit": limit}
        (await client.patch(f"{tenant.path}/settings", json=told, headers=tenant.credential)).raise_for_status()
        await actor.process(await PostgresJournal(pool).unapplied(tenant.organization_id, limit=10))
    limits = await known_limits(pool, tenant)
    # Of the day before its creation, nothing had been limited.
    assert [limit for _, limit in limits] == [2, 3, None, 1, None, 2, 4, 3]
    assert actor.state.policy.limit_changes.changes == tuple(limits)
    wanted = expected(spans, limits, until)
    assert wanted != expected(spans, limits[-1:], until)
    assert board(actor.state) == wanted
    assert board((await recovered(pool, tenant)).state) == wanted
    figures = await client.get(f"{tenant.path}/figures", headers=tenant.credential)
    assert shares(figures.json()) == wanted
    dashboard = await client.get(f"{tenant.path}/dashboard", headers=tenant.credential)
    assert shares(dashboard.json()["figures"]["today"]) == wanted

    api.state.services = replace(cast("Services", api.state.services), now=lambda: moment(CLOSES) + HOUR)
    await aggregate_day(pool, tenant.organization_id, TODAY - timedelta(days=1), ZONE)
    await aggregate_day(pool, tenant.organization_id, TODAY, ZONE)
    closed = expected(spans, limits, CLOSES)
    day = {"date": TODAY.isoformat()}
    assert shares((await client.get(f"{tenant.path}/figures", params=day, headers=tenant.credential)).json()) == closed
    params = {"from": (TODAY - timedelta(days=1)).isoformat(), "to": TODAY.isoformat()}
    stats = (await client.get(f"{tenant.path}/stats", params=params, headers=tenant.credential)).json()
    assert shares(stats["days"][1]) == closed
    # The day before there was no organization, and so no limit: only the time of both days is that of the averages.
    assert shares(stats["days"][0]) == {"average_live": 0.0, "saturated_share": None, "capacity_share": None}
    assert stats["total"]["capacity_share"] == closed["capacity_share"]
    assert stats["total"]["saturated_share"] == pytest.approx((closed["saturated_share"] or 0) / 2, abs=1e-4)


async def test_a_day_of_one_limit_is_measured_by_the_one_of_then(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant
) -> None:
    yesterday = moment(OPENS) - 20 * HOUR
    await store_limit(pool, tenant, yesterday - 48 * HOUR, 2)
    await store_limit(pool, tenant, moment(OPENS) + HOUR, 9)
    values = {"created_at": yesterday, "live_from": yesterday, "live_until": yesterday + 6 * HOUR}
    await store_call(pool, tenant.organization_id, "call", status="ended", **values)
    await aggregate_day(pool, tenant.organization_id, TODAY - timedelta(days=1), ZONE)
    kept = await pool.fetchrow(
        "select capacity_ms, level_ms from daily_usage where date = $1", TODAY - timedelta(days=1)
    )
    assert dict(kept or {}) == {"capacity_ms": None, "level_ms": {"1": 6 * 3_600_000}}
    day = {"date": (TODAY - timedelta(days=1)).isoformat()}
    figures = (await client.get(f"{tenant.path}/figures", params=day, headers=tenant.credential)).json()
    stats = (await client.get(f"{tenant.path}/stats", params={"range": "7d"}, headers=tenant.credential)).json()
    assert shares(figures) == shares(stats["days"][0]) == shares(stats["total"])
    assert shares(figures) == {"average_live": 0.25, "saturated_share": 0.0, "capacity_share": 0.125}


async def test_every_change_is_kept_in_its_own_transaction_and_for_ever(pool: Pool, tenant: Tenant) -> None:
    organization_id = UUID(tenant.organization_id)
    created_at = await pool.fetchval("select created_at from organizations where id = $1", organization_id)
    assert await known_limits(pool, tenant) == [(milliseconds(created_at), None)]
    change = "update organizations set concurrency_limit = $2, name = name || '.' where id = $1"
    async with pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute(change, organization_id, 7)
        await undone.rollback()
    for limit in (5, 5, None):
        await pool.execute(change, organization_id, limit)
    # A clock that was ahead and was set back: what comes later stands later.
    await store_limit(pool, tenant, NOW + 24 * HOUR, None)
    await pool.execute(change, organization_id, 6)
    assert [limit for _, limit in await known_limits(pool, tenant)] == [None, 5, None, None, 6]
    policy = (await PostgresJournal(pool).profile(tenant.organization_id) or pytest.fail("no profile")).policy
    assert policy == Policy(concurrency_limit=6, limit_changes=policy.limit_changes)
    assert [limit for _, limit in policy.limit_changes.changes] == [None, 5, None, None, 6]
    with pytest.raises(Exception, match="concurrency_limits"):
        await pool.execute("delete from concurrency_limits where organization_id = $1", organization_id)


async def test_of_very_many_changes_the_last_are_read_and_what_held_before(pool: Pool, tenant: Tenant) -> None:
    await store_limit(pool, tenant, moment(OPENS) - HOUR, 7)
    await pool.execute(
        "insert into concurrency_limits"
        " select $1, $2::timestamptz + n * interval '1 ms', 1 + n % 2 from generate_series(1, 1500) as n",
        UUID(tenant.organization_id),
        moment(OPENS),
    )
    bounds = (UUID(tenant.organization_id), moment(OPENS), moment(OPENS) + HOUR)
    told = await pool.fetchval("select private.limits_between($1, $2, $3)", *bounds)
    assert (len(told), told[0][1], told[1][0], told[-1][0]) == (1_001, 7, OPENS + 501, OPENS + 1_500)
