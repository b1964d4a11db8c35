"""A hub in a process of its own that many join while much is said by many, and that is told nonsense.

`make chaos` runs these at their full size: 500 join within 10,000 events, 8 publish 5,000 each to 200, 10,000 frames
are nonsense.
"""

import asyncio
import os
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson
import psutil
import pytest_asyncio
from redis.asyncio import Redis

from actors.domain.views import View
from actors.feed_tail import FeedTail
from actors.ports import Lease
from serve.simulator.load.sockets import LiveSocket, RefusedError, open_socket
from storage.live_feed import RedisLiveFeed
from tests.integration.live.test_hub_doors import handshake
from tests.integration.live.test_hub_faults import CLIENTS, EVENTS, MIB, connected
from tests.integration.live_owner import frame
from tests.load.live_hub import CALLS, HubProcess, Speaker, running_hub_process

JOINING = int(os.environ.get("LIVE_JOINING", "60"))
EVENTS_PER_SECOND = 1_000
AT_ONCE = 10
"""Join at once."""
PUBLISHERS = 8
OF_EACH = EVENTS // 2
NOISE_BYTES = 1_000
BROKEN = EVENTS // 20
"""Connections whose frames are none."""
GROWTH_BYTES = 8 * MIB


@pytest_asyncio.fixture
async def speaker(redis_client: Redis) -> Speaker:
    speaker = Speaker(redis_client, str(uuid.uuid4()))
    await speaker.open()
    return speaker


@lru_cache(8_192)
def decoded(told: bytes) -> Mapping[str, Any]:
    """Sockets receive alike: what many do is decoded once."""
    return orjson.loads(told)


@dataclass(slots=True)
class Joined:
    """What a socket received, in order."""

    last: bytes
    """Ends the position of the last frame that is awaited."""
    frames: list[bytes] = field(default_factory=list[bytes])
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, told: bytes, _arrived: float) -> None:
        self.frames.append(told)
        if self.last in told[:80]:
            self.done.set()

    def assert_exact(self, wanted: Sequence[str]) -> None:
        """A whole first, then frames that each begin where the one before ended, and in them each event once."""
        first, *rest = [each for each in map(decoded, self.frames) if each["type"] in {"snapshot", "events"}]
        assert first["type"] == "snapshot"
        held, heard = first["position"], list[str]()
        for each in rest:
            assert (each["type"], each["after"]) == ("events", held)
            held = each["position"]
            heard += [event["utterance"]["text"] for event in each["events"] if event["type"] == "utterance"]
        said_before = int(first["position"].split("-")[1]) - CALLS
        assert heard == wanted[said_before:]


async def joining(hub: HubProcess, client: "Joined | Hearing") -> LiveSocket:
    while True:
        try:
            return await open_socket(hub.url, hub.key, client.take)
        except (RefusedError, OSError):  # it lets in so many a second, and says so
            await asyncio.sleep(0.2)


async def test_many_join_while_much_is_said_without_a_hole_or_a_repetition(redis_url: str, speaker: Speaker) -> None:
    wanted = [f"event-{number}" for number in range(EVENTS)]
    last = f'"position":"1-{CALLS + EVENTS}"'.encode()
    clients = [Joined(last) for _ in range(JOINING)]
    sockets: list[asyncio.Task[LiveSocket]] = []
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(250), running_hub_process(redis_url, speaker.organization_id) as hub:
        began = loop.time()
        for number, mark in enumerate(wanted):
            await speaker.say(mark)
            while len(sockets) < JOINING * (number + 1) // EVENTS:
                sockets.append(asyncio.create_task(joining(hub, clients[len(sockets)])))
                if len(sockets) > AT_ONCE:  # so that none is left for when all is said, however slow the hub is
                    await sockets[-AT_ONCE]
            await asyncio.sleep(max(0.0, began + number / EVENTS_PER_SECOND - loop.time()))
        opened = await asyncio.gather(*sockets)
        await asyncio.gather(*(client.done.wait() for client in clients))
        assert all(each.is_open for each in opened)
        for each in opened:
            each.close()
    for client in clients:
        client.assert_exact(wanted)
    caught_up = {decoded(client.frames[1])["position"] for client in clients}
    assert len(caught_up) > 5, "they came at all times"


