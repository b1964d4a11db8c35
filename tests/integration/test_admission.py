"""Requests decided by the owner on real Postgres and Valkey: refused at the limit, admitted after an end, replayed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from serve.stack.temporal_server import TemporalServer
from storage.postgres import Pool, open_pool
from tests.integration.one_process import product
from tests.integration.webhook_door import message

PATIENCE_SECONDS = 30


class Office:
    """The demo organization of a product in one process, with a concurrency limit of one."""

    def __init__(self, told: dict[str, Any], http: httpx.AsyncClient, database: Pool) -> None:
        self.organization_id: str = told["organization_id"]
        self.http = http
        self.database = database
        self._told = told
        self.at = 1_787_220_000_000

    async def post(self, kind: str, call_id: str, **fields: object) -> httpx.Response:
        self.at += 1
        body = message(kind, call_id=call_id, timestamp=self.at, **fields)
        url = f"{self._told['base_url']}/webhooks/vapi/{self.organization_id}"
        return (
            await self.http.post(url, json=body, headers={"x-vapi-secret": self._told["vapi_secret"]})
        ).raise_for_status()

    async def ask(self, call_id: str) -> dict[str, Any]:
        return (await self.post("assistant-request", call_id, phoneNumber={"number": "+15550300000"})).json()

    async def api(self, method: str, path: str, **options: Any) -> httpx.Response:
        url = f"{self._told['base_url']}/v1/organizations/{self.organization_id}/{path}"
        return await self.http.request(
            method, url, headers={"authorization": f"Bearer {self._told['api_key']}"}, **options
        )

    async def ledger(self) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while (answer := await self.api("GET", "slots")).status_code == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        return answer.raise_for_status().json()

    async def held(self) -> set[str]:
        return {slot["call_id"] for slot in (await self.ledger())["slots"]}

    async def until_held(self, *call_ids: str) -> None:
        async with asyncio.timeout(30):
            while await self.held() != set(call_ids):  # noqa: ASYNC110  # another server's state
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture
async def office(
    database_url: str,
    redis_url: str,
    temporal_server: TemporalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Office]:
    # What the owner decides is asked here, however late: nobody is let in unasked because the machine is busy.
    monkeypatch.setattr("serve.webhooks.vapi._FAIL_OPEN_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr("actors.requests.ADMIT_SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr("actors.organization_actor.DEADLINE_MS", PATIENCE_SECONDS * 1000)
    async with (
        await open_pool(database_url, size=1, name="test") as database,
        product(
            tmp_path, database_url=database_url, redis_url=redis_url, temporal_address=temporal_server.address
        ) as told,
        httpx.AsyncClient(timeout=2 * PATIENCE_SECONDS) as http,
    ):
        await database.execute(
            "update organizations set concurrency_limit = 1, refusal_message = 'All busy.' where id = $1",
            told["organization_id"],
        )
        office = Office(told, http, database)
        await office.until_held()
        yield office


async def test_a_call_is_refused_at_the_limit_and_admitted_after_an_end(office: Office) -> None:
    assert "assistant" in await office.ask("a")
    assert await office.ask("b") == {"error": "All busy."}
    await office.post("status-update", "a", status="in-progress")
    await office.post("status-update", "a", status="ended", endedReason="customer-ended-call")
    await office.until_held()
    assert "assistant" in await office.ask("c")
    told = await office.database.fetch("select provider_call_id, admission from calls order by 1")
    assert [tuple(row) for row in told] == [("a", "accepted"), ("b", "refused:concurrency"), ("c", "accepted")]
    outcomes = await office.database.fetch(
        "select outcome from webhook_inbox where type = 'assistant-request' order by id"
    )
    assert [row["outcome"] for row in outcomes] == ["accepted", "refused:concurrency", "accepted"]


async def test_a_running_owner_follows_its_settings_at_once(office: Office) -> None:
    async def configure(**changes: object) -> None:
        (await office.api("PATCH", "settings", json=changes)).raise_for_status()
        limit = changes.get("concurrency_limit")
        async with asyncio.timeout(30):
            while limit is not None and (await office.ledger())["limit"] != limit:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    await office.ask("a")
    assert await office.ask("b") == {"error": "All busy."}
    await configure(concurrency_limit=2)
    assert "assistant" in await office.ask("c")
    await configure(concurrency_limit=1)
    assert await office.held() == {"a", "c"}
    assert await office.ask("d") == {"error": "All busy."}


async def test_whichever_change_is_heard_of_last_what_postgres_holds_stands(office: Office) -> None:
    for limit in (7, 3, 9, 5):
        (await office.api("PATCH", "settings", json={"concurrency_limit": limit})).raise_for_status()
    rows = await office.database.fetch("select id from webhook_inbox where type = 'organization-configured'")
    async with asyncio.timeout(30):
        while await office.database.fetchval(  # noqa: ASYNC110
            "select count(*) from webhook_inbox where type = 'organization-configured' and applied_at is null"
        ):
            await asyncio.sleep(0.02)
    assert len(rows) == 4
    assert (await office.ledger())["limit"] == 5


async def test_minutes_used_before_a_cap_was_set_count(office: Office) -> None:
    await office.post("status-update", "a", status="in-progress")
    await office.post("status-update", "a", status="ended")
    async with asyncio.timeout(30):
        while not await office.database.fetchval("select true from calls where status = 'ended'"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await office.database.execute("update calls set duration_ms = 61000")
    (await office.api("PATCH", "settings", json={"minutes_cap": 2, "minutes_policy": "block"})).raise_for_status()
    async with asyncio.timeout(30):
        while (ledger := await office.ledger())["minutes"]["cap"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert ledger["minutes"] == {"cap": 2, "policy": "block", "used": 2, "reserved": 0}
    assert await office.ask("b") == {"error": "All busy."}
    assert await office.database.fetchval("select admission from calls where provider_call_id = 'b'") == (
        "refused:minutes"
    )


async def test_at_the_cap_calls_that_go_on_finish_and_granted_minutes_let_the_next_in(office: Office) -> None:
    (await office.api("PATCH", "settings", json={"concurrency_limit": 5})).raise_for_status()
    await office.post("status-update", "goes on", status="in-progress")
    await office.until_held("goes on")
    (await office.api("PATCH", "settings", json={"minutes_cap": 1, "minutes_policy": "block"})).raise_for_status()
    async with asyncio.timeout(30):
        while (await office.ledger())["minutes"]["cap"] is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert await office.ask("refused") == {"error": "All busy."}
    assert await office.held() == {"goes on"}, "nothing hangs it up"
    granted = await office.api("POST", "usage/extra-minutes", json={"minutes": 30, "reason": "A busy day."})
    assert granted.status_code == 201
    async with asyncio.timeout(30):
        number = 0
        while "error" in await office.ask(f"next-{number}"):
            number += 1
            await asyncio.sleep(0.05)
    assert "goes on" in await office.held()
    entries = (await office.api("GET", "audit-log?action=minutes-granted")).json()["entries"]
    assert [(entry["reason"], entry["result"]) for entry in entries] == [("A busy day.", "30")]


async def test_a_request_delivered_again_gets_the_same_answer(office: Office) -> None:
    await office.ask("a")
    first = await office.ask("b")
    office.at -= 1
    assert await office.ask("b") == first == {"error": "All busy."}


async def test_a_refused_call_goes_where_the_organization_says(office: Office) -> None:
    await office.database.execute(
        """update organizations set refusal_destination = '{"type": "number", "number": "+15550100009"}'"""
    )
    await office.ask("a")
    assert await office.ask("b") == {"destination": {"type": "number", "number": "+15550100009"}}


async def test_a_released_slot_is_free_until_the_call_shows_life(office: Office) -> None:
    await office.ask("a")
    await office.post("status-update", "a", status="in-progress")
    await office.until_held("a")
    for _ in range(2):
        answer = await office.api("POST", "slots/a/release", json={"reason": "gone for an hour"})
        assert answer.json() == {"call_id": "a", "result": "released"}
    await office.until_held()
    assert [slot["call_id"] for slot in (await office.ledger())["released"]] == ["a"]
    assert (await office.api("GET", "calls/a")).json()["status"] == "in-progress"
    await office.post("tool-calls", "a", toolCallList=[])
    await office.until_held("a")
    logged = await office.database.fetch("select actor, action, target, reason, result from audit_log")
    assert {tuple(row)[1:] for row in logged} == {("slot-released", "a", "gone for an hour", "released")}
    assert len(logged) == 2


async def test_what_cannot_be_released_is_told(office: Office) -> None:
    assert (await office.api("POST", "slots/unknown/release", json={"reason": "x"})).status_code == 404
    assert (await office.api("POST", "slots/a/release", json={"reason": " "})).status_code == 422
    await office.post("status-update", "a", status="ended")
    await office.until_held()
    async with asyncio.timeout(30):
        while (answer := await office.api("POST", "slots/a/release", json={"reason": "x"})).status_code == 404:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert answer.json()["result"] == "already-ended"


@pytest.mark.parametrize(
    "change", ["update audit_log set reason = 'other'", "delete from audit_log", "truncate audit_log"]
)
async def test_nobody_changes_the_audit_log(database_url: str, change: str) -> None:
    async with await open_pool(database_url, size=1, name="test") as database:
        await database.execute(
            """insert into audit_log (organization_id, actor, action, target, reason, result)
               values (gen_random_uuid(), 'key', 'slot-released', 'a', 'gone', 'released')"""
        )
        with pytest.raises(Exception, match="append-only"):
            await database.execute(change)
