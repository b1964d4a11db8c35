"""What VAPI waits for: assistants, tool results, destinations."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from actors.domain.commands import Hear
from actors.domain.conversation import ToolsFailed
from serve.stack.temporal_server import TemporalServer
from serve.webhooks import tools as tools_module
from serve.webhooks.tools import ToolFailedError, ToolServer
from storage.errors import StorageUnavailableError
from storage.inbox import Accepted, Inbox, NewEvent
from storage.postgres import open_pool
from tests.integration.one_process import product
from tests.integration.webhook_door import Door, message, open_door, until

CALLS: list[dict[str, Any]] = [
    {"id": "call_a", "type": "function", "function": {"name": "find_slot", "arguments": {"day": "2026-08-24"}}},
    {"id": "call_b", "type": "function", "function": {"name": "book", "arguments": '{"slot": 3}'}},
    {"id": "call_c", "name": "notify", "parameters": {}},
]


class ToolHost:
    """An organization's own server: answers every request with `reply`, after `seconds` and not before it may."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.reply: bytes = b"{}"
        self.seconds = 0.0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.requests: list[tuple[str, bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(next(line for line in head.split("\r\n") if line.startswith("content-length")).split(":")[1])
        self.requests.append((head, await reader.readexactly(length)))
        await asyncio.sleep(self.seconds)
        await self.may_answer.wait()
        fields = f"content-length: {len(self.reply)}\r\nlocation: {self.url}/elsewhere\r\nconnection: close\r\n"
        writer.write(f"HTTP/1.1 {self.status} Answer\r\n{fields}\r\n".encode() + self.reply)
        await writer.drain()
        writer.close()


@pytest_asyncio.fixture
async def tool_host() -> AsyncIterator[ToolHost]:
    host = ToolHost()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0)
    host.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/tools"
    yield host
    server.close()
    await server.wait_closed()


@pytest_asyncio.fixture
async def door(database_url: str) -> AsyncIterator[Door]:
    async with open_door(database_url) as opened:
        yield opened


async def test_an_assistant_request_is_answered_by_id_then_by_number(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.add_number(organization_id, provider_id="pn-1", number="+15550100001", config={"name": "One"})
    await door.add_number(organization_id, provider_id="pn-2", number="+15550100002", config={"name": "Two"})
    by_id = message("assistant-request", phoneNumber={"id": "pn-2", "number": "+15550100001"})
    by_number = message("assistant-request", phoneNumber={"id": "other", "number": "+15550100001"}, call_id="call-2")
    assert (await door.post(organization_id, by_id)).json() == {"assistant": {"name": "Two"}}
    assert (await door.post(organization_id, by_number)).json() == {"assistant": {"name": "One"}}
    assert [row["type"] for row in await door.rows(organization_id)] == ["assistant-request"] * 2


async def test_an_assistant_vapi_keeps_is_answered_by_its_id(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.add_number(organization_id, provider_id="pn-1", number="+15550100001", config={"name": "One"})
    await door.database.execute("update assistants set provider_assistant_id = 'asst-1'")
    request = message("assistant-request", phoneNumber={"id": "pn-1"})
    assert (await door.post(organization_id, request)).json() == {"assistantId": "asst-1"}


async def test_a_number_nobody_answers_gets_a_sentence_and_no_other_tenants_assistant(door: Door) -> None:
    other = await door.add_organization()
    await door.add_number(other, provider_id="pn-1", number="+15550100001", config={"name": "Theirs"})
    organization_id = await door.add_organization()
    request = message("assistant-request", phoneNumber={"id": "pn-1", "number": "+15550100001"})
    response = await door.post(organization_id, request)
    assert (response.status_code, list(response.json())) == (200, ["error"])


async def test_tool_results_keep_order_names_and_single_lines(door: Door, tool_host: ToolHost) -> None:
    organization_id = await door.add_organization(tool_url=tool_host.url)
    results = [
        {"toolCallId": "call_b", "result": {"booked": True}},
        {"toolCallId": "stranger", "result": "no"},
        {"toolCallId": "call_a", "result": "ten\no'clock\r\nsharp"},
    ]
    tool_host.reply = json.dumps({"results": results}).encode()
    body = json.dumps(message("tool-calls", toolCallList=CALLS)).encode()
    response = await door.post(organization_id, body)
    assert response.json()["results"] == [
        {"toolCallId": "call_a", "name": "find_slot", "result": "ten o'clock sharp"},
        {"toolCallId": "call_b", "name": "book", "result": '{"booked":true}'},
        {"toolCallId": "call_c", "name": "notify", "error": "The tool gave no result."},
    ]
    (head, forwarded) = tool_host.requests[0]
    assert forwarded == body
    assert "x-vapi-secret: whsec-1" in head
    (row,) = await door.rows(organization_id)
    assert row["facts"]["tool_call_ids"] == ["call_a", "call_b", "call_c"]


async def test_whatever_a_tool_server_does_every_call_is_answered(door: Door, tool_host: ToolHost) -> None:
    organization_id = await door.add_organization(tool_url=tool_host.url)
    server = {"url": "https://hooks.example.com", "timeoutSeconds": 1}
    body = message("tool-calls", toolCallList=CALLS, assistant={"server": server})
    failures: list[Callable[[], Any]] = [
        lambda: setattr(tool_host, "reply", b"not json"),
        lambda: setattr(tool_host, "reply", b"[]"),
        lambda: setattr(tool_host, "reply", b"x" * 1_100_000),
        lambda: setattr(tool_host, "status", 500),
        lambda: setattr(tool_host, "status", 302),
        lambda: setattr(tool_host, "seconds", 2.0),
    ]
    for cause in failures:
        cause()
        response = await door.post(organization_id, body)
        assert response.status_code == 200
        results = response.json()["results"]
        assert [(each["toolCallId"], each["name"]) for each in results] == [
            ("call_a", "find_slot"),
            ("call_b", "book"),
            ("call_c", "notify"),
        ]
        assert all(each["error"] for each in results)
    assert len(tool_host.requests) == len(failures)


async def test_time_spent_before_a_tool_is_asked_is_taken_off_its_own(
    door: Door, tool_host: ToolHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_module, "_SHORTEST_SECONDS", 0.2)
    organization_id = await door.add_organization(tool_url=tool_host.url)
    tool_host.reply = b'{"results":[{"toolCallId":"call_a","result":"there"}]}'
    await door.database.execute(
        """create function dawdle() returns trigger language plpgsql as
           $$ begin perform pg_sleep(0.3); return null; end $$;
           create trigger dawdle after insert on webhook_inbox execute function dawdle()"""
    )
    server = {"url": "https://hooks.example.com", "timeoutSeconds": 1}
    response = await door.post(
        organization_id, message("tool-calls", toolCallList=CALLS[:1], assistant={"server": server})
    )
    assert [each["error"] for each in response.json()["results"]] == ["The tool server did not answer in time."]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_in_production_no_tool_url_leads_to_this_machine(tool_host: ToolHost, host: str) -> None:
    tools = ToolServer(insecure=False)
    with pytest.raises(ToolFailedError) as failure:
        await tools.ask(tool_host.url.replace("http://127.0.0.1", f"https://{host}"), b"{}", {}, seconds=5)
    assert isinstance(failure.value.__cause__, httpx.ConnectError)
    assert "no public address" in str(failure.value.__cause__)
    await tools.close()


async def test_a_server_that_keeps_calls_waiting_takes_no_connection_from_the_others(
    tool_host: ToolHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tools_module, "_CONNECTIONS", 4)
    monkeypatch.setattr(tools_module, "_OF_ONE", 2)
    tools = ToolServer(insecure=True)
    tool_host.may_answer.clear()
    slow = [asyncio.create_task(tools.ask(tool_host.url, b"{}", {}, seconds=60)) for _ in range(2)]
    async with asyncio.timeout(20):
        while len(tool_host.requests) < 2:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.01)
    with pytest.raises(ToolFailedError, match="too many"):
        await tools.ask(tool_host.url, b"{}", {}, seconds=60)
    other = asyncio.create_task(tools.ask(f"{tool_host.url}/of-another", b"{}", {}, seconds=60))
    async with asyncio.timeout(20):
        while len(tool_host.requests) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    tool_host.may_answer.set()
    assert await asyncio.gather(*slow, other) == [{}, {}, {}]
    assert await tools.ask(tool_host.url, b"{}", {}, seconds=60) == {}, "a place is given back"
    await tools.close()


async def test_without_a_tool_server_every_call_gets_an_error(door: Door) -> None:
    organization_id = await door.add_organization()
    response = await door.post(organization_id, message("tool-calls", toolCallList=CALLS))
    assert [each["error"] for each in response.json()["results"]] == ["No tool server is configured."] * 3


@pytest.mark.parametrize("url", ["http://[", "https://", "ftp://example.com", "", "no url", "http://127.0.0.1:1/"])
async def test_a_tool_url_that_leads_nowhere_is_an_error_of_each_call(door: Door, url: str) -> None:
    organization_id = await door.add_organization(tool_url=url)
    response = await door.post(organization_id, message("tool-calls", toolCallList=CALLS))
    assert response.status_code == 200
    assert all(each["error"] for each in response.json()["results"])


async def test_a_result_nested_too_deeply_for_an_answer_is_still_answered(door: Door, tool_host: ToolHost) -> None:
    organization_id = await door.add_organization(tool_url=tool_host.url)
    tool_host.reply = b'{"results":[{"toolCallId":"call_a","result":' + b"[" * 500 + b"]" * 500 + b"}]}"
    response = await door.post(organization_id, message("tool-calls", toolCallList=CALLS))
    assert response.json()["results"][0]["result"] == "The tool's result is nested too deeply."


async def test_a_legacy_function_call_is_answered_with_its_result(door: Door, tool_host: ToolHost) -> None:
    organization_id = await door.add_organization(tool_url=tool_host.url)
    tool_host.reply = b'{"result": "two\\nlines"}'
    body = message("function-call", functionCall={"name": "find_slot", "parameters": {}})
    assert (await door.post(organization_id, body)).json() == {"result": "two lines"}


def failures_told(door: Door) -> list[frozenset[str]]:
    heard = [delivery.item for delivery in door.queue.deliveries if isinstance(delivery.item, Hear)]
    return [each.sign.ids for each in heard if isinstance(each.sign, ToolsFailed)]


async def test_the_owner_is_told_of_each_tool_call_that_failed(door: Door, tool_host: ToolHost) -> None:
    organization_id = await door.add_organization(tool_url=tool_host.url)
    results = [{"toolCallId": "call_a", "result": "ten"}, {"toolCallId": "call_b", "error": "none left"}]
    tool_host.reply = json.dumps({"results": results}).encode()
    await door.post(organization_id, message("tool-calls", toolCallList=CALLS))
    tool_host.status = 500
    await door.post(organization_id, message("tool-calls", toolCallList=CALLS[:1], timestamp=1_787_220_000_001))
    assert failures_told(door) == [{"call_b", "call_c"}, {"call_a"}]
    assert [row["type"] for row in await door.rows(organization_id)] == ["tool-calls"] * 2, "told, not stored"


async def test_the_owner_is_told_of_a_legacy_function_call_that_failed(door: Door, tool_host: ToolHost) -> None:
    organization_id = await door.add_organization(tool_url=tool_host.url)
    asked: dict[str, object] = {"name": "find_slot", "parameters": {}}
    for number, reply in enumerate((b'{"result": "ten"}', b'{"error": "none left"}', b"not json")):
        tool_host.reply = reply
        body = message("function-call", functionCall=asked, timestamp=1_787_220_000_000 + number)
        assert (await door.post(organization_id, body)).status_code == 200
    told = failures_told(door)
    assert [len(ids) for ids in told] == [1, 1]
    assert len(set(told)) == 2


async def test_tools_that_fail_twice_in_one_call_are_an_incident_while_it_goes_on(
    tool_host: ToolHost, database_url: str, redis_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    tool_host.status = 500
    async with (
        await open_pool(database_url, size=1, name="test") as database,
        product(
            tmp_path, database_url=database_url, redis_url=redis_url, temporal_address=temporal_server.address
        ) as told,
        httpx.AsyncClient(timeout=30, headers={"authorization": f"Bearer {told['api_key']}"}) as http,
    ):
        organization_id = told["organization_id"]
        await database.execute("update organizations set tool_url = $1 where id = $2", tool_host.url, organization_id)

        async def ask_tool(call_id: str, tool: dict[str, Any], timestamp: int) -> None:
            body = message("tool-calls", call_id=call_id, toolCallList=[tool], timestamp=timestamp)
            url = f"{told['base_url']}/webhooks/vapi/{organization_id}"
            headers = {"x-vapi-secret": str(told["vapi_secret"])}
            (await http.post(url, json=body, headers=headers)).raise_for_status()

        async def incidents() -> list[dict[str, Any]]:
            answer = await http.get(f"{told['base_url']}/v1/organizations/{organization_id}/incidents")
            found = answer.raise_for_status().json()["incidents"]
            return [each for each in found if each["rule"] == "call-tools-failing"]

        async with asyncio.timeout(30):
            # What is not stored reaches an owner that is there.
            slots = f"{told['base_url']}/v1/organizations/{organization_id}/slots"
            while (await http.get(slots)).status_code == 503:  # noqa: ASYNC110  # another server's state
                await asyncio.sleep(0.05)
        await ask_tool("failing", CALLS[0], 1_787_220_000_000)
        await ask_tool("unlucky", CALLS[0], 1_787_220_000_000)
        await ask_tool("failing", CALLS[1], 1_787_220_001_000)
        async with asyncio.timeout(30):
            while not (found := await incidents()):  # noqa: ASYNC110  # another server's state
                await asyncio.sleep(0.05)
        (incident,) = found
        assert (incident["call_id"], incident["evidence"]["value"]) == ("failing", 2)
        assert incident["recovered_at"] is None


async def test_destinations_come_from_the_organization(door: Door) -> None:
    organization_id = await door.add_organization()
    transfer = {"type": "number", "number": "+15550100002"}
    handoff = {"type": "assistant", "assistantName": "Billing"}
    await door.database.execute(
        "update organizations set transfer_destination = $1, handoff_destination = $2", transfer, handoff
    )
    answers = [
        (await door.post(organization_id, message(kind, parameters={}))).json()
        for kind in ("transfer-destination-request", "handoff-destination-request")
    ]
    assert answers == [{"destination": transfer}, {"destination": handoff}]


async def test_without_destinations_the_answer_says_so_in_vapis_shape(door: Door) -> None:
    organization_id = await door.add_organization()
    transfer = (await door.post(organization_id, message("transfer-destination-request"))).json()
    handoff = (await door.post(organization_id, message("handoff-destination-request", parameters={}))).json()
    assert list(transfer) == ["error"]
    assert set(handoff) == {"destination", "error"}


async def test_requests_we_do_not_serve_are_stored_and_answered_with_nothing(door: Door) -> None:
    organization_id = await door.add_organization()
    kinds = ("knowledge-base-request", "voice-request", "call.endpointing.request", "campaign.predial")
    for kind in kinds:
        response = await door.post(organization_id, message(kind))
        assert (response.status_code, response.content) == (200, b"{}")
    assert [row["type"] for row in await door.rows(organization_id)] == list(kinds)


async def test_a_call_the_owner_refuses_hears_the_organizations_sentence(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.add_number(organization_id, provider_id="pn-1", number="+15550100001", config={"name": "One"})
    door.queue.outcome = "refused:closed"
    request = message("assistant-request", phoneNumber={"id": "pn-1"})
    assert list((await door.post(organization_id, request)).json()) == ["error"]
    await door.database.execute("update webhook_inbox set outcome = 'accepted'")
    assert "assistant" in (await door.post(organization_id, request)).json(), "what was decided once is decided"


async def test_an_owner_that_is_away_lets_the_call_through_and_is_told_later(door: Door) -> None:
    organization_id = await door.add_organization()
    await door.add_number(organization_id, provider_id="pn-1", number="+15550100001", config={"name": "One"})
    door.queue.outcome = None
    answer = await door.post_within(2, organization_id, message("assistant-request", phoneNumber={"id": "pn-1"}))
    assert answer.json() == {"assistant": {"name": "One"}}
    await until(lambda: door.has_row(organization_id, "let-through"))
    (request, _) = await door.rows(organization_id)
    assert request["facts"]["fields"]["assistant_id"]


async def test_a_call_whose_request_was_stored_unheard_is_let_through_too(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner may have found the row, and refused the call, before the door stores it again."""
    accept, heard = Inbox.accept, False

    async def accept_unheard(inbox: Inbox, event: NewEvent, *, seconds: float) -> Accepted:
        nonlocal heard
        accepted = await accept(inbox, event, seconds=seconds)
        if not heard:
            heard = True
            raise StorageUnavailableError("the answer was lost")
        return accepted

    monkeypatch.setattr(Inbox, "accept", accept_unheard)
    organization_id = await door.add_organization()
    await door.add_number(organization_id, provider_id="pn-1", number="+15550100001", config={"name": "One"})
    answer = await door.post(organization_id, message("assistant-request", phoneNumber={"id": "pn-1"}))
    assert answer.json() == {"assistant": {"name": "One"}}
    await until(lambda: door.has_row(organization_id, "let-through"))
    assert [row["type"] for row in await door.rows(organization_id)] == ["assistant-request", "let-through"]
