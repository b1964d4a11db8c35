"""Calls of an archived month read as those in Postgres do, by their own organization alone."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
import pytest_asyncio

from actors.domain.call import Call, CallFields, CallStatus
from actors.ports import Batch, Lease
from actors.slots import SLOTS, slot_of
from serve.services import Services
from storage import archive as archive_module
from storage import archive_reader, archive_search, cache_keys
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


@pytest.fixture
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups and portions of which a month has several."""
    monkeypatch.setattr(archive_module, "GROUP_ROWS", 5)
    monkeypatch.setattr(archive_reader, "_EXPORTED_AT_ONCE", 3)
    monkeypatch.setattr(archive_search, "_ROWS_AT_ONCE", 3)


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


async def test_usage_of_an_archived_month_is_told_by_assistant_and_number_as_before(  # noqa: PLR0917  # fixtures
    client: Client, pool: Pool, services: Services, tenant: Tenant, stranger: Tenant, past: PastMonth
) -> None:
    await pool.execute("update organizations set time_zone = 'UTC'")
    for who in (tenant, stranger):
        add, to_us = partial(past.add_call, who.organization_id), "+15550300001"
        await add("1", assistant_id="desk", assistant_name="Desk", to_number=to_us, from_number="+1")
        await add("2", hour=30, assistant_id="desk", assistant_name="Front desk", to_number=to_us)
        await add("3", direction="outbound", assistant_name="Of this call", from_number="+15550300002", to_number="+1")
        await add("4")
    await pool.execute(
        """insert into usage_ledger
               (organization_id, call_id, entry, seconds, amount_micros, currency, reason, charged_at)
           select organization_id, provider_call_id, 1, 7 * provider_call_id::integer, 1, 'usd', 'call', created_at
           from calls"""
    )

    async def shares() -> dict[str, Any]:
        await services.cache.invalidate(cache_keys.usage(tenant.organization_id, START.date()))
        told = await answer(client, tenant, "/usage/shares", date=START.date().isoformat())
        return {name: value for name, value in told.items() if name != "as_of"}

    before = await shares()
    names = [(each["assistant_id"], each["assistant_name"], each["seconds"]) for each in before["by_assistant"]]
    assert names == [(None, None, 28), ("desk", "Front desk", 21), (None, "Of this call", 21)]
    seen: list[dict[str, Any]] = []

    loop = asyncio.get_running_loop()

    def look(*_: object) -> None:
        seen.append(asyncio.run_coroutine_threadsafe(shares(), loop).result(20))

    # In a thread, which waits at each step until the shares were looked at.
    await asyncio.to_thread(asyncio.run, past.archive(look))
    assert len(seen) > 10
    assert all(each == before for each in (*seen, await shares())), "at no step is anybody's usage nobody's"

    # What a release kept that knew of no sources.
    await pool.execute("update call_keys set source_id = null where provider_call_id = '1'")
    after = await shares()
    assert (after["archived_calls"], after["by_assistant"][0]["seconds"]) == (1, 35)


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


async def say(past: PastMonth, tenant: Tenant, call_id: str, text: str, *, hour: int, **told: Any) -> None:
    row_id = await past.add_call(tenant.organization_id, call_id, hour=hour, **told)
    await past.pool.execute("update call_transcripts set transcript_text = $2 where call_id = $1", row_id, text)


async def searched(client: Client, tenant: Tenant, words: str, **query: Any) -> tuple[list[dict[str, Any]], Any]:
    """Calls and highlights over all pages."""
    calls: list[dict[str, Any]] = []
    highlights: dict[str, Any] = {}
    cursor: dict[str, Any] = {}
    while True:
        told = await answer(client, tenant, "/calls", **month(search=words, **query), **cursor)
        calls += told["calls"]
        highlights |= told["highlights"]
        if told["next_cursor"] is None:
            return calls, highlights
        cursor = {"cursor": told["next_cursor"]}


SEARCHES = (
    "refund",
    "REFUND please",
    '"please refund"',
    "refund -please",
    "-refund",
    "refund or Käse",
    "KÄSE",
    "no-such-word",
    "!",
    "x.example.com",
)


