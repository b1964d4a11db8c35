"""Commands for a call that goes on: what is sent, to whom, by whom, and what is kept of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio

from serve.api import create_api
from serve.config import Settings
from serve.services import Services
from storage.call_controls import put_call_control
from storage.errors import StorageUnavailableError
from storage.postgres import Pool, transaction
from storage.provider_keys import VAPI, VAPI_PUBLIC, put_provider_key
from tests.fakes.control_server import ControlServer, running_control
from tests.integration.api.conftest import BASE_URL, Tenant
from tests.integration.api.stored_calls import store_call
from tests.integration.api.test_api_access import add_key, assert_problem, bearer

CALL = "call-1"
END = {"action": "end", "reason": "Wrong number."}
SAY = {"action": "say", "content": "Please hold."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An API whose provider is a server of this test."""

    client: httpx.AsyncClient
    server: ControlServer
    services: Services
    pool: Pool
    tenant: Tenant

    async def give_address(self, url: str, call_id: str = CALL, tenant: Tenant | None = None) -> None:
        owner = (tenant or self.tenant).organization_id
        async with transaction(self.pool) as connection:
            sealed = self.services.sealer.seal(owner, url.encode())
            await put_call_control(connection, organization_id=owner, call_id=call_id, sealed=sealed)

    async def give_key(self, provider: str, key: str) -> None:
        async with transaction(self.pool) as connection:
            await put_provider_key(
                connection,
                self.services.sealer,
                organization_id=self.tenant.organization_id,
                provider=provider,
                key=key,
            )

    async def command(self, body: Any, call_id: str = CALL, **headers: str) -> httpx.Response:
        path = f"{self.tenant.path}/calls/{call_id}/control"
        return await self.client.post(path, json=body, headers={**self.tenant.credential, **headers})

    async def audited(self) -> list[tuple[str, str, str]]:
        rows = await self.pool.fetch("select action, result, reason from audit_log where target = $1 order by id", CALL)
        return [(row["action"], row["result"], row["reason"]) for row in rows]

    async def timeline(self) -> list[dict[str, Any]]:
        got = await self.client.get(f"{self.tenant.path}/calls/{CALL}", headers=self.tenant.credential)
        return [each["details"] for each in got.json()["timeline"] if each["type"] == "call-control"]


@pytest_asyncio.fixture
async def line(settings: Settings, pool: Pool, tenant: Tenant) -> AsyncIterator[Line]:
    async with running_control() as server:
        local = settings.model_copy(update={"embedded": True, "vapi_base_url": server.base_url})
        app = create_api(local)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
                services: Services = app.state.services
                line = Line(client=client, server=server, services=services, pool=pool, tenant=tenant)
                await store_call(pool, tenant.organization_id, CALL, status="in-progress")
                await line.give_address(f"{server.base_url}/{CALL}/control")
                await line.give_key(VAPI, "private")
                yield line


WIRE: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (
        SAY,
        {
            "type": "say",
            "content": "Please hold.",
            "endCallAfterSpoken": False,
            "interruptAssistantEnabled": False,
        },
    ),
    (
        {"action": "whisper", "content": "Caller is verified."},
        {
            "type": "add-message",
            "message": {"role": "system", "content": "Caller is verified."},
            "triggerResponseEnabled": False,
        },
    ),
    ({"action": "mute", "whom": "assistant"}, {"type": "control", "control": "mute-assistant"}),
    ({"action": "unmute", "whom": "customer"}, {"type": "control", "control": "unmute-customer"}),
    (
        {"action": "transfer", "destination": {"type": "number", "number": "+15550100001"}, "content": "One moment."},
        {
            "type": "transfer",
            "destination": {"type": "number", "number": "+15550100001"},
            "content": "One moment.",
        },
    ),
    (END, {"type": "end-call"}),
]


