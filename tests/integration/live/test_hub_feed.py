"""What the hub sends over real sockets and a real Valkey: no hole, no repeat, and nobody waits for a slow peer."""

import asyncio
import random
import socket
import uuid
from collections.abc import Sequence
from typing import Any

import psutil
import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from actors.organization_actor import BoardSnapshot
from serve.live.board import LiveBoard
from serve.live.channel import COALESCE_SECONDS
from serve.live.hub import LiveHub
from serve.live.peer import BUFFER_BYTES
from storage.live_position import Position
from storage.live_reader import FeedEntry, FeedReader
from tests.integration.live_owner import Credentials, Owner, frame, holder, listen, running_hub

BULK_BYTES = 250_000


async def test_first_connection_gets_a_snapshot_then_events(hub: LiveHub, owner: Owner) -> None:
    await owner.call(1)
    async with listen(hub, owner.organization_id) as client:
        snapshot = await frame(client, "snapshot")
        assert (snapshot["position"], snapshot["reason"]) == ("1-1", "first")
        assert snapshot["state"]["calls"][0]["call_id"] == "call-1"
        heartbeat = await frame(client, "heartbeat")
        assert heartbeat["current"] is True
        await owner.call(2)
        events = await frame(client, "events")
        assert events["position"] == "1-2"
        assert events["events"][0]["call"]["call_id"] == "call-2"


async def test_a_burst_is_gathered_into_few_frames_and_loses_nothing(hub: LiveHub, owner: Owner) -> None:
    async with listen(hub, owner.organization_id) as client:
        # By this the feed is being followed, and then it is quiet.
        await owner.call(0)
        await frame(client, "events")
        await quiet(hub, owner.organization_id)
        began = asyncio.get_running_loop().time()
        await owner.flow(300)
        frames = [await frame(client, "events")]
        assert frames[0]["position"] == "1-2", "the first is not held back"
        while frames[-1]["position"] != "1-301":
            frames.append(await frame(client, "events"))
        lasted = asyncio.get_running_loop().time() - began
    assert sum(len(evidence_of(each)) for each in frames) == 300
    assert len(frames) <= 2 + lasted / COALESCE_SECONDS[0], "one frame for each pause, however long the burst takes"


async def test_joining_under_load_leaves_no_hole_and_repeats_nothing(hub: LiveHub, owner: Owner) -> None:
    last, states = 1_500, list[Any]()

    async def watch() -> None:
        board = LiveBoard()
        async with listen(hub, owner.organization_id) as client:
            board.apply(snapshot := await frame(client, "snapshot"))
            seen: list[str] = []
            while str(board.position) != f"1-{last}":
                received = await frame(client, "events")
                assert board.apply(received) == "events", "what the client has is sent again"
                seen += evidence_of(received)
        assert seen == sorted(set(seen))
        assert len(seen) == last - int(snapshot["position"].split("-")[1])
        states.append(board.state())

    flow = asyncio.create_task(owner.flow(last))
    async with asyncio.TaskGroup() as watching:
        for _ in range(40):
            watching.create_task(watch())
            await asyncio.sleep(0.01)
    await flow
    async with listen(hub, owner.organization_id) as client:
        truth = (await frame(client, "snapshot"))["state"]
    assert [state for state in states if state != truth] == []
    assert len(states) == 40


async def test_random_cuts_and_resumptions_miss_and_repeat_nothing(hub: LiveHub, owner: Owner) -> None:
    last = 600
    randomness = random.Random(7)
    cuts: list[Position] = []

    async def watch() -> None:
        board = LiveBoard()
        seen: list[str] = []
        first = 0
        while str(board.position) != f"1-{last}":
            query = f"?after={board.position}" if board.position else ""
            async with listen(hub, owner.organization_id, query) as client:
                for _ in range(randomness.randrange(1, 8)):
                    received = await frame(client)
                    if received["type"] == "snapshot":
                        assert received["reason"] == "first"
                        first = int(received["position"].split("-")[1])
                    assert board.apply(received) != "dropped"
                    seen += evidence_of(received)
                    if str(board.position) == f"1-{last}":
                        break
                client.transport.abort()
            cuts.append(board.position or Position(0, 0))
        assert seen == sorted(set(seen))
        assert len(seen) == last - first

    async with asyncio.TaskGroup() as watching:
        for _ in range(10):
            watching.create_task(watch())
        await owner.flow(last, pause=0.002)
    assert len(cuts) > 50


async def test_what_is_older_than_memory_is_read_from_the_stream(hub: LiveHub, owner: Owner) -> None:
    await owner.flow(2_500)
    board = LiveBoard(position=Position(1, 100))
    async with listen(hub, owner.organization_id, "?after=1-100") as client:
        seen: list[str] = []
        while str(board.position) != "1-2500":
            received = await frame(client, "snapshot", "events")
            assert board.apply(received) == "events"
            seen += evidence_of(received)
    assert len(seen) == 2_400
    assert seen == sorted(set(seen))


