"""A hub in a process of its own that is killed, stopped and flooded: what its clients have is exact all the same.

`make chaos` runs these at their full size, by LIVE_CLIENTS and LIVE_EVENTS.
"""

import asyncio
import os
import random
import socket
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil
import pytest_asyncio
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from serve.live.board import LiveBoard
from serve.live.peer import BUFFER_BYTES
from storage.live_position import Position
from tests.integration.live_owner import frame
from tests.load.live_hub import HubProcess, Speaker, running_hub_process

CLIENTS = int(os.environ.get("LIVE_CLIENTS", "25"))
EVENTS = int(os.environ.get("LIVE_EVENTS", "450"))
HUBS = 3
"""How many hubs serve the port, one after the other: the first is killed, the second is stopped."""
BESIDE = CLIENTS // 8
FLOOD_BYTES = 150_000_000
ENTRY_BYTES = 250_000
MIB = 1024 * 1024


@pytest_asyncio.fixture
async def speaker(redis_client: Redis) -> Speaker:
    speaker = Speaker(redis_client, str(uuid.uuid4()))
    await speaker.open()
    return speaker


def connected(hub: HubProcess, after: Position | None = None, **options: Any) -> connect:
    url = hub.url if after is None else f"{hub.url}?after={after}"
    headers = {"Authorization": f"Bearer {hub.key}"}
    return connect(url, additional_headers=headers, max_size=None, proxy=None, open_timeout=30, **options)


def marks(received: dict[str, Any]) -> list[str]:
    return [event["utterance"]["text"] for event in received.get("events", ()) if event["type"] == "utterance"]


@dataclass(slots=True)
class Returning:
    """A client that comes back to whichever hub serves the port now, and keeps what it heard in the order it did."""

    wanted: Sequence[str]
    present: asyncio.Barrier
    cuts: Random | None
    """By which it cuts its own connections now and then."""

    board: LiveBoard = field(default_factory=LiveBoard)
    heard: list[str] = field(default_factory=list[str])
    snapshots: int = 0
    cut: int = 0
    lost: int = 0

    async def follow(self, hubs: Sequence[HubProcess]) -> None:
        while not self.is_done:
            try:
                async with connected(hubs[-1], self.board.position) as opened:
                    await self._hear(opened)
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError):
                self.lost += 1
                await asyncio.sleep(random.random() * 0.1)

    @property
    def is_done(self) -> bool:
        return self.heard[-1:] == self.wanted[-1:]

    async def _hear(self, opened: ClientConnection) -> None:
        frames = self.cuts.randrange(5, 200) if self.cuts is not None else None
        while not self.is_done:
            received = await frame(opened)
            if received["type"] == "snapshot":
                self.snapshots += 1
            if self.board.apply(received) == "events":
                self.heard += marks(received)
            if received["type"] == "snapshot" and self.snapshots == 1:
                await self.present.wait()
            if frames is not None and not (frames := frames - 1):
                opened.transport.abort()
                self.cut += 1
                return


async def test_killed_and_stopped_hubs_and_cut_clients_miss_and_repeat_nothing(
    redis_url: str, speaker: Speaker
) -> None:
    wanted = [f"event-{number}" for number in range(EVENTS)]
    present = asyncio.Barrier(CLIENTS + 1)
    clients = [Returning(wanted, present, Random(number) if number % 2 else None) for number in range(CLIENTS)]
    hubs: list[HubProcess] = []
    following: list[asyncio.Task[None]] = []
    each = EVENTS // HUBS
    async with asyncio.timeout(280), asyncio.TaskGroup() as group:
        for turn in range(HUBS):
            port = hubs[-1].port if hubs else 0
            async with running_hub_process(redis_url, speaker.organization_id, port=port) as hub:
                hubs.append(hub)
                if not following:
                    following = [group.create_task(client.follow(hubs)) for client in clients]
                    await present.wait()
                is_last = turn == HUBS - 1
                for mark in wanted[turn * each : EVENTS if is_last else (turn + 1) * each]:
                    await speaker.say(mark)
                    await asyncio.sleep(0.001)
                if is_last:
                    await asyncio.gather(*following)
                elif turn == 0:
                    hub.process.kill()
    assert all(client.heard == wanted for client in clients)
    assert sum(client.cut for client in clients) > 0
    assert sum(client.lost for client in clients) >= CLIENTS * (HUBS - 1)
    assert {client.snapshots for client in clients} == {1}, "the first: nobody had to begin anew"


@dataclass(slots=True)
class Beside:
    """One that reads, beside one that does not: each frame follows what it has."""

    opened: ClientConnection
    board: LiveBoard = field(default_factory=LiveBoard)

    async def until(self, position: str) -> None:
        while str(self.board.position) != position:
            received = await frame(self.opened, "snapshot", "events")
            is_first = self.board.position is None
            assert self.board.apply(received) == ("snapshot" if is_first else "events")


async def test_a_flood_past_a_peer_that_stopped_reading_costs_its_buffer_and_no_more(
    redis_url: str, redis_client: Redis, speaker: Speaker
) -> None:
    """And costs nobody a frame: neither those beside it nor, once it is back, itself."""
    async with running_hub_process(redis_url, speaker.organization_id) as hub, AsyncExitStack() as opened:
        quick = [Beside(await opened.enter_async_context(connected(hub))) for _ in range(BESIDE)]
        await asyncio.gather(*(each.until(f"1-{speaker.n - 1}") for each in quick))
        memory = psutil.Process(hub.pid).memory_info
        narrow = socket.socket()
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        narrow.setblocking(False)
        await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", hub.port))
        async with connected(hub, sock=narrow, max_queue=1) as slow:
            first = await frame(slow, "snapshot")
            board = LiveBoard()
            board.apply(first)
            # One round of everything that is kept by design: recent entries, a frame and its parts.
            for _ in range(8):
                await flood(speaker, quick)
            before, grown = memory().rss, 0
            for _ in range(FLOOD_BYTES // (2 * ENTRY_BYTES)):
                await flood(speaker, quick)
                grown = max(grown, memory().rss - before)
            assert grown <= BUFFER_BYTES + 5 * MIB
            held = await read_to_the_end(slow, board)
        async with connected(hub, held) as resumed:
            await Beside(resumed, board).until(f"1-{speaker.n - 1}")
        assert all(each.board.state() == board.state() for each in quick)
    await redis_client.delete(f"org:{speaker.organization_id}:feed")


async def flood(speaker: Speaker, quick: Sequence[Beside]) -> None:
    """Two large entries, less than may wait for a peer, both heard by all who read."""
    for _ in range(2):
        await speaker.fill(ENTRY_BYTES)
    await asyncio.gather(*(each.until(f"1-{speaker.n - 1}") for each in quick))


async def read_to_the_end(slow: ClientConnection, board: LiveBoard) -> Position:
    """What a peer that was cut still finds on its way to it. It must have been."""
    try:
        async with asyncio.timeout(30):
            while True:
                board.apply(await frame(slow))
    except ConnectionClosed:
        assert board.position is not None
        return board.position