@pytest.mark.usefixtures("small_portions")
async def test_words_of_an_archived_month_are_found_as_before(
    client: Client, tenant: Tenant, stranger: Tenant, past: PastMonth
) -> None:
    texts = (
        "AI: Hello\nUser: a refund, please",
        "please refund it",
        "Das ist KÄSE <b>",
        "see http://x.example.com/refund for a refund",
        "nothing",
    )
    for place in range(20):
        for who in (tenant, stranger):
            direction = "web" if place % 3 else "inbound"
            await say(past, who, f"{place}", texts[place % 5], hour=place // 2, direction=direction)
    asked: list[dict[str, Any]] = [{"words": words, "limit": limit} for words in SEARCHES for limit in (3, 50)]
    asked += [{"words": "refund", "limit": 2, "direction": "web"}]
    before = [await searched(client, tenant, **each) for each in asked]
    assert [len(calls) for calls, _ in before[::2]] == [12, 8, 4, 4, 8, 16, 4, 0, 20, 4, 7]
    await past.archive()
    for each, (calls, highlights) in zip(asked, before, strict=True):
        told = await searched(client, tenant, **each)
        assert told == ([{**call, "archived": True} for call in calls], highlights), each


async def test_a_search_looks_through_a_bounded_part_of_the_archive_at_a_time(
    client: Client, tenant: Tenant, past: PastMonth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_search, "_ROWS_AT_ONCE", 1)
    monkeypatch.setattr(archive_reader, "LOOKED_THROUGH", 100)
    for place in range(8):
        await say(past, tenant, f"{place}", "needle" if place == 0 else "hay" * 20, hour=place)
    await past.archive()
    first = await answer(client, tenant, "/calls", **month(search="needle"))
    assert first["calls"] == []
    assert first["next_cursor"] is not None
    calls, _ = await searched(client, tenant, "needle")
    assert [call["call_id"] for call in calls] == ["0"]


async def test_what_was_said_anew_of_an_archived_call_counts_in_a_search(
    client: Client, tenant: Tenant, past: PastMonth
) -> None:
    await say(past, tenant, "call-1", "first words", hour=1)
    await say(past, tenant, "call-2", "first words", hour=2)
    await past.archive()
    await past.pool.execute("delete from call_keys where provider_call_id = 'call-1'")
    await say(past, tenant, "call-1", "other words", hour=1)
    for _ in range(2):
        assert [call["call_id"] for call in (await searched(client, tenant, "first"))[0]] == ["call-2"]
        assert [call["call_id"] for call in (await searched(client, tenant, "words", limit=1))[0]] == [
            "call-2",
            "call-1",
        ]
        await past.archive()


@pytest.mark.usefixtures("small_portions")
@pytest.mark.parametrize("kind", ["csv", "ndjson"])
async def test_a_file_of_an_archived_month_is_that_of_before(
    client: Client, tenant: Tenant, stranger: Tenant, past: PastMonth, kind: str
) -> None:
    for place in range(17):
        for who in (tenant, stranger):
            direction = "web" if place % 3 else "inbound"
            await say(past, who, f"{place}", "yes" if place % 2 else "no", hour=place // 2, direction=direction)
    asked: Sequence[dict[str, str]] = (
        {},
        {"direction": "web"},
        {"search": "yes"},
        {"search": "yes", "direction": "inbound"},
    )

    async def files() -> list[list[str]]:
        told: list[list[str]] = []
        for each in asked:
            path, query = f"{tenant.path}/calls/export", month(format=kind, **each)
            got = await client.get(path, params=query, headers=tenant.credential)
            assert got.status_code == 200, got.text
            told.append(got.text.splitlines())
        return told

    before = await files()
    assert [len(lines) - (kind == "csv") for lines in before] == [17, 11, 8, 3]
    await past.archive()
    # One that came late is in Postgres, and among the others in its place.
    await past.pool.execute("delete from call_keys where provider_call_id = '3'")
    await say(past, tenant, "3", "yes", hour=1, direction="inbound")
    after = await files()
    stored, kept = ("False", "True") if kind == "csv" else ('"archived":false', '"archived":true')
    for lines, archived in zip(before, after, strict=True):
        assert sum(stored in line for line in archived) == sum(_is_call(line, "3", kind) for line in lines)
        assert [line.replace(kept, stored) for line in archived] == lines


def _is_call(line: str, call_id: str, kind: str) -> bool:
    return line.startswith(f"{call_id}," if kind == "csv" else f'{{"call_id":"{call_id}"')


MARKS: Sequence[dict[str, Any]] = (
    {"has_recording": True},
    {"has_recording": False},
    {"has_incident": True},
    {"has_incident": False},
    {"has_recording": True, "has_incident": True, "direction": "web"},
)


async def forget_recording(past: PastMonth, row_id: UUID) -> None:
    await past.pool.execute("delete from call_recordings where call_id = $1", row_id)


async def alarm(past: PastMonth, tenant: Tenant, call_id: str) -> None:
    await past.pool.execute(
        """insert into incidents (organization_id, incident_id, slot, rule, metric, severity, threshold, call_id,
               evidence, opened_at)
           values ($1, gen_random_uuid(), 0, 'long', 'age', 'warning', 1, $2, '{}', now())""",
        UUID(tenant.organization_id),
        call_id,
    )


async def listed(client: Client, tenant: Tenant, **query: Any) -> list[str]:
    """Ids of calls over all pages."""
    calls: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        told = await answer(client, tenant, "/calls", **month(**query), **cursor)
        calls += [each["call_id"] for each in told["calls"]]
        if told["next_cursor"] is None:
            return calls
        cursor = {"cursor": told["next_cursor"]}


async def marked(client: Client, tenant: Tenant) -> list[list[str]]:
    """By pages, by words and as a file, for each of MARKS."""
    told: list[list[str]] = []
    for each in MARKS:
        told += [await listed(client, tenant, limit=limit, **each) for limit in (2, 50)]
        told += [await listed(client, tenant, limit=2, search="hello", **each)]
        query = month(format="ndjson", **each)
        got = await client.get(f"{tenant.path}/calls/export", params=query, headers=tenant.credential)
        told += [[orjson.loads(line)["call_id"] for line in got.text.splitlines()]]
    return told


@pytest.mark.usefixtures("small_portions")
async def test_recordings_and_incidents_of_an_archived_month_are_asked_for_as_before(
    client: Client, tenant: Tenant, stranger: Tenant, past: PastMonth
) -> None:
    for place in range(16):
        for who in (tenant, stranger):
            direction = "web" if place % 3 else "inbound"
            row_id = await past.add_call(who.organization_id, f"{place}", hour=place // 2, direction=direction)
            if (place % 2 == 0) is (who is tenant):
                await forget_recording(past, row_id)
            if (place % 5 == 0) is (who is tenant):
                await alarm(past, who, f"{place}")
    before = await marked(client, tenant)
    assert [len(each) for each in before[::4]] == [8, 8, 4, 12, 1]
    await past.archive()
    assert await marked(client, tenant) == before
    assert await past.pool.fetchval("select count(*) from call_recordings") == 0


async def test_what_came_late_to_an_archived_month_counts_where_recordings_are_asked_for(
    client: Client, tenant: Tenant, past: PastMonth
) -> None:
    def sorted_out() -> Awaitable[list[list[str]]]:
        return asyncio.gather(*(listed(client, tenant, has_recording=each) for each in (True, False)))

    ids = [await past.add_call(tenant.organization_id, f"{place}", hour=place) for place in range(4)]
    for place in (2, 3):
        await forget_recording(past, ids[place])
    await past.archive()
    assert await sorted_out() == [["1", "0"], ["3", "2"]]
    # Of the calls 0 and 2 rows come late; of the calls 2 and 3 recordings.
    for place in (0, 2):
        await past.pool.execute("delete from call_keys where id = $1", ids[place])
        await past.add_call(tenant.organization_id, f"{place}", hour=place)
    await forget_recording(past, ids[0])
    assert await sorted_out() == [["2", "1", "0"], ["3"]]
    await past.add_recording(tenant.organization_id, ids[3], hour=3)
    for _ in range(2):
        assert await sorted_out() == [["3", "2", "1", "0"], []]
        await past.archive()


async def test_a_file_of_a_month_whose_archive_is_away_is_refused_whole(
    client: Client, tenant: Tenant, past: PastMonth
) -> None:
    await past.add_call(tenant.organization_id, "call-1")
    await past.archive()
    for file in past.folder.rglob("*.parquet"):
        file.unlink()
    for path, query in (("/calls/export", month()), ("/calls", month(search="hello"))):
        got = await client.get(tenant.path + path, params=query, headers=tenant.credential)
        assert got.status_code == 503
