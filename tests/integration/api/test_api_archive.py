"""Calls of an archived month read as those in Postgres do, by their own organization alone."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from actors.domain.call import Call, CallFields, CallStatus
from actors.ports import Batch, Lease
from actors.slots import SLOTS, slot_of
from storage import archive as archive_module
from storage.journal import PostgresJournal
from storage.ownership import PostgresOwnership
from storage.postgres import Pool
from storage.times import milliseconds
from tests.integration.api.conftest import Tenant
from tests.integration.archive_world import START, PastMonth

Client = httpx.AsyncClient


@pytest_asyncio.fixture
async def past(database_url: str, pool: Pool, tmp_path: Path) -> PastMonth:
    made = PastMonth(database_url=database_url, pool=pool, folder=tmp_path / "recordings")
    await made.open()
    return made


async def answer(client: Client, tenant: Tenant, path: str, **query: Any) -> dict[str, Any]:
    got = await client.get(tenant.path + path, params=query, headers=tenant.credential)
    assert got.status_code == 200, got.text
    return got.json()


def month(**query: Any) -> dict[str, Any]:
    return {"from": START.isoformat(), "to": (START + timedelta(days=31)).isoformat(), **query}


async def test_an_archived_call_shows_what_it_showed_before(
    client: Client, tenant: Tenant, stranger: Tenant, past: PastMonth
) -> None:
    for who in (tenant, stranger):
        await past.add_call(who.organization_id, "call-1", summary="hello", duration_ms=1_500, cost_micros=2)
    before = await answer(client, tenant, "/calls/call-1")
    assert before["archived"] is False
    await past.archive()
    after = await answer(client, tenant, "/calls/call-1")
    assert after == {**before, "archived": True}
    assert len(after["actions"]) == 2
    assert after["messages"]


async def test_pages_of_an_archived_month_are_those_of_before(
    client: Client, tenant: Tenant, stranger: Tenant, past: PastMonth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "GROUP_ROWS", 5)
    for place in range(30):
        for who in (tenant, stranger):
            # Pairs share a moment, so that pages end inside a tie.
            await past.add_call(
                who.organization_id, f"{place}", hour=place // 2, direction="web" if place % 3 else "inbound"
            )

    async def pages(**query: Any) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []
        cursor: dict[str, Any] = {}
        while True:
            told = await answer(client, tenant, "/calls", **month(limit=7, **query), **cursor)
            seen += told["calls"]
            if told["next_cursor"] is None:
                return seen
            cursor = {"cursor": told["next_cursor"]}

    before, web = await pages(), await pages(direction="web")
    await past.archive()
    assert await pages() == [{**call, "archived": True} for call in before]
    assert await pages(direction="web") == [{**call, "archived": True} for call in web]
    assert len(before) == 30
    assert await past.pool.fetchval("select count(*) from calls") == 0


async def test_another_organizations_rows_never_leave_the_archive(
    client: Client, tenant: Tenant, stranger: Tenant, past: PastMonth
) -> None:
    await past.add_call(stranger.organization_id, "theirs", assistant_id="shared")
    await past.add_call(tenant.organization_id, "ours", hour=1, assistant_id="shared")
    await past.archive()
    for query in ({}, {"assistant_id": "shared"}, {"status": "ended"}):
        told = await answer(client, tenant, "/calls", **month(**query))
        assert [call["call_id"] for call in told["calls"]] == ["ours"]
    for path in ("/calls/theirs", "/calls/theirs/recording"):
        assert (await client.get(tenant.path + path, headers=tenant.credential)).status_code == 404
    first = await answer(client, stranger, "/calls", **month(limit=1))
    assert [call["call_id"] for call in first["calls"]] == ["theirs"]
    refused = await client.get(f"{stranger.path}/calls", params=month(), headers=tenant.credential)
    assert refused.status_code in {403, 404}


async def test_a_recording_of_an_archived_call_still_plays(client: Client, tenant: Tenant, past: PastMonth) -> None:
    await past.add_call(tenant.organization_id, "call-1")
    recording = past.folder / tenant.organization_id / "call-1.wav"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(b"sound")
    await past.archive()
    got = await client.get(f"{tenant.path}/calls/call-1/recording", headers=tenant.credential)
    assert (got.status_code, got.content) == (200, b"sound")


async def test_a_late_report_of_an_archived_call_is_kept_shown_and_archived(
    client: Client, tenant: Tenant, past: PastMonth
) -> None:
    await past.add_call(tenant.organization_id, "call-1", summary="before")
    await past.add_call(tenant.organization_id, "call-2", hour=1)
    await past.archive()
    (lease,) = [
        each
        for each in await PostgresOwnership(past.pool).claim("shard-0", held=(), share=SLOTS, lease_seconds=60)
        if each.slot == slot_of(tenant.organization_id)
    ]
    await committed_late(past, tenant, lease)
    for _ in range(2):
        told = await answer(client, tenant, "/calls/call-1")
        assert (told["summary"], told["transcript"]) == ("told late", "AI: Hello\nUser: Hi")
        listed = (await answer(client, tenant, "/calls", **month()))["calls"]
        assert [call["call_id"] for call in listed] == ["call-2", "call-1"]
        assert {call["call_id"]: call["version"] for call in listed} == {"call-1": 9, "call-2": 1}
        await past.archive()
    assert await past.pool.fetchval("select max(part) from archive_parts") == 2


async def committed_late(past: PastMonth, tenant: Tenant, lease: Lease) -> None:
    """What the owner writes when a report comes in for the call."""
    at = milliseconds(START)
    call = Call(
        call_id="call-1",
        created_at=at,
        last_event_at=at,
        last_event_kind="end-of-call-report",
        status=CallStatus.ENDED,
        fields=CallFields(summary="told late"),
        version=9,
    )
    batch = Batch(
        organization_id=tenant.organization_id, lease=lease, owner="shard-0", marks=(), calls=(call,), effects=(), at=at
    )
    await PostgresJournal(past.pool).commit(batch)


async def test_the_object_store_away_is_told_and_other_months_answer(
    client: Client, tenant: Tenant, past: PastMonth
) -> None:
    await past.add_call(tenant.organization_id, "call-1")
    await past.archive()
    for file in past.folder.rglob("*.parquet"):
        file.unlink()
    assert (await client.get(f"{tenant.path}/calls/call-1", headers=tenant.credential)).status_code == 503
    assert (await answer(client, tenant, "/calls"))["calls"] == []
