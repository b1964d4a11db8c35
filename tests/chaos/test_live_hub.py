"""Promise P4 on the running stack: the hub is killed under open sockets, and nobody misses or repeats a thing.

`make chaos` runs it at its full size, by LIVE_CLIENTS and CHAOS_KILLS.
"""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field

import psutil

from serve.live.board import LiveBoard
from serve.live.client import Connected, Credential, Lost, Received, Update, follow
from serve.stack.processes import marked
from storage.live_position import BEFORE_ALL, Position
from tests.chaos.traffic import Traffic
from tests.e2e.product import PATIENCE_SECONDS, Product
from tests.running_stack import RunningStack

CLIENTS = int(os.environ.get("LIVE_CLIENTS", "12"))
KILLS = min(int(os.environ.get("CHAOS_KILLS", "1")), 5)
HUB = "ray::ServeReplica:LiveHub"


@dataclass(slots=True)
class Client:
    """A dashboard that stays, whatever becomes of its sockets."""

    product: Product
    board: LiveBoard = field(default_factory=LiveBoard)
    connected: int = 0
    lost: int = 0
    snapshots: int = 0
    seams: list[str] = field(default_factory=list[str])
    """Frames that did not follow what the board had, exactly."""
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self) -> None:
        async with aclosing(self._updates()) as updates:
            async for update in updates:
                self._note(update)
                self.moved.set()

    async def _updates(self) -> AsyncGenerator[Update]:
        async def credential() -> Credential:
            return Credential(api_key=self.product.api_key)

        held: Position | None = None
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
            case Lost():
                self.lost += 1
            case Received(frame, _):
                self.snapshots += frame["type"] == "snapshot"

    async def until(self, position: Position) -> None:
        while self.board.position is None or self.board.position < position:
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


async def watched(stack: RunningStack, product: Product, traffic: Traffic) -> Sequence[Client]:
    """Kill the hub again and again under clients; return them once all have what a newcomer is told."""
    clients = [Client(product) for _ in range(CLIENTS)]
    newcomer = Client(product)
    everybody = [*clients, newcomer]
    async with asyncio.timeout(PATIENCE_SECONDS * (KILLS + 1)), asyncio.TaskGroup() as group:
        following = [group.create_task(client.follow()) for client in clients]
        with traffic:
            await asyncio.gather(*(client.until_connected(1) for client in clients))
            for kill in range(KILLS):
                await asyncio.to_thread(traffic.acknowledged, 20)
                (before,) = await asyncio.to_thread(hubs, stack)
                os.kill(before, signal.SIGKILL)
                # Events go on while nobody serves the sockets: those are what is resumed.
                await asyncio.to_thread(traffic.acknowledged, 20)
                await asyncio.gather(*(client.until_connected(kill + 2) for client in clients))
            await asyncio.to_thread(traffic.acknowledged, 20)
        following.append(group.create_task(newcomer.follow()))
        await newcomer.until_connected(1)
        # What follows the calls goes on for a while: all are compared where all stand.
        while len({each.board.position for each in everybody}) > 1:
            newest = max(each.board.position or BEFORE_ALL for each in everybody)
            await asyncio.gather(*(each.until(newest) for each in everybody))
        told = newcomer.board.state()
        assert told["calls"]
        assert all(client.board.state() == told for client in clients)
        for each in following:
            each.cancel()
    return clients


def test_a_killed_hub_is_replaced_and_its_sockets_resume(stack: RunningStack, product: Product) -> None:
    traffic = Traffic(stack, product, seed=293, pause=0.1)
    clients = asyncio.run(watched(stack, product, traffic))
    traffic.assert_undisturbed()
    assert [client.seams for client in clients if client.seams] == []
    assert {client.snapshots for client in clients} == {1}, "the first: nobody had to begin anew"
    assert all(client.lost >= KILLS for client in clients)
    traffic.finish()
