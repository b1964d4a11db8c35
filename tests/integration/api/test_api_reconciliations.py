"""What an operator sees of reconciliation: how far it is, and what it brought in, of one organization."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from serve.list_cursor import ListCursor
from storage.postgres import Pool
from storage.reconciliation import ReconciliationStore
from storage.refusals import Refusals
from storage.times import milliseconds
from tests.integration.api.conftest import Tenant
from tests.integration.api.stored_calls import NOW, store_event
from tests.integration.api.test_api_access import assert_problem

Client = httpx.AsyncClient


async def repaired(pool: Pool, tenant: Tenant, place: int, *, at: datetime, kind: str = "missed-report") -> None:
    await store_event(
        pool,
        tenant.organization_id,
        provider="internal",
        event_key=f"end-of-call-report:{place}",
        type="end-of-call-report",
        call_id=f"call-{place}",
        facts={"status": "ended", "details": {"repair": kind}},
        occurred_at=at - timedelta(minutes=5),
        received_at=at,
    )


async def told(client: Client, tenant: Tenant, **query: Any) -> dict[str, Any]:
    got = await client.get(f"{tenant.path}/reconciliations", params=query, headers=tenant.credential)
    assert got.status_code == 200, got.text
    return got.json()


async def test_how_far_it_is_and_why_it_fails(client: Client, pool: Pool, tenant: Tenant, stranger: Tenant) -> None:
    assert (await told(client, tenant))["state"] is None
    store, at = ReconciliationStore(pool), milliseconds(NOW)
    await store.note_reconciled(tenant.organization_id, until=at - 60_000, repairs=3, at=at)
    state = (await told(client, tenant))["state"]
    assert (state["repairs"], state["error"], state["failing_since"]) == (3, None, None)
    assert state["attempted_at"] > state["reconciled_to"]
    await store.note_failed(tenant.organization_id, since=0, repairs=1, at=at + 1_000, reason="RefusedError: 401")
    state = (await told(client, tenant))["state"]
    assert (state["repairs"], state["error"]) == (4, "RefusedError: 401")
    assert state["failing_since"] == state["attempted_at"]
    assert (await told(client, stranger))["state"] is None


async def test_what_was_received_and_what_had_to_be_fetched(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    assert (await told(client, tenant))["last_day"]["last_received_at"] is None
    await store_event(
        pool, tenant.organization_id, event_key="one", deliveries=3, received_at=NOW - timedelta(minutes=2)
    )
    await store_event(pool, tenant.organization_id, event_key="two", received_at=NOW - timedelta(minutes=1))
    await store_event(pool, stranger.organization_id, event_key="three")
    refusals = Refusals(pool)
    for who, ago, times in ((tenant, 180, 2), (tenant, 240, 1), (stranger, 1, 3), (tenant, 2 * 24 * 3600, 4)):
        for _ in range(times):
            refusals.count(who.organization_id, at=milliseconds(NOW) - ago * 1000)
        await refusals.write()
    # One of hours ago, in a row of its own.
    for _ in range(2):
        refusals.count(tenant.organization_id, at=milliseconds(NOW) - 7_200_000)
    await refusals.close()
    await store_event(pool, tenant.organization_id, event_key="old", received_at=NOW - timedelta(days=2))
    await store_event(pool, tenant.organization_id, event_key="configured", provider="internal")
    await repaired(pool, tenant, 1, at=NOW)
    await repaired(pool, tenant, 2, at=NOW - timedelta(days=2), kind="missed-call")
    await repaired(pool, tenant, 3, at=NOW - timedelta(days=8))
    await repaired(pool, stranger, 4, at=NOW)
    shown = await told(client, tenant)
    assert datetime.fromisoformat(shown["last_day"].pop("last_received_at")) == NOW - timedelta(minutes=1)
    assert datetime.fromisoformat(shown["last_day"].pop("last_refused_at")) == NOW - timedelta(minutes=3)
    assert shown["last_day"] == {"received": 4, "duplicates": 2, "refused": 5, "repaired": 1}
    assert shown["by_kind"] == {"missed-call": 1, "missed-report": 1}
    assert [(each["call_id"], each["repair"]) for each in shown["repairs"]] == [
        ("call-1", "missed-report"),
        ("call-2", "missed-call"),
    ]
    assert shown["repairs"][0]["received_at"] > shown["repairs"][0]["occurred_at"]
    since, until = NOW - timedelta(days=9), NOW - timedelta(days=7)
    shown = await told(client, tenant, **{"from": since.isoformat(), "to": until.isoformat()})
    assert [each["call_id"] for each in shown["repairs"]] == ["call-3"]
    assert shown["by_kind"] == {"missed-report": 1}


async def test_pages_hold_every_repair_once(client: Client, pool: Pool, tenant: Tenant, stranger: Tenant) -> None:
    for place in range(7):
        for who in (tenant, stranger):
            # Pairs share a moment, so that pages end inside a tie.
            await repaired(pool, who, place, at=NOW - timedelta(minutes=place // 2))
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await told(client, tenant, limit=2, **cursor)
        seen += [each["call_id"] for each in page["repairs"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == ["call-1", "call-0", "call-3", "call-2", "call-5", "call-4", "call-6"]
    got = await client.get(
        f"{stranger.path}/reconciliations",
        params={"cursor": (await told(client, tenant, limit=2))["next_cursor"]},
        headers=stranger.credential,
    )
    assert_problem(got, 400, "malformed-request")


async def test_a_range_is_bounded(client: Client, tenant: Tenant) -> None:
    query = {"from": (NOW - timedelta(days=94)).isoformat(), "to": NOW.isoformat()}
    got = await client.get(f"{tenant.path}/reconciliations", params=query, headers=tenant.credential)
    assert_problem(got, 422, "invalid-parameter")


@pytest.mark.parametrize("noun", ["reconciliations", "audit-log"])
async def test_a_cursor_beyond_every_number_is_refused(client: Client, tenant: Tenant, noun: str) -> None:
    owner = (tenant.organization_id, noun, *([None] * (3 if noun == "audit-log" else 2)))
    forged = ListCursor(created_at=NOW, row_id=UUID(int=2**63)).encode(*owner)
    got = await client.get(f"{tenant.path}/{noun}", params={"cursor": forged}, headers=tenant.credential)
    assert_problem(got, 400, "malformed-request")
