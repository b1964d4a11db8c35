"""Frames that something between hub and client swallows: each hole is seen at the next frame, and mended."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from random import Random

import pytest_asyncio
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from serve.live.board import LiveBoard
from serve.live.client import Credential, Lost, Received, Update, follow
from serve.live.hub import LiveHub
from tests.integration.live_owner import Owner, exactly, listen

EVENTS = int(os.environ.get("LIVE_EVENTS", "600"))
SWALLOWED = 0.02 if EVENTS < 5_000 else 0.001
"""Of the frames: 1 in 1,000 at full size, more of the few that a short run has."""


class Leaky:
    """Passes a hub's frames on to clients, and now and then one of events or none after it for a while not."""

    def __init__(self, hub: LiveHub) -> None:
        self.hub = hub
        self._chance = Random(7)
        self.swallowed = 0
        self.swallows_next = False
        self.port = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator["Leaky"]:
        async with serve(self._pass, "127.0.0.1", 0, compression=None) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            yield self

    async def _pass(self, client: ServerConnection) -> None:
        assert client.request is not None
        url = f"ws://127.0.0.1:{self.hub.port}{client.request.path}"
        headers = {"Authorization": client.request.headers["Authorization"]}
        with contextlib.suppress(ConnectionClosed):
            async with connect(url, additional_headers=headers, max_size=None, proxy=None) as upstream:
                leaving = asyncio.create_task(client.wait_closed())
                leaving.add_done_callback(lambda _: upstream.transport.abort())
                async for told in upstream:
                    assert isinstance(told, str)
                    is_lost = self.swallows_next or self._chance.random() < SWALLOWED
                    if told.startswith('{"type":"events"') and is_lost:
                        self.swallows_next = False
                        self.swallowed += 1
                        continue
                    await client.send(told)


@pytest_asyncio.fixture
async def leaky(hub: LiveHub) -> AsyncIterator[Leaky]:
    async with Leaky(hub).running() as leaky:
        yield leaky


async def following(leaky: Leaky, owner: Owner, board: LiveBoard) -> AsyncGenerator[Update]:
    async def key() -> Credential:
        return Credential(api_key="key")

    async for update in follow(f"ws://127.0.0.1:{leaky.port}", owner.organization_id, key, board):
        yield update


async def test_swallowed_frames_are_missed_at_once_and_fetched(leaky: Leaky, owner: Owner) -> None:
    board, holes, seen = LiveBoard(), 0, set[str]()
    publishing: asyncio.Task[None] | None = None
    async with asyncio.timeout(200), aclosing(following(leaky, owner, board)) as updates:
        async for update in updates:
            if not isinstance(update, Received):
                assert not isinstance(update, Lost) or update.reason == "a frame was lost on the way"
                continue
            holes += update.applied == "hole"
            seen.add(update.applied)
            publishing = publishing or asyncio.create_task(owner.flow(EVENTS, pause=0.002))
            # Of the last frames one is swallowed, too: what follows is a heartbeat.
            if publishing.done() and str(board.position) == f"{owner.epoch}-{owner.n}":
                break
            if owner.events == EVENTS - 1:
                leaky.swallows_next = True
    assert leaky.swallowed > 0
    assert 0 < holes <= leaky.swallowed
    assert board.state()["calls"] == await calls_of(owner, leaky)
    assert "dropped" not in seen


async def calls_of(owner: Owner, leaky: Leaky) -> object:
    """What a client that begins anew is told."""
    async with listen(leaky.hub, owner.organization_id) as fresh:
        board = LiveBoard()
        board.apply(exactly(await fresh.recv(decode=False)))
        return board.state()["calls"]


async def test_a_swallowed_frame_that_nothing_follows_is_missed_at_the_next_heartbeat(
    leaky: Leaky, owner: Owner
) -> None:
    board = LiveBoard()
    told: list[str] = []
    async with asyncio.timeout(30), aclosing(following(leaky, owner, board)) as updates:
        async for update in updates:
            if not isinstance(update, Received):
                continue
            said = f"{update.frame['type']} {update.applied}"
            # A heartbeat more may come before the hub has read what it is to swallow.
            told += [said] if told[-1:] != [said] else []
            if said == "heartbeat heartbeat" and owner.n == 0:
                leaky.swallows_next = True
                await owner.call(1)
            if board.calls:
                break
    assert told == ["snapshot snapshot", "heartbeat heartbeat", "heartbeat hole", "events events"]
