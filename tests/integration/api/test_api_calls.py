import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from storage.postgres import Pool
from tests.integration.api.conftest import BASE_URL, Tenant
from tests.integration.api.stored_calls import NOW, store_artifacts, store_call, store_event

Client = httpx.AsyncClient


async def answer(client: Client, tenant: Tenant, path: str, **query: Any) -> dict[str, Any]:
    got = await client.get(tenant.path + path, params=query, headers=tenant.credential)
    assert got.status_code == 200, got.text
    return got.json()


async def test_active_calls_are_those_not_ended_newest_first(client: Client, pool: Pool, tenant: Tenant) -> None:
    for minutes, status in ((3, "in-progress"), (2, "ended"), (1, "ringing"), (4, "queued")):
        await store_call(
            pool, tenant.organization_id, status, status=status, created_at=NOW - timedelta(minutes=minutes)
        )
    told = await answer(client, tenant, "/calls/active")
    assert [call["call_id"] for call in told["calls"]] == ["ringing", "in-progress", "queued"]
    assert told["total"] == 3

    first = await answer(client, tenant, "/calls/active", limit=1)
    assert [call["call_id"] for call in first["calls"]] == ["ringing"]
    assert first["total"] == 3


async def test_an_organization_without_calls_has_empty_lists(client: Client, tenant: Tenant) -> None:
    assert await answer(client, tenant, "/calls/active") == {"calls": [], "total": 0}
    told = await answer(client, tenant, "/calls")
    assert (told["calls"], told["next_cursor"]) == ([], None)


async def test_pages_have_no_hole_and_no_repeat_while_calls_come_in(client: Client, pool: Pool, tenant: Tenant) -> None:
    # Seven of each ten share one moment, so that pages end inside a tie.
    for each in range(30):
        await store_call(
            pool, tenant.organization_id, f"call-{each}", created_at=NOW - timedelta(minutes=5 + (each % 10 > 6))
        )
    before = {f"call-{each}" for each in range(30)}

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 7}
    while True:
        told = await answer(client, tenant, "/calls", **query)
        seen += [call["call_id"] for call in told["calls"]]
        await store_call(pool, tenant.organization_id, f"late-{len(seen)}", created_at=NOW - timedelta(minutes=1))
        if told["next_cursor"] is None:
            break
        query["cursor"] = told["next_cursor"]
    assert len(seen) == len(set(seen)) == 30
    assert set(seen) == before


async def test_a_cursor_keeps_the_range_it_began_with(client: Client, pool: Pool, tenant: Tenant) -> None:
    for days in (1, 2, 3, 20):
        await store_call(pool, tenant.organization_id, f"{days}", created_at=NOW - timedelta(days=days))
    begun = {"from": (NOW - timedelta(days=10)).isoformat(), "to": (NOW - timedelta(hours=30)).isoformat()}
    first = await answer(client, tenant, "/calls", limit=1, **begun)
    second = await answer(client, tenant, "/calls", cursor=first["next_cursor"])
    assert [call["call_id"] for call in first["calls"] + second["calls"]] == ["2", "3"]
    assert (second["from"], second["to"]) == (first["from"], first["to"])


async def test_the_range_is_seven_days_unless_asked_for(client: Client, pool: Pool, tenant: Tenant) -> None:
    await store_call(pool, tenant.organization_id, "recent", created_at=NOW - timedelta(days=6))
    await store_call(pool, tenant.organization_id, "old", created_at=NOW - timedelta(days=8))
    told = await answer(client, tenant, "/calls")
    assert [call["call_id"] for call in told["calls"]] == ["recent"]
    wider = await answer(client, tenant, "/calls", **{"from": (NOW - timedelta(days=9)).isoformat()})
    assert [call["call_id"] for call in wider["calls"]] == ["recent", "old"]


async def test_filters_narrow_the_list(client: Client, pool: Pool, tenant: Tenant) -> None:
    await store_call(pool, tenant.organization_id, "a", status="ended", assistant_id="x", direction="web")
    await store_call(pool, tenant.organization_id, "b", status="ended", assistant_id="y", direction="web")
    await store_call(pool, tenant.organization_id, "c", status="ringing", assistant_id="x", direction="inbound")

    async def listed(**query: str) -> set[str]:
        return {call["call_id"] for call in (await answer(client, tenant, "/calls", **query))["calls"]}

    assert await listed(status="ended") == {"a", "b"}
    assert await listed(assistant_id="x") == {"a", "c"}
    assert await listed(direction="web", assistant_id="y") == {"b"}