async def test_a_resumption_that_missed_nothing_is_confirmed_at_once(hub: LiveHub, owner: Owner) -> None:
    await owner.flow(3)
    async with listen(hub, owner.organization_id, "?after=1-3") as client:
        assert (await frame(client))["type"] == "heartbeat"
        await owner.flow(1)
        followed = await frame(client, "snapshot", "events")
        assert (followed["type"], followed["position"]) == ("events", "1-4")


async def test_a_trimmed_position_gets_a_snapshot_that_says_gap(
    hub: LiveHub, owner: Owner, redis_client: Redis
) -> None:
    await owner.flow(30)
    await redis_client.xtrim(owner.key, minid="1-20", approximate=False)
    async with listen(hub, owner.organization_id, "?after=1-19") as client:
        snapshot = await frame(client)
        assert (snapshot["type"], snapshot["reason"], snapshot["position"]) == ("snapshot", "gap", "1-30")
    async with listen(hub, owner.organization_id, "?after=1-20") as client:
        assert len(evidence_of(await frame(client))) == 10


@pytest.mark.parametrize(
    "after", ["", "x", "1", "1-", "01-1", "1-1%20", "-1-1", "1-18446744073709551616", "9-9", "1-5"]
)
async def test_a_position_nobody_wrote_is_a_gap(hub: LiveHub, owner: Owner, after: str) -> None:
    async with listen(hub, owner.organization_id, f"?after={after}") as client:
        snapshot = await frame(client)
        assert snapshot["type"] == "snapshot"
        assert snapshot["reason"] == ("epoch" if after == "9-9" else "gap")


async def test_a_new_epoch_and_a_hole_each_bring_a_snapshot(hub: LiveHub, owner: Owner) -> None:
    async with listen(hub, owner.organization_id) as client:
        await frame(client, "heartbeat")
        await owner.lose()
        await owner.call(1)
        snapshot = await frame(client, "snapshot")
        assert (snapshot["reason"], snapshot["position"]) == ("gap", "1-2")
        assert {call["call_id"] for call in snapshot["state"]["calls"]} == {"call-1", "call-999"}
        await owner.open(epoch=2)
        snapshot = await frame(client, "snapshot")
        assert (snapshot["reason"], snapshot["position"]) == ("epoch", "2-0")
        await owner.call(2)
        assert (await frame(client, "events"))["position"] == "2-1"
    async with listen(hub, owner.organization_id, "?after=1-2") as client:
        assert (await frame(client))["reason"] == "epoch"


async def test_a_board_newer_than_the_feed_is_continued_without_repeating(hub: LiveHub, owner: Owner) -> None:
    owner.n += 2  # handed to the feed, not yet there
    async with listen(hub, owner.organization_id) as client:
        assert (await frame(client, "snapshot"))["position"] == "1-2"
        owner.n -= 2
        for number in range(4):
            await owner.call(number)
        received = [await frame(client, "snapshot", "events")]
        while received[-1]["position"] != "1-4":
            received.append(await frame(client, "snapshot", "events"))
    assert sum(len(evidence_of(each)) for each in received) == 2
    assert all(each["type"] == "events" for each in received)


async def test_the_socket_stays_open_while_the_owner_is_away(hub: LiveHub, owner: Owner) -> None:
    owner.away = True
    async with listen(hub, owner.organization_id) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await client.recv()
        owner.away = False
        assert (await frame(client))["type"] == "snapshot"


