"""Whose a period's usage is, and its entries one by one: the ledger's, so both add up to what is told of the period."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from serve.services import Services
from serve.usage_share_schemas import MOST
from storage import cache_keys
from storage.postgres import Pool
from storage.times import milliseconds
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member
from tests.integration.api.stored_calls import store_call
from tests.integration.api.test_api_access import add_key, assert_problem, bearer
from tests.integration.billing_world import BillingWorld

Client = httpx.AsyncClient
Read = Callable[..., Any]

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
async def world(pool: Pool, tenant: Tenant) -> BillingWorld:
    await pool.execute(
        "update organizations set plan_id = 'metered', time_zone = 'UTC' where id = $1", UUID(tenant.organization_id)
    )
    return BillingWorld(pool, tenant.organization_id)


@pytest.fixture
def read(client: Client, tenant: Tenant, services: Services) -> Read:
    async def reading(what: str, **params: str) -> Any:
        first = datetime.fromisoformat(params["date"]) if "date" in params else NOW
        month, organization_id = first.date().replace(day=1), tenant.organization_id
        await services.cache.invalidate(cache_keys.usage(organization_id, month))
        got = await client.get(f"{tenant.path}/usage{what}", params=params, headers=tenant.credential)
        assert got.status_code == 200, got.text
        return got.json() if got.headers["content-type"].startswith("application/json") else got.text

    return reading


def parts(shares: Sequence[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(each[name] for name in names) for each in shares]


async def assert_equal_sums(read: Read, **params: str) -> dict[str, Any]:
    """The shares, once they were held against the period, the file of its entries, and its pages."""
    shares, usage = await read("/shares", **params), await read("", **params)
    file = list(csv.DictReader(io.StringIO(await read("/export", **params))))
    charges = sum(each["kind"] == "charge" for each in file)
    for name in ("by_assistant", "by_number"):
        sums = [sum(each[what] for each in shares[name]) for what in ("seconds", "cost_micros", "calls")]
        assert sums == [usage["used_seconds"], usage["cost_micros"], charges], name
    for name in ("used_seconds", "used_minutes", "cost_micros", "period_start", "period_end"):
        assert shares[name] == usage[name], name
    assert shares["calls"] == charges
    entries: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = await read("/entries", limit="2", **params, **cursor)
        entries += page["entries"]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    names = ("call_id", "entry", "kind", "seconds", "amount_micros", "reason")
    told = [tuple(str(each[name]) for name in names) for each in reversed(entries)]
    assert told == [tuple(each[name] for name in names) for each in file]
    return shares


async def test_shares_add_up_to_the_period_whatever_comes_late(
    pool: Pool, tenant: Tenant, world: BillingWorld, read: Read
) -> None:
    organization_id = tenant.organization_id
    desk = {"assistant_id": "desk", "to_number": "+15550300001"}
    await store_call(pool, organization_id, "1", assistant_name="Desk", **desk)
    await store_call(pool, organization_id, "2", assistant_name="Front desk", **desk, created_at=NOW)
    await store_call(
        pool,
        organization_id,
        "3",
        direction="outbound",
        assistant_id="sales",
        from_number="+15550300002",
        to_number="+1",
    )
    await store_call(pool, organization_id, "4", assistant_name="Of this call alone", to_number="+15550300001")
    await store_call(pool, organization_id, "5")
    for call_id, seconds in (("1", 61), ("2", 30), ("3", 120), ("4", 12), ("5", 7), ("never seen", 3)):
        await world.called(call_id, seconds)
    shares = await assert_equal_sums(read)
    told = parts(shares["by_assistant"], "kind", "assistant_id", "assistant_name", "calls", "seconds")
    assert told == [
        ("known", "sales", None, 1, 120),
        ("known", "desk", "Front desk", 2, 91),
        ("known", None, "Of this call alone", 1, 12),
        ("unknown", None, None, 2, 10),
    ]
    assert parts(shares["by_number"], "kind", "number", "seconds") == [
        ("known", "+15550300002", 120),
        ("known", "+15550300001", 103),
        ("unknown", None, 10),
    ]
    assert shares["archived_calls"] == 1

    # Reports are late: corrections go where the charges are, and an assistant told only now takes over what is its own.
    await world.called("1", 65)
    await world.called("3", 100)
    await pool.execute("update calls set assistant_id = 'sales' where provider_call_id = '5'")
    shares = await assert_equal_sums(read)
    assert parts(shares["by_assistant"], "assistant_id", "calls", "seconds") == [
        ("sales", 2, 107),
        ("desk", 2, 95),
        (None, 1, 12),
        (None, 1, 3),
    ]


async def test_shares_and_the_total_are_one_copy(client: Client, world: BillingWorld, tenant: Tenant) -> None:
    """Whatever is booked meanwhile, and whichever is asked for first."""

    async def told(what: str) -> tuple[str, int]:
        got = await client.get(f"{tenant.path}/usage{what}", headers=tenant.credential)
        assert got.status_code == 200, got.text
        return got.json()["as_of"], got.json()["used_seconds"]

    await world.called("1", 60)
    alone = await told("")
    assert alone[1] == 60
    await world.called("2", 30)
    assert await told("") == alone, "a copy"
    whose = await told("/shares")
    assert whose[1] == 90
    await world.called("3", 10)
    assert await told("") == await told("/shares") == whose


async def test_what_corrects_a_closed_period_is_the_next_ones_and_no_call_of_it(
    pool: Pool, tenant: Tenant, world: BillingWorld, read: Read
) -> None:
    month = NOW.replace(day=1, hour=0, minute=0, second=0)
    before = month - timedelta(days=2)
    await store_call(pool, tenant.organization_id, "old", assistant_id="desk", created_at=before)
    await world.called("old", 60, ended_at=milliseconds(before))
    await pool.execute(
        "insert into billing_events (organization_id, event, event_key, occurred_at, period_end)"
        " values ($1, 'period-closed', 'closed', $2, $2)",
        UUID(tenant.organization_id),
        month,
    )
    await world.called("old", 75, ended_at=milliseconds(before))
    present = await assert_equal_sums(read)
    assert parts(present["by_assistant"], "assistant_id", "calls", "seconds") == [("desk", 0, 15)]
    past = await assert_equal_sums(read, date=before.date().isoformat())
    assert parts(past["by_assistant"], "assistant_id", "calls", "seconds") == [("desk", 1, 60)]


async def test_more_than_can_be_told_one_by_one_stand_together(pool: Pool, tenant: Tenant, read: Read) -> None:
    many = MOST + 30
    await pool.execute(
        """insert into calls (id, created_at, organization_id, provider_call_id, status, assistant_id, to_number,
               last_event_at, last_event_kind, version)
           select gen_random_uuid(), $2, $1, 'call-' || n, 'ended', 'assistant-' || n, '+1555' || n, $2, 'x', 1
           from generate_series(1, $3::integer) as n""",
        UUID(tenant.organization_id), NOW, many,
    )  # fmt: skip
    await pool.execute(
        "insert into call_keys (organization_id, provider_call_id, id, created_at)"
        " select organization_id, provider_call_id, id, created_at from calls where organization_id = $1",
        UUID(tenant.organization_id),
    )
    await pool.execute(
        """insert into usage_ledger
               (organization_id, call_id, entry, seconds, amount_micros, currency, reason, charged_at)
           select $1, 'call-' || n, 1, n, n * 2000, 'usd', 'call', $2 from generate_series(0, $3::integer) as n""",
        UUID(tenant.organization_id), NOW, many,
    )  # fmt: skip
    shares = await read("/shares")
    for name in ("by_assistant", "by_number"):
        assert [each["kind"] for each in shares[name]] == ["known"] * MOST + ["unknown", "others"]
        assert (shares[name][-1]["calls"], shares[name][-1]["seconds"]) == (30, sum(range(1, 31)))
        assert sum(each["seconds"] for each in shares[name]) == shares["used_seconds"] == sum(range(many + 1))


async def test_a_cursor_is_of_one_period_of_one_organization(
    client: Client, world: BillingWorld, tenant: Tenant, stranger: Tenant
) -> None:
    for call_id in ("a/b", "ö" * 300):
        await world.called(call_id, 10)
    first = await client.get(f"{tenant.path}/usage/entries", params={"limit": "1"}, headers=tenant.credential)
    cursor = first.json()["next_cursor"]
    following = await client.get(f"{tenant.path}/usage/entries", params={"cursor": cursor}, headers=tenant.credential)
    told = [each["call_id"] for got in (first, following) for each in got.json()["entries"]]
    assert sorted(told) == ["a/b", "ö" * 300]
    day = (NOW.replace(day=1) - timedelta(days=1)).date().isoformat()
    others = (({"cursor": cursor, "date": day}, tenant), ({"cursor": cursor}, stranger), ({"cursor": "AAAA"}, tenant))
    for asked, where in others:
        got = await client.get(f"{where.path}/usage/entries", params=asked, headers=where.credential)
        assert_problem(got, 400, "malformed-request")


async def test_who_may_read_it(
    client: Client, issuer: TokenIssuer, world: BillingWorld, tenant: Tenant, stranger: Tenant
) -> None:
    await world.called("call-1", 10)
    pool = world.pool
    people = {role: await add_member(pool, issuer, tenant, role) for role in ("viewer", "supervisor")}
    narrow = bearer(await add_key(pool, tenant, "calls:read"))
    for what in ("shares", "entries"):
        for role, status in (("viewer", 403), ("supervisor", 200)):
            got = await client.get(f"{tenant.path}/usage/{what}", headers=people[role].credential)
            assert got.status_code == status, role
        assert_problem(await client.get(f"{tenant.path}/usage/{what}", headers=narrow), 403, "forbidden")
        assert_problem(await client.get(f"{tenant.path}/usage/{what}", headers=stranger.credential), 404, "not-found")
        got = await client.get(f"{stranger.path}/usage/{what}", headers=stranger.credential)
        assert not got.json().get("entries")
        assert not got.json().get("by_assistant")