@pytest.mark.parametrize("call_id", ["plain", "a/b", "100%", "%2F", "a?b#c", "ünï/…", "x/recording/y", " "])
async def test_a_call_is_found_by_whatever_id_the_provider_gave(
    client: Client, pool: Pool, tenant: Tenant, call_id: str
) -> None:
    await store_call(pool, tenant.organization_id, call_id)
    got = await client.get(f"{tenant.path}/calls/{quote(call_id, safe='')}", headers=tenant.credential)
    assert got.status_code == 200, got.text
    assert got.json()["call_id"] == call_id


async def stored_with_everything(pool: Pool, tenant: Tenant, tmp_path: Path) -> bytes:
    recording = bytes(range(256)) * 4
    created_at = NOW - timedelta(minutes=3)
    row_id = await store_call(
        pool,
        tenant.organization_id,
        "whole",
        created_at=created_at,
        status="ended",
        ended_reason="customer-ended-call",
        ended_class="completed",
        fault_owner="nobody",
        duration_ms=12_345,
        cost_micros=123_456,
        summary="They said hello.",
        report="received",
    )
    path = f"{tenant.organization_id}/whole.wav"
    target = tmp_path / "recordings" / path
    target.parent.mkdir(parents=True)
    target.write_bytes(recording)
    await store_artifacts(
        pool,
        tenant.organization_id,
        row_id,
        created_at,
        path=path,
        recording=recording,
        sha256=hashlib.sha256(recording).digest(),
    )
    for second, deliveries in ((2, 1), (1, 3)):
        inbox_id = await store_event(
            pool,
            tenant.organization_id,
            event_key=f"status-update:whole:{second}",
            call_id="whole",
            deliveries=deliveries,
            facts={"status": "ended", "details": {"second": second}, "fields": {"summary": "not told twice"}},
            received_at=NOW - timedelta(seconds=second),
        )
        await pool.execute(
            "insert into webhook_bodies (inbox_id, organization_id, received_at, body) values ($1, $2, $3, $4)",
            inbox_id,
            tenant.organization_id,
            NOW,
            '{"raw": "BODY"}',
        )
    return recording


async def test_a_call_shows_everything_known_of_it(client: Client, pool: Pool, tenant: Tenant, tmp_path: Path) -> None:
    recording = await stored_with_everything(pool, tenant, tmp_path)
    told = await answer(client, tenant, "/calls/whole")
    assert told["status"] == "ended"
    assert (told["ended_reason"], told["ended_class"], told["fault_owner"]) == (
        "customer-ended-call",
        "completed",
        "nobody",
    )
    assert (told["duration_seconds"], told["cost_usd"]) == (12.345, 0.123456)
    assert told["transcript"] == "AI: Hello\nUser: Hi"
    assert [said["text"] for said in told["messages"]] == ["Hello", "Hi"]
    assert told["summary"] == "They said hello."
    assert told["analysis"] == {"successEvaluation": "true"}
    assert told["costs"] == [{"type": "vapi", "cost": 0.123456}]
    assert [item["text"] for item in told["actions"]] == ["Call back", "Send the offer"]
    assert told["report"] == "received"
    assert told["recording"] == {
        "url": f"{tenant.path}/calls/whole/recording",
        "bytes": len(recording),
        "sha256": hashlib.sha256(recording).hexdigest(),
        "content_type": "audio/wav",
    }
    assert [(entry["details"]["second"], entry["deliveries"]) for entry in told["timeline"]] == [(2, 1), (1, 3)]
    assert set(told["timeline"][0]) == {
        "type",
        "provider",
        "status",
        "occurred_at",
        "received_at",
        "applied_at",
        "deliveries",
        "details",
    }
    assert "BODY" not in str(told)
    assert "not told twice" not in str(told)


