"""Whom the hub lets in, over real sockets: no foreign eye, none too many, none beyond its credential."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.typing import Origin

from serve.live.board import LiveBoard
from serve.live.client import Credential, Lost, NotPermittedError, Received, Update, follow
from serve.live.hub import LiveHub
from storage.tickets import Standing
from tests.integration.live_owner import OPTIONS, Credentials, Owner, frame, holder, listen, running_hub


async def close_code(socket_: ClientConnection) -> int:
    async with asyncio.timeout(30):
        await socket_.wait_closed()
    assert socket_.close_code is not None
    return socket_.close_code


async def test_a_foreign_page_is_refused_and_a_known_one_is_not(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    async with running_hub(
        redis_client, owner.board, credentials, replace(OPTIONS, origins=["https://board.test"])
    ) as hub:
        with pytest.raises(InvalidStatus) as refused:
            await listen(hub, owner.organization_id, origin=Origin("https://evil.test"))
        assert refused.value.response.status_code == 403
        async with listen(hub, owner.organization_id, origin=Origin("https://board.test")) as client:
            assert (await frame(client))["type"] == "snapshot"


async def test_wrong_and_foreign_credentials_are_told_the_same(
    hub: LiveHub, owner: Owner, credentials: Credentials
) -> None:
    other, nobody = str(uuid.uuid4()), str(uuid.uuid4())
    credentials.keys["other"] = holder(other)
    credentials.keys["calls"] = holder(owner.organization_id, "calls:read")
    attempts = [
        (owner.organization_id, "", None),
        (owner.organization_id, "", "wrong"),
        (owner.organization_id, "", "other"),
        (owner.organization_id, "", "calls"),
        (owner.organization_id, "?ticket=wrong", None),
        (owner.organization_id, "?ticket=wrong", "key"),
        (nobody, "", "key"),
        ("no-uuid", "", "key"),
    ]
    answers: set[tuple[int, str]] = set()
    for organization_id, query, key in attempts:
        async with listen(hub, organization_id, query, key=key) as client:
            with pytest.raises(ConnectionClosedError) as closed:
                await client.recv()
            assert closed.value.rcvd is not None
            answers.add((closed.value.rcvd.code, closed.value.rcvd.reason))
    assert answers == {(4503, "not permitted")}


async def test_a_ticket_admits_once_to_its_organization_alone(
    hub: LiveHub, owner: Owner, credentials: Credentials
) -> None:
    credentials.tickets = {
        "one": Standing(organization_id=owner.organization_id, subject="key"),
        "two": Standing(organization_id=str(uuid.uuid4()), subject="key"),
    }
    async with listen(hub, owner.organization_id, "?ticket=one", key=None) as client:
        assert (await frame(client))["type"] == "snapshot"
    for ticket in ("one", "two"):
        async with listen(hub, owner.organization_id, f"?ticket={ticket}", key=None) as client:
            assert await close_code(client) == 4503


async def test_an_organization_that_is_gone_is_told_to_its_own_key_alone(
    hub: LiveHub, credentials: Credentials
) -> None:
    gone = str(uuid.uuid4())
    credentials.keys["gone"] = holder(gone)
    async with listen(hub, gone, key="gone") as client:
        assert await close_code(client) == 4504


async def test_a_revoked_key_ends_open_sockets(
    hub: LiveHub, owner: Owner, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.live.access.ADMISSION_SECONDS", 0.5)
    async with listen(hub, owner.organization_id) as client:
        await frame(client, "snapshot")
        del credentials.keys["key"]
        assert await close_code(client) == 4001


async def test_a_socket_ends_with_what_its_ticket_was_issued_by(
    hub: LiveHub, owner: Owner, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.live.access.ADMISSION_SECONDS", 0.5)
    place = owner.organization_id
    for change, code in (("revoked", 4001), ("no longer permitted", 4503), ("organization gone", 4503)):
        credentials.tickets["one"] = Standing(organization_id=place, subject="key")
        credentials.keys["key"] = holder(place)
        async with listen(hub, place, "?ticket=one", key=None) as client:
            await frame(client, "snapshot")
            credentials.asked.clear()
            await credentials.asked.wait()
            assert client.close_code is None, "what still holds is asked again and again"
            match change:
                case "no longer permitted":
                    credentials.keys["key"] = holder(place, "calls:read")
                case "organization gone":
                    credentials.gone.add(place)
                    del credentials.keys["key"]
                case _:
                    del credentials.keys["key"]
            assert await close_code(client) == code, change


async def test_a_restart_says_so_and_the_client_library_resumes(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    board = LiveBoard()

    async def credential() -> Credential:
        return Credential(api_key="key")

    async with running_hub(redis_client, owner.board, credentials) as first:
        port = first.port
        updates = follow(f"ws://127.0.0.1:{port}", owner.organization_id, credential, board)
        async for update in updates:
            if isinstance(update, Received):
                break
    await owner.flow(10)
    async with running_hub(redis_client, owner.board, credentials, replace(OPTIONS, port=port)):
        lost: list[str] = []
        async for update in updates:
            match update:
                case Lost(reason=reason):
                    lost.append(reason)
                case Received(frame=received):
                    assert received["type"] != "snapshot", "ten entries are no reason for a snapshot"
                    if str(board.position) == "1-10":
                        break
                case _:
                    pass
        del credentials.keys["key"]
    async with running_hub(redis_client, owner.board, credentials, replace(OPTIONS, port=port)):
        with pytest.raises(NotPermittedError):
            await until_refused(updates)
    assert lost[0].startswith("1012")


async def test_who_is_let_in_during_a_restart_is_sent_on_too(
    hub: LiveHub, owner: Owner, credentials: Credentials
) -> None:
    credentials.answering.clear()
    async with listen(hub, owner.organization_id) as client:
        await credentials.asked.wait()
        stopping = asyncio.create_task(hub.stop())
        await client.ping()
        credentials.answering.set()
        assert await close_code(client) == 1012
        async with asyncio.timeout(30):
            await stopping


async def test_whatever_a_peer_sends_harms_nobody(hub: LiveHub, owner: Owner) -> None:
    randomness = random.Random(3)
    async with listen(hub, owner.organization_id) as quiet:
        await frame(quiet, "heartbeat")
        async with listen(hub, owner.organization_id) as noisy:
            for _ in range(2_000):
                noise = randomness.randbytes(randomness.randrange(200))
                await noisy.send(noise if randomness.random() < 0.5 else noise.hex())
            await frame(noisy, "heartbeat")
        async with listen(hub, owner.organization_id) as large:
            await large.send(b"x" * 70_000)
            assert await close_code(large) == 1009
        for _ in range(50):
            reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
            writer.write(handshake(owner.organization_id) if randomness.random() < 0.5 else b"")
            writer.write(randomness.randbytes(randomness.randrange(2_000)))
            writer.write_eof()
            await reader.read()
            writer.close()
        await owner.call(1)
        assert (await frame(quiet, "events"))["position"] == "1-1"
    assert hub.status()["sockets"] in {0, 1}
    hub.check_health()


async def test_a_path_that_is_not_ours_is_not_found(hub: LiveHub) -> None:
    for path in ("", "a/b", "?x&" * 20):
        with pytest.raises(InvalidStatus) as refused:
            await listen(hub, path)
        assert refused.value.response.status_code == 404


async def test_too_many_at_once_are_asked_to_come_back(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    async with running_hub(redis_client, owner.board, credentials, replace(OPTIONS, accepts_per_second=5.0)) as hub:

        async def join() -> int:
            try:
                async with listen(hub, owner.organization_id):
                    return 101
            except InvalidStatus as refused:
                return refused.response.status_code

        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.TaskGroup() as storm:
            joins = [storm.create_task(join()) for _ in range(40)]
        lasted = loop.time() - began
        answers = [each.result() for each in joins]
        # Each has a turn of its own, five in a second; who would wait longer than two seconds has none.
        assert 10 <= answers.count(101) <= 1 + 5 * lasted
        assert answers.count(101) + answers.count(503) == 40


async def until_refused(updates: AsyncIterator[Update]) -> None:
    async for _ in updates:
        pass


def handshake(organization_id: str) -> bytes:
    return (
        f"GET /live/{organization_id} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer key\r\n\r\n"
    ).encode()
