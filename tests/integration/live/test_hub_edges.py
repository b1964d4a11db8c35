"""The hub at the edges of what it promises: how far back, at how many at once, beside how many others, for how long."""

import asyncio
import os
import re
import time
import uuid
from dataclasses import replace

import orjson
import pytest
from redis.asyncio import Redis
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from actors.domain.call import CallFields
from actors.domain.views import state_view
from actors.organization_actor import BoardSnapshot
from serve.identity import Identity
from serve.live.access import ADMISSION_SECONDS
from serve.live.board import LiveBoard
from serve.live.channel import CATCH_UP_ENTRIES, HEARTBEAT_SECONDS
from serve.live.client import SILENCE_SECONDS
from serve.live.hub import CHECK_SECONDS, LiveHub
from serve.live.peer import PING_SECONDS
from storage.live_position import Position
from storage.live_presence import LivePresence
from tests.integration.live.test_hub_doors import close_code
from tests.integration.live.test_hub_feed import sockets, stuck_socket
from tests.integration.live_owner import Credentials, Owner, frame, holder, listen, ring, running_hub

MANY = 100
ORGANIZATIONS = 50
SAID = 2_000 if int(os.environ.get("LIVE_EVENTS", "0")) >= 10_000 else 20
"""Of each: `make chaos` has 100,000 heard."""
IDENTIFIER = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def test_another_owner_brings_everybody_a_snapshot_and_nobody_trusts_an_old_position(
    hub: LiveHub, owner: Owner
) -> None:
    """Those here in the middle of the stream, and those who come back with a position of the owner before."""
    here = asyncio.Barrier(MANY + 1)

    async def watch() -> LiveBoard:
        board = LiveBoard()
        async with listen(hub, owner.organization_id) as client:
            board.apply(await frame(client, "snapshot"))
            await here.wait()
            epochs: list[str] = []
            while str(board.position) != "2-20":
                received = await frame(client, "snapshot", "events")
                epochs += [received["reason"]] if received["type"] == "snapshot" else []
                board.apply(received)
            assert epochs == ["epoch"]
        return board

    async def come_back(n: int) -> None:
        async with listen(hub, owner.organization_id, f"?after=1-{n}") as client:
            received = await frame(client)
            assert (received["type"], received["reason"]) == ("snapshot", "epoch")

    async with asyncio.TaskGroup() as watching:
        boards = [watching.create_task(watch()) for _ in range(MANY)]
        await here.wait()
        await owner.flow(50)
        await owner.open(epoch=2)
        await owner.flow(20)
    states = [each.result().state() for each in boards]
    assert all(state == states[0] for state in states)
    async with asyncio.TaskGroup() as returning:
        for n in range(0, 51, 5):
            returning.create_task(come_back(n))


async def test_how_far_back_one_may_have_stayed_is_exact(hub: LiveHub, owner: Owner, redis_client: Redis) -> None:
    async with redis_client.pipeline(transaction=False) as written:
        for n in range(1, CATCH_UP_ENTRIES + 2):
            event = {"type": "state-repaired", "repairs": n}
            written.xadd(owner.key, {"events": orjson.dumps([event])}, id=f"1-{n}")
        await written.execute()
    owner.n = CATCH_UP_ENTRIES + 1
    async with listen(hub, owner.organization_id, "?after=1-0") as client:
        assert (await frame(client))["reason"] == "gap", "one too many: the whole board, and never a part"
    async with listen(hub, owner.organization_id, "?after=1-1") as client:
        repairs: list[int] = []
        while len(repairs) < CATCH_UP_ENTRIES:
            # Who comes before the hub has read what is new is told by a heartbeat, too, how far that is.
            received = await frame(client, "snapshot", "events")
            assert received["type"] == "events"
            repairs += [event["repairs"] for event in received["events"]]
    assert repairs == list(range(2, CATCH_UP_ENTRIES + 2))


