"""One shard in a process of its own: what its organizations weigh, how fast they come up, what it applies."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from uuid import uuid4

import psutil

from actors.domain.views import View
from actors.organization_actor import OrganizationActor
from actors.ports import Delivery, Lease, LiveFeed, Ports
from actors.process import settle_heap
from actors.shard import Shard
from actors.slots import SLOTS, slot_of
from serve.config import Settings
from serve.ports import open_ports
from serve.simulator.load.figures import Latencies

READY_SECONDS = 120.0
DELIVERED_AT_ONCE = 256
AHEAD_SECONDS = 0.25

Accept: TypeAlias = Callable[[Sequence[str]], Coroutine[Any, Any, Sequence[Delivery]]]
"""Accepts one event of each organization."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Resident bytes of the process with its ports open, before and after its organizations came up."""

    empty: int
    full: int
    organizations: int
    seconds: float


def weigh(settings: Settings, organizations: int) -> Weight:
    """Run in a fresh process: bring up every organization with live calls in one shard, and weigh it."""

    async def run() -> Weight:
        ports = await open_ports(settings)
        await ports.ownership.owners()
        empty, began = _resident(), time.perf_counter()
        shard = Shard(name="bench", incarnation=str(uuid4()), shards=1, ports=ports)
        await shard.start()
        # A status looks at every call: asked all the time, it would be most of what is timed.
        await _until(lambda: shard.status()["organizations"] == organizations, every=0.5)
        weight = Weight(empty=empty, full=_resident(), organizations=organizations, seconds=time.perf_counter() - began)
        await shard.stop()
        return weight

    return asyncio.run(run())


async def activations(ports: Ports, ids: Sequence[str], *, saved: bool) -> Latencies:
    """Recover each organization in turn; with `saved`, a snapshot of its present state stands in Redis."""
    settle_heap()  # as every shard does
    taken = Latencies()
    for organization_id in ids:
        lease = Lease(slot=slot_of(organization_id), epoch=1)
        if saved:
            actor = await OrganizationActor.recover(organization_id, lease=lease, owner="bench", ports=ports)
            await actor.save(force=True)
        began = time.perf_counter()
        await OrganizationActor.recover(organization_id, lease=lease, owner="bench", ports=ports)
        taken.record(time.perf_counter() - began)
    return taken


class _WatchedFeed:
    """The real feed; tells when an entry of an organization stands in it."""

    def __init__(self, feed: LiveFeed, published: Callable[[str], None]) -> None:
        self._feed = feed
        self._published = published

    async def publish(self, organization_id: str, *, epoch: int, n: int, events: Sequence[View]) -> None:
        await self._feed.publish(organization_id, epoch=epoch, n=n, events=events)
        self._published(organization_id)


class BusyShard:
    """One shard with its ports; `apply` and `pace` hand events over and wait until they stand in the feed."""

    def __init__(self, ports: Ports) -> None:
        self._waiting: dict[str, float] = {}
        self.latencies = Latencies()
        watched = replace(ports, feed=_WatchedFeed(ports.feed, self._published))
        self.shard = Shard(name="bench", incarnation=str(uuid4()), shards=1, ports=watched)

    async def start(self, organizations: int) -> None:
        await self.shard.start()
        await _until(lambda: self.shard.status()["slots"] == SLOTS)
        await _until(lambda: self.shard.status()["organizations"] == organizations)

    async def apply(self, deliveries: Sequence[Delivery]) -> float:
        """Events a second when everything waits already: committed, and the last of each organization published."""
        before, began = self._applied(), time.perf_counter()
        self._waiting = {delivery.organization_id: began for delivery in deliveries}
        for first in range(0, len(deliveries), DELIVERED_AT_ONCE):
            await self.shard.deliver(deliveries[first : first + DELIVERED_AT_ONCE])
            await asyncio.sleep(0)
        await _until(lambda: self._applied() - before == len(deliveries) and not self._waiting)
        return len(deliveries) / (time.perf_counter() - began)

    async def pace(self, accept: Accept, ids: Sequence[str], *, per_second: float) -> Latencies:
        """Hand over an event of each at a fixed rate; latencies from the moment each was due to its entry.

        `accept` puts them into the inbox, a quarter of a second's at once and ahead: sooner, and the sweep would take
        them for forgotten.
        """
        self.latencies, began = Latencies(), time.perf_counter() + AHEAD_SECONDS
        at_once = max(1, int(per_second * AHEAD_SECONDS))
        portions = [ids[first : first + at_once] for first in range(0, len(ids), at_once)]
        accepting, place = asyncio.create_task(accept(portions[0])), 0
        for number in range(len(portions)):
            deliveries = await accepting
            if number + 1 < len(portions):
                accepting = asyncio.create_task(accept(portions[number + 1]))
            for delivery in deliveries:
                due, place = began + place / per_second, place + 1
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                self._waiting.setdefault(delivery.organization_id, due)
                await self.shard.deliver([delivery])
        await _until(lambda: not self._waiting)
        return self.latencies

    def _applied(self) -> int:
        return int(str(self.shard.status()["rows_applied"]))

    def _published(self, organization_id: str) -> None:
        due = self._waiting.pop(organization_id, None)
        if due is not None:
            self.latencies.record(time.perf_counter() - due)


def _resident() -> int:
    return psutil.Process().memory_info().rss


async def _until(condition: Callable[[], bool], *, every: float = 0.01) -> None:
    async with asyncio.timeout(READY_SECONDS):
        while not condition():  # noqa: ASYNC110  # what is looked at is not made to be waited for
            await asyncio.sleep(every)
