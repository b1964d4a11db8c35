"""Finding calls: filters, words of the transcript, files."""

import asyncio
import csv
import io
import tracemalloc
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from serve.call_export import call_chunks
from serve.services import Services
from storage.call_filter import CallFilter, Position
from storage.postgres import Pool
from storage.principals import Principal
from tests.integration.api.conftest import Tenant
from tests.integration.api.stored_calls import NOW, store_artifacts, store_call

Client = httpx.AsyncClient


async def get(client: Client, tenant: Tenant, path: str, **query: Any) -> httpx.Response:
    return await client.get(tenant.path + path, params=query, headers=tenant.credential)


async def listed(client: Client, tenant: Tenant, **query: Any) -> list[str]:
    got = await get(client, tenant, "/calls", **query)
    assert got.status_code == 200, got.text
    return [call["call_id"] for call in got.json()["calls"]]


async def say(pool: Pool, tenant: Tenant, call_id: str, text: str, *, minutes: int = 1, **told: Any) -> None:
    created_at = NOW - timedelta(minutes=minutes)
    row_id = await store_call(pool, tenant.organization_id, call_id, created_at=created_at, **told)
    await pool.execute(
        "insert into call_transcripts (call_id, call_created_at, organization_id, transcript_text, messages, analysis)"
        " values ($1, $2, $3, $4, '[]', '{}')",
        row_id,
        created_at,
        UUID(tenant.organization_id),
        text,
    )


async def test_every_filter_narrows(client: Client, pool: Pool, tenant: Tenant) -> None:
    await store_call(
        pool,
        tenant.organization_id,
        "all",
        from_number="+15550100",
        to_number="+15550199",
        ended_class="transport",
        ended_reason="customer-busy",
        fault_owner="carrier",
        duration_ms=61_500,
        campaign_id="spring",
    )
    created_at = NOW - timedelta(minutes=1)
    row_id = await store_call(pool, tenant.organization_id, "recorded", created_at=created_at, duration_ms=5_000)
    await store_artifacts(pool, tenant.organization_id, row_id, created_at, path="x", recording=b"x", sha256=bytes(32))
    await pool.execute(
        "insert into incidents (organization_id, incident_id, slot, rule, metric, severity, threshold, call_id,"
        " evidence, opened_at) values ($1, $2, 0, 'r', 'm', 'warning', 1, 'recorded', '{}', now())",
        UUID(tenant.organization_id),
        uuid4(),
    )
    for query in (
        {"number": "+15550100"},
        {"number": "+15550199"},
        {"ended_class": "transport"},
        {"ended_reason": "customer-busy"},
        {"fault_owner": "carrier"},
        {"min_duration_seconds": 61.5},
        {"campaign_id": "spring"},
        {"has_recording": False},
        {"has_incident": False},
    ):
        assert await listed(client, tenant, **query) == ["all"], query
    for query in ({"max_duration_seconds": 61.4}, {"has_recording": True}, {"has_incident": True}):
        assert await listed(client, tenant, **query) == ["recorded"], query
    refused = await get(client, tenant, "/calls", min_duration_seconds=2, max_duration_seconds=1)
    assert (refused.status_code, refused.json()["errors"][0]["at"]) == (422, "query.min_duration_seconds")


async def test_words_are_found_and_shown_without_markup(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant
) -> None:
    await say(pool, tenant, "refund", "AI: Hello\nUser: I want a <b>refund</b> for my invoice\x02\x03", minutes=2)
    await say(pool, tenant, "other", "User: nothing of the kind", minutes=1)
    await say(pool, stranger, "theirs", "User: refund", minutes=1)
    found = (await get(client, tenant, "/calls", search="refund")).json()
    assert [call["call_id"] for call in found["calls"]] == ["refund"]
    (fragment,) = found["highlights"]["refund"]
    assert [part["text"] for part in fragment if part["match"]] == ["refund"]
    assert "".join(part["text"] for part in fragment).endswith("for my invoice")
    assert await listed(client, tenant, search='"refund want"') == []
    assert await listed(client, tenant, search="refund -invoice") == []
    assert await listed(client, tenant, search="kind or invoice") == ["other", "refund"]
    assert await listed(client, tenant, search=tenant.organization_id) == []
    assert (await get(client, tenant, "/calls")).json()["highlights"] is None


