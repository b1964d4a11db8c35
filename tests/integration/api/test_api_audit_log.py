"""The audit log over REST: pages by its own count, and days."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx

from storage.postgres import Pool
from tests.integration.api.conftest import Tenant
from tests.integration.api.test_api_access import assert_problem
from tests.integration.api.test_api_resources import HOOK, audited, created

Client = httpx.AsyncClient


async def test_the_audit_log_is_paged_by_its_own_count(client: Client, tenant: Tenant, stranger: Tenant) -> None:
    for _ in range(3):
        await created(client, tenant, "integrations", HOOK)
    first = await client.get(f"{tenant.path}/audit-log", params={"limit": "2"}, headers=tenant.credential)
    second = await client.get(
        f"{tenant.path}/audit-log",
        params={"limit": "2", "cursor": first.json()["next_cursor"]},
        headers=tenant.credential,
    )
    ids = [each["id"] for got in (first, second) for each in got.json()["entries"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 3
    assert await audited(client, stranger) == []


async def test_the_audit_log_is_read_by_its_dates(client: Client, pool: Pool, tenant: Tenant) -> None:
    now = datetime.now(UTC)
    for age in range(4):
        await pool.execute(
            "insert into audit_log (organization_id, at, actor, action, target, reason, result)"
            " values ($1, $2, 'key:x', $3, 'x', '', '')",
            UUID(tenant.organization_id),
            now - timedelta(days=3 - age),
            f"of-{3 - age}-days-ago",
        )
    dates = {"from": (now - timedelta(days=2)).isoformat(), "to": now.isoformat()}
    told = [each["action"] for each in await audited(client, tenant, **dates)]
    assert told == ["of-1-days-ago", "of-2-days-ago"]
    first = await client.get(f"{tenant.path}/audit-log", params={**dates, "limit": "1"}, headers=tenant.credential)
    cursor = {"cursor": first.json()["next_cursor"]}
    assert [each["action"] for each in await audited(client, tenant, **dates, **cursor)] == told[1:]
    without_dates = await client.get(f"{tenant.path}/audit-log", params=cursor, headers=tenant.credential)
    assert_problem(without_dates, 400, "malformed-request")