async def test_a_call_just_begun_has_no_artifacts_yet(client: Client, pool: Pool, tenant: Tenant) -> None:
    await store_call(pool, tenant.organization_id, "new")
    told = await answer(client, tenant, "/calls/new")
    assert (told["transcript"], told["recording"], told["messages"], told["actions"]) == (None, None, [], [])
    got = await client.get(f"{tenant.path}/calls/new/recording", headers=tenant.credential)
    assert got.status_code == 404


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        (None, 200, 0, 1024),
        ("bytes=0-", 206, 0, 1024),
        ("bytes=10-19", 206, 10, 20),
        ("bytes=1000-5000", 206, 1000, 1024),
        ("bytes=-24", 206, 1000, 1024),
        ("bytes=-99999", 206, 0, 1024),
        ("bytes=0-1,5-6", 200, 0, 1024),
        ("pages=1-2", 200, 0, 1024),
        ("bytes=20-10", 200, 0, 1024),
    ],
)
async def test_a_recording_streams_whole_or_in_part(
    client: Client, pool: Pool, tenant: Tenant, tmp_path: Path, *, asked: str | None, status: int, first: int, last: int
) -> None:
    recording = await stored_with_everything(pool, tenant, tmp_path)
    headers = tenant.credential | ({"Range": asked} if asked is not None else {})
    got = await client.get(f"{tenant.path}/calls/whole/recording", headers=headers)
    assert got.status_code == status
    assert got.content == recording[first:last]
    assert got.headers["content-length"] == str(last - first)
    assert got.headers["content-type"] == "audio/wav"
    if status == 206:
        assert got.headers["content-range"] == f"bytes {first}-{last - 1}/1024"


async def test_a_range_beyond_the_recording_is_refused(
    client: Client, pool: Pool, tenant: Tenant, tmp_path: Path
) -> None:
    await stored_with_everything(pool, tenant, tmp_path)
    for asked in ("bytes=1024-", "bytes=-0"):
        got = await client.get(f"{tenant.path}/calls/whole/recording", headers=tenant.credential | {"Range": asked})
        assert (got.status_code, got.headers["content-range"]) == (416, "bytes */1024")


async def test_a_recording_the_object_store_lost_is_not_found(
    client: Client, pool: Pool, tenant: Tenant, tmp_path: Path
) -> None:
    await stored_with_everything(pool, tenant, tmp_path)
    (tmp_path / "recordings" / tenant.organization_id / "whole.wav").unlink()
    got = await client.get(f"{tenant.path}/calls/whole/recording", headers=tenant.credential)
    assert (got.status_code, got.headers["content-type"]) == (404, "application/problem+json")


async def test_the_organization_shows_settings_and_how_webhooks_do(client: Client, pool: Pool, tenant: Tenant) -> None:
    await pool.execute(
        "update organizations set tool_url = 'https://user:password@tools.example/run?token=hidden' where id = $1",
        tenant.organization_id,
    )
    await store_event(pool, tenant.organization_id, event_key="a", deliveries=3)
    await store_event(
        pool, tenant.organization_id, event_key="b", applied_at=None, received_at=NOW - timedelta(seconds=9)
    )
    await store_event(pool, tenant.organization_id, event_key="old", received_at=NOW - timedelta(days=2))
    await store_event(pool, tenant.organization_id, event_key="own", provider="internal")
    told = await answer(client, tenant, "")
    assert (told["organization_id"], told["name"]) == (tenant.organization_id, "One")
    assert told["tool_url"] == "https://tools.example/run"
    assert told["webhook_url"] == f"{BASE_URL}/webhooks/vapi/{tenant.organization_id}"
    assert (told["webhooks"]["duplicates"], told["webhooks"]["unapplied"]) == (2, 1)
    assert told["webhooks"]["lag_seconds"] >= 9


async def test_the_dashboard_sums_the_day_and_lists_recent_calls(client: Client, pool: Pool, tenant: Tenant) -> None:
    for each in range(22):
        await store_call(
            pool,
            tenant.organization_id,
            f"{each}",
            created_at=NOW - timedelta(milliseconds=each),
            status="ended" if each else "ringing",
            answered_at=NOW if each > 1 else None,
            duration_ms=1_500 if each > 1 else None,
            cost_micros=10_000 if each > 1 else None,
        )
    await store_call(pool, tenant.organization_id, "waiting", created_at=NOW - timedelta(days=2), status="queued")
    told = await answer(client, tenant, "/dashboard")
    assert told["organization"]["name"] == "One"
    assert (told["figures"]["live"], told["figures"]["waiting"]) == (1, 1)
    today = told["figures"]["today"]
    assert (today["calls"], today["answered"], today["ended"]) == (22, 20, 21)
    assert (today["talk_seconds"], today["cost_usd"]) == (30.0, 0.2)
    assert [call["call_id"] for call in told["recent_calls"]] == [f"{each}" for each in range(20)]
    assert told["assistants"] == []
