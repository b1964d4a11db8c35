"""Promise P4 on the running stack: the hub is killed, multiplied and left alone, and nobody misses or repeats a thing.

`make chaos` runs all at full size, by LIVE_CLIENTS and CHAOS_KILLS; what deploys is in it alone.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import cast
from urllib.parse import urlsplit

import psutil
import pytest

from serve.identity import Identification
from serve.live.access import Access
from serve.live.board import LiveBoard
from serve.live.client import Connected, Credential, Lost, Received, Update, follow
from serve.live.hub import HubOptions, LiveHub
from serve.live.ports import Board
from serve.stack.processes import marked
from storage.api_keys import ApiKeys
from storage.live_position import BEFORE_ALL, Position
from storage.live_reader import FeedReader
from storage.postgres import close_pool, open_pool
from storage.redis import open_redis
from storage.sessions import Sessions
from storage.tickets import Tickets
from tests.chaos.test_resharding import run
from tests.chaos.traffic import Traffic
from tests.e2e.product import PATIENCE_SECONDS, Product, eventually
from tests.running_stack import RunningStack

CLIENTS = int(os.environ.get("LIVE_CLIENTS", "12"))
KILLS = min(int(os.environ.get("CHAOS_KILLS", "1")), 5)
HUB = "ray::ServeReplica:LiveHub"
DRAINED_AT_ONCE = 2
OPEN_SECONDS = 130
"""Serve's proxy cuts whatever goes through it 120 s after any application was deployed; a hub's socket does not."""
deploys = pytest.mark.skipif("CHAOS_KILLS" not in os.environ, reason="belongs to make chaos: it deploys")
UNRELATED = """
import sys
from ray import serve
from serve.stack.cluster_client import joined_cluster

class Unrelated:
    def __init__(self, release):
        self.release = release

    def __call__(self):
        return self.release

with joined_cluster():
    deployment = serve.deployment(name="Unrelated", ray_actor_options={"num_cpus": 0})(Unrelated)
    if sys.argv[1] == "gone":
        serve.delete("unrelated")
    else:
        serve.run(deployment.bind(sys.argv[1]), name="unrelated", route_prefix="/unrelated")
"""
SCALED = """
import sys
from ray import serve
from serve.app import applications
from serve.stack.cluster_client import joined_cluster

with joined_cluster() as settings:
    targets = applications(settings.model_copy(update={"hub_replicas": int(sys.argv[1])}))
    serve.run_many([each for each in targets if each.name == "LiveHub"])
"""
"""As a deploy with another HUB_REPLICAS does."""


@dataclass(slots=True)
class Client:
    """A dashboard that stays, whatever becomes of its sockets."""

    product: Product
    board: LiveBoard = field(default_factory=LiveBoard)
    connected: int = 0
    is_here: bool = False
    lost: list[str] = field(default_factory=list[str])
    """Why, each time."""
    snapshots: int = 0
    seams: list[str] = field(default_factory=list[str])
    """Frames that did not follow what the board had, exactly."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    following: asyncio.Task[None] | None = None

    def leave(self) -> None:
        if self.following is not None:
            self.following.cancel()

    async def come_anew(self) -> None:
        """Leave, and come back with what it has: to whoever serves the port now."""
        self.leave()
        self.is_here = False
        self.following = asyncio.create_task(self.follow())
        await self.until_here()

    async def follow(self) -> None:
        async with aclosing(self._updates()) as updates:
            async for update in updates:
                self._note(update)
                self.moved.set()

    async def _updates(self) -> AsyncGenerator[Update]:
        async def credential() -> Credential:
            return Credential(api_key=self.product.api_key)

        held = self.board.position
        async for update in follow(self.product.live_url, self.product.organization_id, credential, self.board):
            if isinstance(update, Received) and update.frame["type"] == "events":
                after, position = update.frame["after"], update.frame["position"]
                if (after, update.applied) != (str(held), "events"):
                    self.seams.append(f"{update.applied} at {held}: {after} to {position}")
            held = self.board.position
            yield update

    def _note(self, update: Update) -> None:
        match update:
            case Connected():
                self.connected += 1
                self.is_here = True
            case Lost(reason, _):
                self.lost.append(reason)
                self.is_here = False
            case Received(frame, _):
                self.snapshots += frame["type"] == "snapshot"

    async def until(self, position: Position) -> None:
        while self.board.position is None or self.board.position < position:
            self.moved.clear()
            await self.moved.wait()

    async def until_here(self) -> None:
        while not self.is_here:
            self.moved.clear()
            await self.moved.wait()

    async def until_connected(self, times: int) -> None:
        while self.connected < times or self.snapshots == 0:
            self.moved.clear()
            await self.moved.wait()