async def test_a_fault_in_opening_a_feed_does_not_end_it(
    hub: LiveHub, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, faults = FeedReader.newest, [ValueError("an entry that nobody can read")]

    async def newest(reader: FeedReader, organization_id: str, *, limit: int) -> Sequence[FeedEntry]:
        if faults:
            raise faults.pop()
        return await read(reader, organization_id, limit=limit)

    monkeypatch.setattr(FeedReader, "newest", newest)
    async with listen(hub, owner.organization_id) as client:
        await frame(client, "snapshot")
        await owner.call(1)
        assert (await frame(client, "events"))["position"] == "1-1"
    assert not faults


async def test_what_is_said_while_a_resumption_looks_back_is_no_gap(
    hub: LiveHub, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    await owner.call(1)
    read = FeedReader.since

    async def since(reader: FeedReader, *asked: Any, **bounds: Any) -> Any:
        told = await read(reader, *asked, **bounds)
        await owner.call(2)
        channel = hub._channels[owner.organization_id]  # pyright: ignore[reportPrivateUsage]
        async with asyncio.timeout(30):
            while channel._recent.last != Position(1, 2):  # pyright: ignore[reportPrivateUsage]  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return told

    monkeypatch.setattr(FeedReader, "since", since)
    async with listen(hub, owner.organization_id, "?after=1-1") as client:
        told = await frame(client, "snapshot", "events")
        assert (told["type"], told["position"]) == ("events", "1-2")


async def test_a_storm_builds_one_board(hub: LiveHub, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long three hundred handshakes take on a busy machine, nothing has happened that asks for another.
    monkeypatch.setattr("serve.live.boards.REUSE_SECONDS", 60.0)
    await owner.flow(20)

    here = asyncio.Barrier(300)

    async def join() -> str:
        async with listen(hub, owner.organization_id) as client:
            snapshot = await frame(client, "snapshot")
            await here.wait()
            return snapshot["position"]

    async with asyncio.TaskGroup() as storm:
        joins = [storm.create_task(join()) for _ in range(300)]
    assert {each.result() for each in joins} == {"1-20"}
    assert owner.boards_built == 1


async def test_the_feed_is_read_on_where_it_stopped_when_its_connection_breaks(
    hub: LiveHub, owner: Owner, redis_client: Redis
) -> None:
    board = LiveBoard()
    async with listen(hub, owner.organization_id) as client:
        board.apply(await frame(client, "snapshot"))
        for _ in range(5):
            await redis_client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # pyright: ignore[reportUnknownMemberType]
            await owner.flow(20)
        while str(board.position) != "1-100":
            assert board.apply(await frame(client, "snapshot", "events")) == "events"


async def test_a_peer_that_stops_reading_is_cut_and_the_others_never_notice(hub: LiveHub, owner: Owner) -> None:
    stuck = await stuck_socket(hub, owner.organization_id)
    with capture_logs() as logs:
        await _flooded(hub, owner)
    stuck.close()
    # As slow, once more than may wait did: by one frame at most.
    (cut,) = [each for each in logs if each["event"] == "peer cut off"]
    assert (cut["code"], cut["why"]) == (4008, "its buffer is full")
    assert BUFFER_BYTES < cut["waiting_bytes"] <= BUFFER_BYTES + BULK_BYTES + 1_000


async def _flooded(hub: LiveHub, owner: Owner) -> None:
    """Publish, with one who reads beside, until who does not is gone."""
    async with listen(hub, owner.organization_id) as client:
        await frame(client, "heartbeat")
        deadline = asyncio.get_running_loop().time() + 20
        grown, before = 0, psutil.Process().memory_info().rss
        board = LiveBoard(position=Position(1, 0))
        while hub.status()["sockets"] != 1:
            assert asyncio.get_running_loop().time() < deadline, "the stuck peer is still there"
            await owner.publish_bulk(BULK_BYTES)
            assert board.apply(await frame(client, "events")) == "events"
            grown = max(grown, psutil.Process().memory_info().rss - before)
        assert grown < 24 * 1024 * 1024


async def test_a_quiet_peer_that_is_behind_is_cut(hub: LiveHub, owner: Owner) -> None:
    """Far from a full buffer: what was written five seconds ago has not left."""
    stuck = await stuck_socket(hub, owner.organization_id)
    with capture_logs() as logs:
        await owner.publish_bulk(700_000)
        await sockets(hub, 0)
    stuck.close()
    assert [(each["code"], each["why"]) for each in logs if each["event"] == "peer cut off"] == [(4008, "it is behind")]


async def test_owners_are_told_who_is_looked_at_as_long_as_that_is_so(
    redis_client: Redis, owner: Owner, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.live.hub.RENEW_SECONDS", 0.0)
    told: asyncio.Queue[str] = asyncio.Queue()
    second = Owner(redis_client, str(uuid.uuid4()))
    await second.open()
    credentials.keys["second"] = holder(second.organization_id)

    async def board(organization_id: str) -> BoardSnapshot | None:
        return await (second if organization_id == second.organization_id else owner).board(organization_id)

    async with running_hub(redis_client, board, credentials, watch=told.put_nowait) as hub, asyncio.timeout(30):
        async with listen(hub, owner.organization_id) as one, listen(hub, owner.organization_id) as another:
            await frame(one, "snapshot")
            await frame(another, "snapshot")
            assert [await told.get(), await told.get()] == [owner.organization_id] * 2, "again and again"
        async with listen(hub, second.organization_id, key="second"):
            while (await told.get()) != second.organization_id:
                pass
            assert await told.get() == second.organization_id, "at the first nobody looks any more"


def evidence_of(received: dict[str, Any]) -> list[str]:
    """The time of each call event of a frame: one per entry, no two alike."""
    return [event["call"]["evidence_at"] for event in received.get("events", []) if event["type"] == "call"]


def handshake(organization_id: str) -> bytes:
    return (
        f"GET /live/{organization_id} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer key\r\n\r\n"
    ).encode()


async def stuck_socket(hub: LiveHub, organization_id: str) -> socket.socket:
    """A peer that joins and never reads."""
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(stuck, ("127.0.0.1", hub.port))
    await loop.sock_sendall(stuck, handshake(organization_id))
    await sockets(hub, 1)
    return stuck


async def quiet(hub: LiveHub, organization_id: str) -> None:
    """Wait until nothing gathers for a frame."""
    channel = hub._channels[organization_id]  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(20):
        while channel._flushing is not None:  # pyright: ignore[reportPrivateUsage]  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def sockets(hub: LiveHub, count: int) -> None:
    """Wait until the hub has so many."""
    async with asyncio.timeout(20):
        while hub.status()["sockets"] != count:  # noqa: ASYNC110  # the hub has no event for it
            await asyncio.sleep(0.02)
