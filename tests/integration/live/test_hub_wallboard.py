"""A wallboard's socket beside others: the same figures at the same time, and nothing of any caller on the wire."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest_asyncio
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosedError

from actors.domain.call import CallFields, Utterance
from actors.domain.commands import Hear
from actors.domain.json_types import JSON
from actors.domain.views import View
from actors.organization_actor import BoardSnapshot
from serve.identity import Identity
from serve.live.board import LiveBoard
from serve.live.hub import LiveHub
from serve.live.protocol import exactly
from storage.live_presence import LivePresence
from storage.tickets import Standing
from tests.integration.live_owner import OPTIONS, Credentials, Owner, frame, holder, listen, ring, running_hub

WORDS = "heliotrope"
NUMBER = "+15550142"
PERSON = "Marguerite"
CALLS = 30
PLANTED = [WORDS, NUMBER, PERSON, "call-"]


def wall(owner: Owner) -> Identity:
    return holder(owner.organization_id, "wallboard:read", subject="key:wall")


@pytest_asyncio.fixture
async def staffed(redis_client: Redis, owner: Owner, credentials: Credentials) -> AsyncIterator[LiveHub]:
    """A hub that tells who watches, by name."""
    credentials.keys |= {"wall": wall(owner), "key:wall": wall(owner)}

    async def names(_: str, subjects: frozenset[str]) -> dict[str, str]:
        return dict.fromkeys(subjects, PERSON)

    presence = LivePresence(redis_client)
    async with running_hub(redis_client, owner.board, credentials, presence=presence, names=names) as hub:
        yield hub


async def busy_with_callers(owner: Owner) -> None:
    """Calls with numbers and names, in which something is said."""
    for number in range(CALLS):
        fields = CallFields(customer_name=PERSON, from_number=NUMBER, to_number=NUMBER, transferred_to=NUMBER)
        rung = ring(number, seconds=number)
        await owner.publish(replace(rung, observation=replace(rung.observation, fields=fields)))
        said = Utterance(role="user", text=f"{WORDS} {number}", final=True, at=1_767_225_600_000 + number)
        await owner.publish(Hear(call_id=f"call-{number}", at=said.at, utterance=said))


async def everything(socket: ClientConnection, owner: Owner) -> list[bytes]:
    """All that a socket receives until it has come to where the owner is, as it came over the wire."""
    received: list[bytes] = []
    async with asyncio.timeout(20):
        while True:
            told = await socket.recv(decode=False)
            received.append(told)
            if exactly(told).get("position") == f"{owner.epoch}-{owner.n}":
                return received


def figures(received: list[bytes]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    for told in map(exactly, received):
        if told["type"] == "wallboard":
            state = told["state"]["figures"]
        for event in told.get("events", ()):
            state = event["figures"] if event["type"] == "wallboard-figures" else state
    return state


async def test_nothing_of_any_caller_reaches_a_wallboard(staffed: LiveHub, owner: Owner) -> None:
    await busy_with_callers(owner)
    async with (
        listen(staffed, owner.organization_id) as board,
        listen(staffed, owner.organization_id, key="wall") as on_the_wall,
    ):
        await frame(board, "presence")
        first = await everything(on_the_wall, owner)
        for _ in range(2):
            await busy_with_callers(owner)
        received = [*first, *await everything(on_the_wall, owner)]
        everywhere = b"".join(await everything(board, owner)).decode()
    async with listen(staffed, owner.organization_id, "?after=1-3", key="wall") as back:
        received += await everything(back, owner)
    assert all(each in everywhere for each in PLANTED)
    assert [each for each in PLANTED if each in b"".join(received).decode()] == []
    assert b"key:" not in b"".join(received)
    assert figures(received)["live"] == CALLS


async def test_whichever_way_it_is_let_in_a_wallboards_credential_opens_no_more(
    staffed: LiveHub, owner: Owner, credentials: Credentials
) -> None:
    credentials.tickets["walls"] = Standing(organization_id=owner.organization_id, subject="key:wall")
    credentials.keys["person"] = holder(owner.organization_id, "live:read", "wallboard:read")
    credentials.tickets["persons"] = Standing(
        organization_id=owner.organization_id, subject="person", is_for_a_wallboard=True
    )
    await busy_with_callers(owner)
    for query, key in (
        ("?ticket=walls", None),
        ("?ticket=persons", None),
        ("?view=wallboard", "person"),
        ("?view=full", "wall"),
        ("", "wall"),
    ):
        async with listen(staffed, owner.organization_id, query, key=key) as socket:
            assert exactly(await socket.recv(decode=False))["type"] == "wallboard", (query, key)
    async with listen(staffed, owner.organization_id, "?view=other", key="person") as socket:
        assert (await frame(socket))["type"] == "snapshot"


async def test_a_revoked_wallboard_is_closed_and_one_narrowed_to_figures_is_not_left_with_more(
    redis_client: Redis, owner: Owner, credentials: Credentials, monkeypatch: Any
) -> None:
    monkeypatch.setattr("serve.live.access.ADMISSION_SECONDS", 0.0)
    credentials.keys |= {"wall": wall(owner), "narrowed": holder(owner.organization_id, subject="key:narrowed")}
    async with (
        running_hub(redis_client, owner.board, credentials, OPTIONS) as hub,
        listen(hub, owner.organization_id, key="wall") as on_the_wall,
        listen(hub, owner.organization_id, key="narrowed") as board,
    ):
        await frame(on_the_wall, "wallboard")
        await frame(board, "snapshot")
        del credentials.keys["wall"]
        credentials.keys["narrowed"] = holder(owner.organization_id, "wallboard:read", subject="key:narrowed")
        assert [await closed(on_the_wall), await closed(board)] == [4001, 4503]


async def closed(socket: ClientConnection) -> int:
    try:
        async with asyncio.timeout(30):
            while True:
                await socket.recv()
    except ConnectionClosedError as over:
        return over.rcvd.code if over.rcvd else 0


async def test_frames_are_encoded_once_for_all_wallboards(staffed: LiveHub, owner: Owner, monkeypatch: Any) -> None:
    encoded = 0

    def count(_: object, events: Any) -> list[dict[str, Any]]:
        nonlocal encoded
        encoded += len(events) > 0
        return [{"type": "organization", "name": str(uuid.uuid4()), "time_zone": "UTC"}]

    monkeypatch.setattr("serve.live.wallboard.Wallboard.events", count)
    walls = [await listen(staffed, owner.organization_id, key="wall") for _ in range(5)]
    for each in walls:
        await frame(each, "heartbeat")
    await owner.call(1)
    told = {(await frame(each, "events"))["events"][0]["name"] for each in walls}
    assert (len(told), encoded) == (1, 1)
    for each in walls:
        await each.close()


async def test_an_alarm_that_another_hub_named_otherwise_ends_with_the_return(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    """As while a release is rolled out that names alarms anew: what recovered meanwhile must not stay on the wall."""
    credentials.keys |= {"wall": wall(owner)}
    shown = LiveBoard()
    incident: dict[str, JSON] = {"incident_id": "1", "rule": "silence", "call_id": "call-1", "severity": "critical"}
    incident |= {"acknowledged_at": None, "recovered_at": None, "resolved_at": None}
    place, one_hub = owner.organization_id, partial(running_hub, redis_client, owner.board, credentials)
    async with one_hub(wallboard_secret=b"one") as hub, listen(hub, place, key="wall") as on_the_wall:
        shown.apply(await frame(on_the_wall, "wallboard"))
        await owner.tell({"type": "incident", "incident": incident})
        shown.apply(await frame(on_the_wall, "events"))
        assert len(shown.alarms) == 1
    await owner.tell({"type": "incident", "incident": {**incident, "recovered_at": "2026-01-01T00:00:00.000Z"}})
    after = f"?after={shown.position}"
    async with one_hub(wallboard_secret=b"another") as hub, listen(hub, place, after, key="wall") as back:
        told = await frame(back)
        shown.apply(told)
    assert (str(shown.position), shown.alarms) == ("1-2", {})
    assert (told["type"], told["reason"]) == ("wallboard", "gap")


async def test_what_an_older_owner_does_not_tell_yet_ends_no_other_feed(
    redis_client: Redis, owner: Owner, credentials: Credentials
) -> None:
    """As while a release is rolled out: the owner's board and events lack a figure that the hub's wallboards show."""
    credentials.keys |= {"wall": wall(owner)}
    is_old = False

    async def board(asked: str) -> BoardSnapshot | None:
        told = await owner.board(asked)
        return replace(told, state={**told.state, "counters": {}}) if told is not None and is_old else told

    async with running_hub(redis_client, board, credentials, OPTIONS) as hub:
        full = await listen(hub, owner.organization_id)
        on_the_wall = await listen(hub, owner.organization_id, key="wall")
        for each in (full, on_the_wall):
            await frame(each, "heartbeat")
        told: View = {"type": "counters", "counters": {"live": 1}}
        await owner.tell(told)
        received = b'{"type":"events","position":"1-1","after":"1-0","events":[%b]}' % orjson.dumps(told)
        while (heard := await full.recv(decode=False)).startswith(b'{"type":"heartbeat"'):
            pass  # as every few seconds
        assert heard == received
        assert await closed(on_the_wall) == 0, "cut off: it is to come back"
        async with listen(hub, owner.organization_id, "?after=1-0", key="wall") as back:
            assert (await frame(back))["type"] == "wallboard", "the owner's whole has what the event lacked"
        await owner.call(1)
        assert (await frame(full, "events"))["position"] == "1-2"
        hub.check_health()
        await full.close()
    is_old = True
    async with running_hub(redis_client, board, credentials, OPTIONS) as hub:
        async with listen(hub, owner.organization_id, key="wall") as on_the_wall:
            assert await closed(on_the_wall) == 1011
        async with listen(hub, owner.organization_id) as full:
            assert orjson.loads(await full.recv())["type"] == "snapshot"