def hubs(stack: RunningStack) -> set[int]:
    found: set[int] = set()
    for process in marked(stack.data.marker):
        with suppress(psutil.Error):
            if process.cmdline()[:1] and process.cmdline()[0].startswith(HUB):
                found.add(process.pid)
    return found


Disturb = Callable[[Sequence[Client], Traffic], Awaitable[None]]


async def killing(stack: RunningStack, clients: Sequence[Client], traffic: Traffic) -> None:
    """Kill the hub again and again."""
    for kill in range(KILLS):
        await asyncio.to_thread(traffic.acknowledged, 20)
        (before,) = await asyncio.to_thread(hubs, stack)
        os.kill(before, signal.SIGKILL)
        # Events go on while nobody serves the sockets: those are what is resumed.
        await asyncio.to_thread(traffic.acknowledged, 20)
        await asyncio.gather(*(client.until_connected(kill + 2) for client in clients))


def until_there_are(stack: RunningStack, count: int) -> None:
    eventually(lambda: len(hubs(stack)) == count or None, what=lambda: f"hubs: {hubs(stack)}")


async def deploying_another(stack: RunningStack, _clients: Sequence[Client], _traffic: Traffic) -> None:
    """Deploy an application that has nothing to do with the hub, its next release, and wait; then take it away."""
    for release in ("one", "two"):
        await asyncio.to_thread(run, stack, release, command=(sys.executable, "-c", UNRELATED))
    await asyncio.sleep(OPEN_SECONDS)
    await asyncio.to_thread(run, stack, "gone", command=(sys.executable, "-c", UNRELATED))


async def scaling(stack: RunningStack, clients: Sequence[Client], traffic: Traffic) -> None:
    """From one hub to three and back."""
    for count in (3, 1):
        await asyncio.to_thread(run, stack, str(count), command=(sys.executable, "-c", SCALED))
        # Those replaced end when they have sent their sockets away.
        await asyncio.to_thread(until_there_are, stack, count)
        await asyncio.to_thread(traffic.acknowledged, 20)
        await asyncio.gather(*(client.until_here() for client in clients))


async def taking_one_away(stack: RunningStack, clients: Sequence[Client], traffic: Traffic) -> None:
    """Serve the port by a second hub beside the stack's own, until some came to it, and then send those on."""
    async with beside(stack) as hub:
        while cast("int", hub.status()["sockets"]) <= DRAINED_AT_ONCE:
            # The kernel shares out who comes.
            await asyncio.gather(*(client.come_anew() for client in clients))
        await asyncio.to_thread(traffic.acknowledged, 5)
    await asyncio.gather(*(client.until_here() for client in clients))


@asynccontextmanager
async def beside(stack: RunningStack) -> AsyncGenerator[LiveHub]:
    """A hub in this process at the stack's port. It has no boards: whoever comes to it is to resume."""

    async def board(organization_id: str) -> Board | None:
        raise AssertionError(f"{organization_id} is begun anew")

    port = urlsplit(stack.product().live_url).port
    assert port is not None
    async with open_redis(stack.setting("REDIS_URL")) as redis:
        pool = await open_pool(stack.setting("DATABASE_URL"), size=1, name="a second hub")
        try:
            known = Identification(pool=pool, api_keys=ApiKeys(pool), sessions=Sessions(redis))
            hub = LiveHub(
                HubOptions(port=port),
                feed=FeedReader(redis),
                boards=board,
                access=Access(Tickets(redis), known),
                watch=lambda _: None,
                wallboard_secret=b"",
            )
            await hub.start()
            try:
                yield hub
            finally:
                await hub.stop()
        finally:
            await close_pool(pool)