async def test_who_answers_no_ping_is_gone_and_so_is_the_sight_of_him(
    redis_client: Redis, owner: Owner, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a machine that was put to sleep: its kernel takes what fits, and nobody answers."""
    assert 2 * PING_SECONDS <= 60
    async with running_hub(redis_client, owner.board, credentials, presence=LivePresence(redis_client)) as hub:
        asleep = await stuck_socket(hub, owner.organization_id)
        async with listen(hub, owner.organization_id) as client:
            for count in (2, 1):
                await sockets(hub, count)
                if count == 2:  # not sooner: it may be gone before the other is here
                    monkeypatch.setattr("serve.live.peer.PING_SECONDS", 0.5)
                while (await frame(client, "presence"))["watching"][0]["sockets"] != count:
                    pass
        asleep.close()


async def test_an_access_token_is_good_to_its_last_second_and_no_minute_longer(
    redis_client: Redis, owner: Owner, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.live.access.LEEWAY_SECONDS", 0)
    assert CHECK_SECONDS <= 1.0 < ADMISSION_SECONDS
    expires_at = 0

    async def present(_: Credentials, by: object) -> Identity | None:
        nonlocal expires_at
        assert by == "token"
        # Issued as it is looked at first: how long the handshake took is no part of its life.
        expires_at = expires_at or int(time.time()) + 2
        return holder(owner.organization_id, expires_at=expires_at) if time.time() < expires_at else None

    monkeypatch.setattr(Credentials, "present", present)
    async with (
        running_hub(redis_client, owner.board, credentials) as hub,
        listen(hub, owner.organization_id, key="token") as client,
    ):
        assert await close_code(client) == 4001, "it was let in, and is over"
        assert time.time() >= expires_at


async def test_fifty_organizations_on_one_hub_hear_their_own_alone(
    redis_client: Redis, credentials: Credentials
) -> None:
    """Each says its own name in every event: what came from elsewhere would say another."""
    owners = {str(each): Owner(redis_client, str(each)) for each in (uuid.uuid4() for _ in range(ORGANIZATIONS))}
    for organization_id, owner in owners.items():
        credentials.keys[organization_id] = holder(organization_id)
        await owner.open()

    async def board(organization_id: str) -> BoardSnapshot | None:
        return await owners[organization_id].board(organization_id)

    async def watch(organization_id: str) -> None:
        seen, named = LiveBoard(), 0
        async with listen(hub, organization_id, key=organization_id) as client:
            while str(seen.position) != f"1-{SAID}":
                told = await client.recv(decode=False)
                found = IDENTIFIER.findall(told)
                assert {*found} <= {organization_id.encode()}
                named += len(found)
                seen.apply(orjson.loads(told))
        assert named >= SAID
        assert seen.state() == state_view(owners[organization_id].state)

    async def say(owner: Owner) -> None:
        for number in range(SAID):
            rung = ring(number % 40, seconds=number)
            fields = CallFields(customer_name=owner.organization_id)
            await owner.publish(replace(rung, observation=replace(rung.observation, fields=fields)))

    async with running_hub(redis_client, board, credentials) as hub, asyncio.TaskGroup() as everybody:
        for organization_id, owner in owners.items():
            everybody.create_task(watch(organization_id))
            everybody.create_task(say(owner))


@pytest.mark.parametrize(
    "written", ["{}%2F", "%2F{}", "{}/", "{}%00", "{}\N{COMBINING ACUTE ACCENT}", "{}?after=1-0&organization_id={}"]
)
async def test_no_spelling_leads_to_another_organization(
    hub: LiveHub, owner: Owner, credentials: Credentials, written: str
) -> None:
    other = str(uuid.uuid4())
    credentials.keys["other"] = holder(other)
    path = written.replace("{}", owner.organization_id).replace("\N{COMBINING ACUTE ACCENT}", "%CC%81")
    url = f"ws://127.0.0.1:{hub.port}/live/{path}"
    try:
        async with connect(url, additional_headers={"Authorization": "Bearer other"}, proxy=None) as client:
            code = await close_code(client)
    except InvalidStatus as refused:
        code = refused.response.status_code
    assert code in {404, 4503}


async def test_nothing_is_compressed_so_no_frame_can_be_a_bomb(hub: LiveHub, owner: Owner) -> None:
    async with listen(hub, owner.organization_id, compression="deflate") as client:
        assert client.protocol.extensions == [], "offered, and not taken"
        await frame(client, "heartbeat")
        compressed = bytearray(Frame(Opcode.TEXT, b"\x00" * 1_000).serialize(mask=True))
        compressed[0] |= 0x40
        client.transport.write(compressed)
        assert await close_code(client) == 1002


async def test_a_dead_connection_is_known_by_three_missed_heartbeats() -> None:
    assert SILENCE_SECONDS == 3 * HEARTBEAT_SECONDS
    assert LiveBoard(position=Position(1, 1)).apply({"type": "heartbeat"}) == "heartbeat"
