"""Shards in one simulated process each, routed to as in production, and what can happen to them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from actors.api_limits import Grant
from actors.domain.commands import InboxRow
from actors.domain.views import View
from actors.organization_actor import BoardSnapshot
from actors.ports import Delivery, StaleOwnerError, UnavailableError
from actors.shard import DeliveryAnswer, Shard
from tests.fakes.network import PATIENCE_SECONDS, Network, SkewedClock
from tests.fakes.servers import Servers
from tests.fakes.simulated_loop import Process, SimulatedLoop

T = TypeVar("T")
DRAIN_SECONDS = 15.0
DEDICATED = "organization-shard-dedicated-"


@dataclass(eq=False, slots=True, kw_only=True)
class Node:
    """One process with a shard in it."""

    name: str
    shard: Shard
    clock: SkewedClock
    process: Process
    watch: "asyncio.Task[None] | None" = None
    ended: bool = False
    under_way: set["asyncio.Task[Any]"] = field(default_factory=set["asyncio.Task[Any]"])

    def finished(self, waited: "asyncio.Future[None]", call: "asyncio.Task[Any]") -> None:
        """Whoever called may have given up: what it came to is looked at here."""
        self.under_way.discard(call)
        if not call.cancelled():
            call.exception()
        _over(waited)


class Cluster:
    """Keeps `count` shards running: what dies starts again under its name, as Ray would have it."""

    def __init__(self, loop: SimulatedLoop, random: Random, servers: Servers, network: Network, *, start: int) -> None:
        self.nodes: dict[str, Node] = {}
        self.strays: list[Node] = []
        self._loop = loop
        self._random = random
        self._servers = servers
        self._network = network
        self._start = start
        self._incarnations = 0
        self.skew = 0
        self.first: Node | None = None
        self.first_dies_before: int | None = None
        self._stopping: set[asyncio.Task[None]] = set()

    async def start(self, name: str) -> None:
        """Run a shard under this name; one that bears it already goes on, unknown to the others."""
        self._incarnations += 1
        clock, process = SkewedClock(self._start, self._loop.now, self.skew), Process()
        ports = self._network.ports(self._servers, clock)
        count = len(self.nodes.keys() | {name})
        incarnation, dedicated = str(UUID(int=self._incarnations)), name.startswith(DEDICATED)
        shard = Shard(name=name, incarnation=incarnation, shards=count, ports=ports, dedicated=dedicated)
        node = Node(name=name, shard=shard, clock=clock, process=process)
        if name in self.nodes:
            self.strays.append(self.nodes[name])
        self.nodes[name] = node
        await self._loop.create_task(shard.start(), context=process.context)
        node.watch = self._loop.create_task(self._watch(node))
        if self.first is None:
            self.first = node
            if self.first_dies_before is not None:
                process.dies_before(self.first_dies_before, lambda: self.crash(node))

    def crash(self, node: Node) -> None:
        """Memory is gone, nothing is cleaned up. It starts again within 2 s unless another has its name."""
        self._end(node)
        if self.nodes.get(node.name) is node:
            self._loop.call_later(self._random.random() * 2, self._restart, node)

    def pause(self, node: Node, seconds: float, *, replaced: bool, suspended: bool) -> None:
        """Freeze a process; its name may be started anew meanwhile.

        A `suspended` one does not know how long it slept: by its own clock its leases still run.
        """
        self._loop.freeze(node.process)
        node.process.slept += seconds * suspended
        self._loop.call_later(seconds, self._resume, node)
        if replaced:
            self._loop.call_later(seconds / 3, self._restart, node)

    def stop(self, node: Node) -> None:
        """Drain a shard and end it: one fewer from now on."""
        del self.nodes[node.name]
        if node.watch is not None:
            node.watch.cancel()
        stopping = self._loop.create_task(self._drain(node))
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)

    def move_on(self, skew: int) -> None:
        """Set every clock, also of those that start later, to the same moment."""
        self.skew = skew
        for node in (*self.nodes.values(), *self.strays):
            node.clock.skew = skew

    async def stopped(self) -> None:
        """Wait for every drain under way."""
        while self._stopping:
            await asyncio.wait(self._stopping)

    def find(self, name: str) -> "Handle":
        return Handle(self, name)

    async def call(self, name: str, method: Callable[[Shard], Coroutine[Any, Any, T]]) -> T:
        """Call a shard over the network, as Ray does."""
        await self._network.ask(int)
        node = self.nodes.get(name)
        if node is None or node.ended:
            raise UnavailableError(f"{name} is gone")
        context = node.process.context.copy()
        call: asyncio.Task[T] = self._loop.create_task(method(node.shard), context=context)
        node.under_way.add(call)
        waited: asyncio.Future[None] = self._loop.create_future()
        call.add_done_callback(partial(node.finished, waited))
        timer = self._loop.call_later(PATIENCE_SECONDS, _over, waited)
        try:
            await waited
        finally:
            timer.cancel()
        if not call.done():
            raise UnavailableError(f"{name} does not answer")
        await self._network.ask(int)
        return call.result()

    async def _drain(self, node: Node) -> None:
        drain = self._loop.create_task(node.shard.stop(), context=node.process.context.copy())
        await asyncio.wait([drain], timeout=DRAIN_SECONDS)
        if drain.done() and not isinstance(drain.exception(), UnavailableError | None):
            drain.result()
        self._end(node)

    async def _watch(self, node: Node) -> None:
        try:
            await node.shard.failed()
        except* StaleOwnerError:
            self.crash(node)

    def _restart(self, node: Node) -> None:
        if self.nodes.get(node.name) is node:
            starting = self._loop.create_task(self.start(node.name))
            self._stopping.add(starting)
            starting.add_done_callback(self._stopping.discard)

    def _resume(self, node: Node) -> None:
        if not node.ended:
            self._loop.resume(node.process)

    def _end(self, node: Node) -> None:
        node.ended = True
        self._loop.freeze(node.process)
        if node.watch is not None and node.watch is not asyncio.current_task():
            node.watch.cancel()


@dataclass(frozen=True, slots=True)
class Handle:
    """A shard by its name, whichever process bears it."""

    cluster: Cluster
    name: str

    async def deliver(self, deliveries: Sequence[Delivery]) -> DeliveryAnswer:
        return await self.cluster.call(self.name, lambda shard: shard.deliver(deliveries))

    async def admit(self, organization_id: str, request: InboxRow) -> str | None:
        return await self.cluster.call(self.name, lambda shard: shard.admit(organization_id, request))

    async def slots(self, organization_id: str) -> "View | None":
        return await self.cluster.call(self.name, lambda shard: shard.slots(organization_id))

    async def grant(self, organization_id: str, wanted: int) -> Grant | None:
        return await self.cluster.call(self.name, lambda shard: shard.grant(organization_id, wanted))

    async def snapshot(self, organization_id: str) -> BoardSnapshot | None:
        return await self.cluster.call(self.name, lambda shard: shard.snapshot(organization_id))


def _over(waited: "asyncio.Future[None]") -> None:
    if not waited.done():
        waited.set_result(None)
