"""Usage of billing periods: out of the ledger and kept days, cached, the same for whoever may read it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from serve.services import Services
from storage import cache_keys
from storage.postgres import Pool
from storage.usage import aggregate_range
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member
from tests.integration.api.stored_calls import store_call
from tests.integration.api.test_api_access import add_key, assert_problem, bearer

Client = httpx.AsyncClient

# At noon of the tenth of the month before this one.
MONTH = (datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)).replace(day=1)
NOW = MONTH + timedelta(days=9, hours=12)


@pytest.fixture(autouse=True)
def clock(api: FastAPI, services: Services) -> Callable[[datetime], None]:
    def to(moment: datetime) -> None:
        api.state.services = replace(services, now=lambda: moment)

    to(NOW)
    return to


@pytest.fixture(autouse=True)
async def zone(pool: Pool, tenant: Tenant) -> None:
    await pool.execute("update organizations set time_zone = 'UTC' where id = $1", UUID(tenant.organization_id))


async def book(pool: Pool, tenant: Tenant, call_id: str, *, at: datetime, seconds: int, entry: int = 1) -> None:
    await pool.execute(
        """insert into usage_ledger
               (organization_id, call_id, entry, seconds, amount_micros, currency, reason, charged_at)
           values ($1, $2, $3, $4, $4::bigint * 2000, 'usd', 'call', $5)""",
        UUID(tenant.organization_id),
        call_id,
        entry,
        seconds,
        at,
    )


async def on_plan(pool: Pool, tenant: Tenant, plan_id: str, **told: datetime) -> None:
    await pool.execute(
        """update organizations set plan_id = $2, billing_period_start = $3, billing_period_end = $4 where id = $1""",
        UUID(tenant.organization_id),
        plan_id,
        told.get("start"),
        told.get("end"),
    )


async def forget(services: Services, tenant: Tenant) -> None:
    organization_id = tenant.organization_id
    await services.cache.invalidate(
        cache_keys.organization(organization_id), cache_keys.usage(organization_id, MONTH.date())
    )


async def used(client: Client, tenant: Tenant, **params: str) -> httpx.Response:
    got = await client.get(f"{tenant.path}/usage", params=params, headers=tenant.credential)
    assert got.status_code == 200, got.text
    return got


async def test_a_month_is_what_the_ledger_says_of_it(client: Client, pool: Pool, tenant: Tenant) -> None:
    await on_plan(pool, tenant, "starter")
    await book(pool, tenant, "before", at=MONTH - timedelta(seconds=1), seconds=900)
    await book(pool, tenant, "first", at=MONTH, seconds=18_000)
    await book(pool, tenant, "first", at=MONTH, seconds=-600, entry=2)
    await book(pool, tenant, "second", at=NOW - timedelta(hours=1), seconds=1_601)
    told = (await used(client, tenant)).json()
    following = (MONTH + timedelta(days=32)).replace(day=1)
    assert datetime.fromisoformat(told["period_start"]) == MONTH
    assert datetime.fromisoformat(told["period_end"]) == following
    assert (told["used_seconds"], told["used_minutes"]) == (19_001, 316.68)
    assert (told["included_minutes"], told["overage_seconds"], told["limit_minutes"]) == (400, 0, 400)
    assert (told["cost_micros"], told["currency"], told["plan"]["plan_id"]) == (38_002_000, "usd", "starter")
    assert told["used_share"] == round(19_001 / 24_000, 4)

    passed, length = NOW - MONTH, following - MONTH
    projected = round(19_001 * length / passed)
    assert told["projection"]["basis"] == "straight_line"
    assert told["projection"]["used_seconds"] == projected
    assert told["projection"]["overage_seconds"] == projected - 24_000
    near, full = told["marks"]
    assert (near["percent"], near["seconds"], near["reached"]) == (80, 19_200, False)
    assert (full["percent"], full["seconds"], full["told_at"]) == (100, 24_000, None)
    expected = datetime.fromisoformat(near["expected_at"])
    assert abs(expected - (MONTH + passed * 19_200 / 19_001)) < timedelta(seconds=1)

    days = told["days"]
    assert [day["date"] for day in days] == [(MONTH + timedelta(days=n)).date().isoformat() for n in range(10)]
    assert [day["seconds"] for day in days] == [17_400, *[0] * 8, 1_601]
    assert {day["calls"] for day in days} == {None}, "not added up yet"


async def test_days_that_remain_bring_what_their_weekdays_brought(client: Client, pool: Pool, tenant: Tenant) -> None:
    await on_plan(pool, tenant, "starter")
    for back in range(1, 29):
        day = NOW.date() - timedelta(days=back)
        await book(pool, tenant, f"call-{back}", at=NOW - timedelta(days=back), seconds=100 * (day.weekday() + 1))
    since = NOW.date() - timedelta(days=28)
    await aggregate_range(pool, since, NOW.date() - timedelta(days=1), tenant.organization_id)
    told = (await used(client, tenant)).json()
    following = (MONTH + timedelta(days=32)).replace(day=1)
    remaining = [NOW.date() + timedelta(days=n) for n in range((following.date() - NOW.date()).days)]
    expected = [100 * (day.weekday() + 1) for day in remaining]
    total = told["used_seconds"] + sum(expected) - expected[0] // 2
    assert told["projection"] == {
        "basis": "weekday_means",
        "used_seconds": total,
        "used_minutes": round(total / 60, 2),
        "overage_seconds": max(0, total - 24_000),
        "cost_micros": 2_000 * total,
    }


async def test_closed_days_come_as_they_were_kept_without_a_look_at_calls(
    client: Client, pool: Pool, services: Services, tenant: Tenant
) -> None:
    third = MONTH + timedelta(days=2, hours=9)
    await store_call(pool, tenant.organization_id, "call-1", created_at=third, status="ended", ended_at=third)
    await book(pool, tenant, "call-1", at=third, seconds=60)
    await aggregate_range(pool, MONTH.date(), third.date(), tenant.organization_id)
    # Were calls looked at, they would be gone.
    await pool.execute("delete from calls")
    await book(pool, tenant, "call-2", at=third + timedelta(days=1), seconds=30)
    # Of a day that is kept already: in the sum at once, in its day when it is added up anew.
    await book(pool, tenant, "call-1", at=third, seconds=5, entry=2)
    told = (await used(client, tenant)).json()
    assert [(day["calls"], day["seconds"]) for day in told["days"]][:5] == [
        (0, 0),
        (0, 0),
        (1, 60),
        (None, 30),
        (None, 0),
    ]
    assert told["used_seconds"] == 95
    await aggregate_range(pool, third.date(), third.date(), tenant.organization_id)
    await forget(services, tenant)
    told = (await used(client, tenant)).json()
    assert sum(day["seconds"] for day in told["days"]) == told["used_seconds"] == 95


async def test_a_subscriptions_period_is_its_own(client: Client, pool: Pool, tenant: Tenant) -> None:
    start = MONTH - timedelta(days=10) + timedelta(hours=7)
    end = start.replace(month=start.month % 12 + 1, year=start.year + start.month // 12)
    await on_plan(pool, tenant, "growth", start=start, end=end)
    await book(pool, tenant, "before", at=start - timedelta(seconds=1), seconds=7)
    await book(pool, tenant, "within", at=start, seconds=11)
    told = (await used(client, tenant)).json()
    assert datetime.fromisoformat(told["period_start"]) == start
    assert datetime.fromisoformat(told["period_end"]) == end
    assert told["used_seconds"] == 11
    assert told["days"][0]["date"] == start.date().isoformat()
    before = (await used(client, tenant, date=(start - timedelta(days=1)).date().isoformat())).json()
    assert datetime.fromisoformat(before["period_end"]) == start
    assert (before["used_seconds"], before["projection"]) == (7, None)


async def test_marks_are_of_the_cap_where_a_plan_includes_nothing(
    client: Client, pool: Pool, services: Services, tenant: Tenant
) -> None:
    told = (await used(client, tenant)).json()
    assert (told["plan"], told["limit_minutes"], told["marks"], told["used_share"]) == (None, None, [], None)
    await on_plan(pool, tenant, "metered")
    await pool.execute("update organizations set minutes_cap = 10 where id = $1", UUID(tenant.organization_id))
    await book(pool, tenant, "call-1", at=NOW - timedelta(days=3), seconds=480)
    await pool.execute(
        "insert into usage_alerts (organization_id, period_start, threshold_percent, used_seconds, limit_seconds)"
        " values ($1, $2, 80, 480, 600)",
        UUID(tenant.organization_id),
        MONTH,
    )
    await forget(services, tenant)
    told = (await used(client, tenant)).json()
    assert (told["limit_minutes"], told["included_minutes"], told["overage_seconds"]) == (10, 0, 480)
    near, full = told["marks"]
    assert (near["reached"], near["told_at"] is not None, near["expected_at"]) == (True, True, None)
    assert (full["reached"], full["told_at"]) == (False, None)


async def test_a_plan_that_is_offered_no_more_is_still_ones_own(client: Client, pool: Pool, tenant: Tenant) -> None:
    await on_plan(pool, tenant, "scale")
    await pool.execute("update plans set is_active = false where id in ('scale', 'growth')")
    offered = (await client.get(f"{tenant.path}/plans", headers=tenant.credential)).json()["plans"]
    assert [each["plan_id"] for each in offered] == ["metered", "starter"]
    assert (await used(client, tenant)).json()["plan"]["plan_id"] == "scale"


async def test_usage_is_read_once_a_minute_and_told_once(client: Client, pool: Pool, tenant: Tenant) -> None:
    await book(pool, tenant, "call-1", at=NOW - timedelta(days=3), seconds=60)
    first = await used(client, tenant)
    assert 'used;desc="postgres"' in first.headers["server-timing"]
    await book(pool, tenant, "call-2", at=NOW - timedelta(days=3), seconds=60)
    again = await client.get(
        f"{tenant.path}/usage", headers={**tenant.credential, "If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304
    assert 'used;desc="redis"' in again.headers["server-timing"]
    key = cache_keys.usage(tenant.organization_id, MONTH.date())
    assert (key.text, key.seconds) == (f"org:{tenant.organization_id}:usage:{MONTH.date()}", 60)


async def test_past_periods_are_listed_the_newest_first(client: Client, pool: Pool, tenant: Tenant) -> None:
    before = (MONTH - timedelta(days=1)).replace(day=1)
    await book(pool, tenant, "old", at=before + timedelta(days=3), seconds=90)
    await book(pool, tenant, "new", at=NOW, seconds=30)
    got = await client.get(
        f"{tenant.path}/usage/periods", params={"from": before.date().isoformat()}, headers=tenant.credential
    )
    periods = got.json()["periods"]
    assert [(each["used_seconds"], each["used_minutes"]) for each in periods] == [(30, 0.5), (90, 1.5)]
    assert datetime.fromisoformat(periods[0]["period_start"]) == MONTH
    default = await client.get(f"{tenant.path}/usage/periods", headers=tenant.credential)
    assert len(default.json()["periods"]) == 13


@pytest.mark.parametrize(
    ("place", "params"),
    [
        ("usage", {"date": (NOW + timedelta(days=1)).date().isoformat()}),
        ("usage", {"date": "1999-12-31"}),
        ("usage/periods", {"from": NOW.date().isoformat(), "to": date(2001, 1, 1).isoformat()}),
        ("usage/periods", {"from": "2001-01-01"}),
    ],
)
async def test_a_range_that_cannot_be_is_named(
    client: Client, tenant: Tenant, place: str, params: dict[str, str]
) -> None:
    got = await client.get(f"{tenant.path}/{place}", params=params, headers=tenant.credential)
    assert_problem(got, 422, "invalid-parameter")


async def test_who_may_read_it(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant, stranger: Tenant
) -> None:
    await book(pool, tenant, "call-1", at=NOW, seconds=60)
    for role, status in (("viewer", 403), ("supervisor", 200)):
        person = await add_member(pool, issuer, tenant, role)
        got = await client.get(f"{tenant.path}/usage", headers=person.credential)
        assert got.status_code == status, role
    narrow = bearer(await add_key(pool, tenant, "calls:read"))
    assert_problem(await client.get(f"{tenant.path}/usage", headers=narrow), 403, "forbidden")
    assert_problem(await client.get(f"{tenant.path}/usage", headers=stranger.credential), 404, "not-found")
    assert (await used(client, stranger)).json()["used_seconds"] == 0


async def test_a_new_installation_offers_industries_templates_and_plans(client: Client, tenant: Tenant) -> None:
    industries = (await client.get(f"{tenant.path}/industries", headers=tenant.credential)).json()["industries"]
    assert industries[0] == {"slug": "general", "name": "Any business"}
    templates = (await client.get(f"{tenant.path}/templates", headers=tenant.credential)).json()["templates"]
    assert {each["industry_slug"] for each in templates} == {each["slug"] for each in industries}
    assert any(each["is_featured"] for each in templates)
    assert (await client.get(f"{tenant.path}/plans", headers=tenant.credential)).json()["plans"][0][
        "plan_id"
    ] == "metered"
    for template in templates:
        values = {each["name"]: "Something" for each in template["variables"] if each["default"] is None}
        made = await client.post(
            f"{tenant.path}/assistants",
            json={"name": template["name"], "template_id": template["id"], "variables": values},
            headers=tenant.credential,
        )
        assert made.status_code == 201, made.text
        assert "{{" not in made.text