async def test_each_command_reaches_vapi_in_its_words_and_the_timeline_and_the_audit_log(line: Line) -> None:
    for asked, wire in WIRE:
        got = await line.command(asked)
        assert got.status_code == 200, got.text
        assert got.json() == {"call_id": CALL, "action": asked["action"], "result": "done"}
        assert line.server.told[-1] == (f"/{CALL}/control", wire)
    assert len(line.server.told) == len(WIRE)
    noted = await line.audited()
    assert [result for _, result, _ in noted] == ["asked", "done: 200"] * len(WIRE)
    assert noted[-1] == ("call-end", "done: 200", "Wrong number.")
    told = await line.timeline()
    assert [each["action"] for each in told] == [asked["action"] for asked, _ in WIRE]
    assert told[0]["by"].startswith("key:")


async def test_who_looks_on_is_told_of_a_command_and_it_waits_for_nobody(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await line.command(SAY)).status_code == 200
    assert_problem(await line.command(SAY, call_id="unknown"), 404, "not-found")
    now = round(line.services.now().timestamp() * 1000)
    present = await line.services.presence.exchange("hub", {line.tenant.organization_id: []}, now=now)
    acts = present[line.tenant.organization_id].acting
    assert [(act.call_id, act.action) for act in acts] == [(CALL, "say")]
    assert acts[0].subject.startswith("key:")

    async def away(*_: object) -> None:
        raise StorageUnavailableError("Redis does not answer")

    monkeypatch.setattr(line.services.presence, "act", away)
    assert (await line.command(SAY)).status_code == 200


async def test_a_command_carries_the_public_key_where_there_is_one_and_never_the_private_one(line: Line) -> None:
    assert (await line.command(SAY)).status_code == 200
    await line.give_key(VAPI_PUBLIC, "public")
    assert (await line.command(SAY)).status_code == 200
    assert line.server.credentials == [None, "Bearer public"]


async def test_ending_a_call_that_is_over_is_no_fault(line: Line) -> None:
    line.server.status, line.server.message = 404, "Couldn't find call."
    line.server.records[CALL] = {"id": CALL, "status": "ended"}
    got = await line.command(END)
    assert (got.status_code, got.json()["result"]) == (200, "already_ended")
    assert_problem(await line.command(SAY), 409, "conflict")
    await line.pool.execute("update calls set status = 'ended'")
    before = len(line.server.told)
    again = await line.command(END)
    assert again.json()["result"] == "already_ended"
    assert len(line.server.told) == before
    assert [each for each in await line.audited() if each[1] != "asked"][-1][1] == "already_ended"


async def test_a_call_is_not_called_ended_because_vapi_takes_no_commands(line: Line) -> None:
    line.server.status, line.server.message = 404, "Control is not enabled."
    line.server.records[CALL] = {"id": CALL, "status": "in-progress"}
    got = await line.command(END)
    assert_problem(got, 502, "provider-refused")
    assert got.json()["provider_message"] == "Control is not enabled."


async def test_a_refusal_is_told_in_the_providers_words_and_kept(line: Line) -> None:
    line.server.status, line.server.message = 400, ["content must be shorter", "content should not be empty"]
    got = await line.command(SAY)
    assert_problem(got, 502, "provider-refused")
    assert got.json()["provider_status"] == 400
    assert got.json()["provider_message"] == "content must be shorter; content should not be empty"
    assert (await line.audited())[-1][1].startswith("refused: 400: content must be shorter")
    assert (await line.timeline())[-1]["result"] == "refused"


async def test_what_was_sent_and_not_answered_is_not_sent_again_under_its_key(line: Line) -> None:
    line.server.silent = True
    got = await line.command(SAY, **{"Idempotency-Key": "say-1"})
    assert_problem(got, 504, "provider-silent")
    line.server.silent = False
    assert_problem(await line.command(SAY, **{"Idempotency-Key": "say-1"}), 409, "conflict")
    assert len(line.server.told) == 1
    assert (await line.audited())[-1][1].startswith("unanswered")