async def watched(product: Product, traffic: Traffic, disturb: Disturb, *, seconds: float) -> Sequence[Client]:
    """Disturb the hub under clients; return them once all have what a newcomer is told."""
    clients = [Client(product) for _ in range(CLIENTS)]
    newcomer = Client(product)
    everybody = [*clients, newcomer]
    async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
        for client in clients:
            client.following = group.create_task(client.follow())
        with traffic:
            await asyncio.gather(*(client.until_connected(1) for client in clients))
            await disturb(clients, traffic)
            await asyncio.to_thread(traffic.acknowledged, 20)
        newcomer.following = group.create_task(newcomer.follow())
        await newcomer.until_connected(1)
        # What follows the calls goes on for a while: all are compared where all stand.
        while len({each.board.position for each in everybody}) > 1:
            newest = max(each.board.position or BEFORE_ALL for each in everybody)
            await asyncio.gather(*(each.until(newest) for each in everybody))
        told = newcomer.board.state()
        assert told["calls"]
        assert all(client.board.state() == told for client in clients)
        for each in everybody:
            each.leave()
    return clients


def test_a_killed_hub_is_replaced_and_its_sockets_resume(stack: RunningStack, product: Product) -> None:
    traffic = Traffic(stack, product, seed=293, pause=0.1)
    clients = asyncio.run(watched(product, traffic, partial(killing, stack), seconds=PATIENCE_SECONDS * (KILLS + 1)))
    traffic.assert_undisturbed()
    assert_exact(clients)
    assert all(len(client.lost) >= KILLS for client in clients)
    traffic.finish()


def test_a_hub_that_is_taken_away_sends_its_sockets_on_and_they_resume(
    stack: RunningStack, product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What scaling comes to, without a deploy: batch after batch while events go on."""
    monkeypatch.setattr("serve.live.hub.DRAIN_PEERS", DRAINED_AT_ONCE)
    traffic = Traffic(stack, product, seed=296, calls=4, pause=0.05)
    clients = asyncio.run(watched(product, traffic, partial(taking_one_away, stack), seconds=PATIENCE_SECONDS))
    assert_exact(clients)
    lost = [client.lost for client in clients if client.lost]
    assert len(lost) > DRAINED_AT_ONCE
    assert all(each == ["1012 restart"] for each in lost), "once: the stack's own took them"
    traffic.finish()


@deploys
@pytest.mark.timeout(900)
def test_another_applications_releases_close_no_socket(stack: RunningStack, product: Product) -> None:
    traffic = Traffic(stack, product, seed=294, pause=0.1)
    clients = asyncio.run(watched(product, traffic, partial(deploying_another, stack), seconds=600))
    assert_exact(clients)
    assert [client.lost for client in clients if client.lost] == []
    traffic.finish()


@deploys
@pytest.mark.timeout(900)
def test_from_one_hub_to_three_and_back_every_socket_resumes(stack: RunningStack, product: Product) -> None:
    traffic = Traffic(stack, product, seed=295, pause=0.1)
    clients = asyncio.run(watched(product, traffic, partial(scaling, stack), seconds=600))
    traffic.assert_undisturbed()
    assert_exact(clients)
    assert all(client.lost for client in clients), "the one that was, at least, was replaced"
    assert len(hubs(stack)) == 1
    traffic.finish()


def assert_exact(clients: Sequence[Client]) -> None:
    assert [client.seams for client in clients if client.seams] == []
    assert {client.snapshots for client in clients} == {1}, "the first: nobody had to begin anew"