@lru_cache(8_192)
def marks_of(told: bytes) -> Sequence[str]:
    events = decoded(told).get("events", ())
    return [event["utterance"]["text"] for event in events if event["type"] == "utterance"]


@dataclass(slots=True)
class Hearing:
    """What a socket was told, as a digest: that of thousands of events at hundreds of sockets is too much to keep."""

    count: int = 0
    digest: Any = field(default_factory=blake2b)
    last: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, told: bytes, _arrived: float) -> None:
        for mark in marks_of(told):
            self.count += 1
            self.digest.update(f"{mark}\n".encode())
        if self.count >= PUBLISHERS * OF_EACH:
            self.last.set()


async def test_what_many_publish_at_once_is_heard_by_all_in_one_order(redis_url: str, redis_client: Redis) -> None:
    """They share the owner's tail, as an organization's webhooks do: what is added to it goes to the feed in order."""
    organization_id = str(uuid.uuid4())
    tail = FeedTail(organization_id, lease=Lease(slot=0, epoch=1), feed=RedisLiveFeed(redis_client), first_n=0)
    await tail.publish()
    one_at_a_time = asyncio.Lock()
    order: list[str] = []

    async def publish(publisher: int) -> None:
        for number in range(OF_EACH):
            order.append(mark := f"{publisher}:{number}")
            said: View = {"role": "user", "text": mark, "final": True, "at": "2026-01-01T00:00:00.000Z"}
            tail.add([{"type": "utterance", "call_id": f"call-{publisher}", "utterance": said}])
            async with one_at_a_time:
                await tail.publish()

    hearing = [Hearing() for _ in range(CLIENTS)]
    async with asyncio.timeout(280), running_hub_process(redis_url, organization_id) as hub:
        sockets = await asyncio.gather(*(joining(hub, each) for each in hearing))
        async with asyncio.TaskGroup() as publishing:
            for publisher in range(PUBLISHERS):
                publishing.create_task(publish(publisher))
        await asyncio.gather(*(each.last.wait() for each in hearing))
        for each in sockets:
            each.close()
    for publisher in range(PUBLISHERS):
        told = [mark for mark in order if mark.startswith(f"{publisher}:")]
        assert told == [f"{publisher}:{number}" for number in range(OF_EACH)]
    assert order != sorted(order), "they took turns"
    wanted = blake2b("".join(f"{mark}\n" for mark in order).encode()).hexdigest()
    assert {each.digest.hexdigest() for each in hearing} == {wanted}


async def test_nonsense_costs_no_memory_and_closes_nobody(redis_url: str, speaker: Speaker) -> None:
    chance = random.Random(11)
    async with (
        asyncio.timeout(250),
        running_hub_process(redis_url, speaker.organization_id) as hub,
        connected(hub) as quiet,
        connected(hub) as noisy,
    ):
        memory = psutil.Process(hub.pid).memory_info
        await frame(quiet, "heartbeat")

        async def noise(count: int) -> None:
            for _ in range(count):
                told = chance.randbytes(chance.randrange(NOISE_BYTES))
                await noisy.send(told if chance.random() < 0.5 else told.hex())
            # Answered after all that was sent before it.
            await (await noisy.ping())

        async def broken(count: int) -> None:
            for _ in range(count):
                reader, writer = await asyncio.open_connection("127.0.0.1", hub.port)
                writer.write(handshake(speaker.organization_id) if chance.random() < 0.5 else b"")
                writer.write(chance.randbytes(chance.randrange(NOISE_BYTES)))
                writer.write_eof()
                await reader.read()
                writer.close()

        await noise(EVENTS // 10)
        await broken(BROKEN // 5)
        before = memory().rss
        await noise(EVENTS)
        await broken(BROKEN)
        assert memory().rss - before <= GROWTH_BYTES
        await speaker.say("after all that")
        for each in (quiet, noisy):
            told = await frame(each, "events")
            assert told["events"][0]["utterance"]["text"] == "after all that"