async def test_one_key_is_one_command_and_a_refused_one_may_be_tried_again(line: Line) -> None:
    key = {"Idempotency-Key": "say-2"}
    line.server.status = 500
    assert_problem(await line.command(SAY, **key), 502, "provider-refused")
    line.server.status = 200
    answers = await asyncio.gather(line.command(SAY, **key), line.command(SAY, **key))
    assert {each.status_code for each in answers} <= {200, 409}
    again = await line.command(SAY, **key)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(line.server.told) == 2


async def test_no_redirect_is_followed(line: Line) -> None:
    line.server.status, line.server.location = 307, f"{line.server.base_url}/elsewhere/control"
    assert_problem(await line.command(SAY), 502, "provider-refused")
    assert [path for path, _ in line.server.told] == [f"/{CALL}/control"]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/call/control",
        "http://phone.vapi.ai/c/control",
        "https://vapi.ai.evil.example/c/control",
        "https://evilvapi.ai/c/control",
        "https://phone.vapi.ai@127.0.0.1/c/control",
        "https://phone.vapi.ai:8443/c/control",
        "https://127.0.0.1\\.vapi.ai/c/control",
        "https://phone.vapi.ai/c/control\r\nHost: evil",
        "file:///etc/passwd",
        "https://[::1",
    ],
)
async def test_commands_go_nowhere_but_to_vapi(line: Line, url: str) -> None:
    await store_call(line.pool, line.tenant.organization_id, "forged", status="in-progress")
    await line.give_address(url, "forged")
    assert_problem(await line.command(SAY, "forged"), 502, "provider-refused")
    assert line.server.told == []


async def test_who_may_not_and_whose_call_it_is_not(line: Line, stranger: Tenant) -> None:
    path = f"{line.tenant.path}/calls/{CALL}/control"
    speaker = bearer(await add_key(line.pool, line.tenant, "calls:control"))
    assert (await line.client.post(path, json=SAY, headers=speaker)).status_code == 200
    for ending in (END, {**SAY, "end_call_after_spoken": True}):
        got = await line.client.post(path, json=ending, headers=speaker)
        assert_problem(got, 403, "forbidden")
    reader = bearer(await add_key(line.pool, line.tenant, "calls:read"))
    assert_problem(await line.client.post(path, json=SAY, headers=reader), 403, "forbidden")
    foreign = await line.client.post(f"{stranger.path}/calls/{CALL}/control", json=END, headers=stranger.credential)
    assert_problem(foreign, 404, "not-found")
    assert len(line.server.told) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"action": "end"},
        {"action": "end", "reason": " "},
        {"action": "say", "content": "x" * 5_001},
        {"action": "say", "content": "a\u0000b"},
        {"action": "say", "content": "x", "url": "https://evil"},
        {"action": "mute", "whom": "everybody"},
        {"action": "transfer", "destination": {"type": "number", "number": "911; drop"}},
        {"action": "transfer", "destination": {"type": "sip", "sip_uri": "sip:a\r\nb"}},
        {"action": "explode"},
        {},
    ],
)
async def test_what_is_no_command_is_told(line: Line, body: Any) -> None:
    assert_problem(await line.command(body), 422, "invalid-parameter")
    assert line.server.told == []


async def test_an_address_is_never_shown(line: Line) -> None:
    sealed = await line.pool.fetchval("select sealed from call_controls")
    assert line.server.base_url.encode() not in sealed
    got = await line.client.get(f"{line.tenant.path}/calls/{CALL}", headers=line.tenant.credential)
    assert "/control" not in got.text


async def test_a_call_whose_address_never_came_cannot_be_commanded(line: Line) -> None:
    await store_call(line.pool, line.tenant.organization_id, "bare", status="in-progress")
    assert_problem(await line.command(SAY, "bare"), 409, "conflict")