async def test_a_narrowed_search_finds_all_over_its_pages(client: Client, pool: Pool, tenant: Tenant) -> None:
    for each in range(12):
        await say(pool, tenant, f"{each}", "User: refund", minutes=each, status="ended" if each % 3 else "ringing")
    seen: list[str] = []
    query: dict[str, Any] = {"search": "refund", "status": "ringing", "limit": 2}
    while True:
        told = (await get(client, tenant, "/calls", **query)).json()
        seen += [call["call_id"] for call in told["calls"]]
        if told["next_cursor"] is None:
            break
        query["cursor"] = told["next_cursor"]
    assert seen == ["0", "3", "6", "9"]
    other = await get(client, tenant, "/calls", **{**query, "search": "other"}) if "cursor" in query else None
    assert other is not None
    assert other.status_code == 400


HOSTILE = ("=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", 'say "hi", ok\nnext')


async def test_a_csv_has_a_row_for_each_call_and_runs_nothing(client: Client, pool: Pool, tenant: Tenant) -> None:
    for place, name in enumerate(HOSTILE):
        await store_call(
            pool,
            tenant.organization_id,
            f"call-{place}",
            created_at=NOW - timedelta(minutes=place),
            customer_name=name,
            from_number="+15550100",
            duration_ms=1_500,
        )
    got = await get(client, tenant, "/calls/export", format="csv")
    assert got.status_code == 200, got.text
    assert got.headers["content-type"].startswith("text/csv")
    assert got.headers["content-disposition"].startswith('attachment; filename="calls-')
    rows = list(csv.DictReader(io.StringIO(got.text, newline="")))
    assert [row["call_id"] for row in rows] == [f"call-{place}" for place in range(len(HOSTILE))]
    assert [row["customer_name"] for row in rows] == [f"'{name}" for name in HOSTILE[:5]] + [HOSTILE[5]]
    assert (rows[0]["from_number"], rows[0]["duration_seconds"], rows[0]["ended_at"]) == ("+15550100", "1.5", "")
    assert rows[0]["created_at"].endswith("Z")


async def test_a_file_obeys_the_filters_and_has_what_the_list_has(client: Client, pool: Pool, tenant: Tenant) -> None:
    await say(pool, tenant, "a", "User: refund", minutes=1, status="ended")
    await say(pool, tenant, "b", "User: refund", minutes=2)
    await store_call(pool, tenant.organization_id, "c", status="ended")
    got = await get(client, tenant, "/calls/export", format="ndjson", status="ended", search="refund")
    (line,) = got.text.splitlines()
    told = orjson.loads(line)
    (shown,) = (await get(client, tenant, "/calls", status="ended", search="refund")).json()["calls"]
    assert told == {name: shown[name] for name in told}
    assert (await get(client, tenant, "/calls/export", search="nothing", format="ndjson")).text == ""
    assert len((await get(client, tenant, "/calls/export", search="nothing")).text.splitlines()) == 1
    assert (await get(client, tenant, "/calls/export", format="xml")).status_code == 422


async def test_a_large_file_is_made_in_bounded_memory(services: Services, pool: Pool, tenant: Tenant) -> None:
    await pool.execute(
        "insert into calls (id, created_at, organization_id, provider_call_id, status, last_event_at, last_event_kind,"
        " version) select gen_random_uuid(), $2::timestamptz - n * interval '1 second', $1, 'call-' || n, 'ended',"
        " now(), 'x', 1 from generate_series(1, 10000) as n",
        UUID(tenant.organization_id),
        NOW,
    )
    caller = Principal(organization_id=tenant.organization_id, subject="key:test", scopes=frozenset())
    lines = size = 0
    start = Position(created_at=NOW, row_id=UUID(int=0))
    async with services.reading(caller) as reads:
        rows = reads.every_call(start, since=NOW - timedelta(days=1), only=CallFilter())
        tracemalloc.start()
        async for chunk in call_chunks(rows, "ndjson"):
            lines += chunk.count(b"\n")
            size += len(chunk)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert lines == 10_000
    assert most < size


async def test_exports_under_way_are_bounded_and_leave_nothing_open(
    client: Client, services: Services, pool: Pool, tenant: Tenant
) -> None:
    await store_call(pool, tenant.organization_id, "one")
    async with services.exports, services.exports:
        refused = await get(client, tenant, "/calls/export")
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
    answers = await asyncio.gather(*(get(client, tenant, "/calls/export") for _ in range(6)))
    assert {each.status_code for each in answers} <= {200, 503}
    assert (await get(client, tenant, "/calls/export")).status_code == 200
    assert not services.exports.locked()


@pytest.mark.parametrize("path", ["/calls/export"])
async def test_a_file_is_of_ones_own_organization(
    client: Client, pool: Pool, tenant: Tenant, stranger: Tenant, path: str
) -> None:
    await store_call(pool, tenant.organization_id, "ours")
    assert len((await get(client, stranger, path, format="ndjson")).text) == 0
    assert (await client.get(tenant.path + path, headers=stranger.credential)).status_code == 404
