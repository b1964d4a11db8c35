"""What befalls a simulated cluster: processes that die or pause, wrong clocks, servers that forget or are away."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.fakes.cluster import DEDICATED, Cluster
from tests.fakes.feed_follower import FeedFollower
from tests.fakes.servers import Servers, Tenant

HOUR_MS = 3_600_000


class Accidents:
    """Drawn from `random`, counted in `happened`."""

    def __init__(
        self,
        random: Random,
        happened: Counter[str],
        *,
        cluster: Cluster,
        servers: Servers,
        tenants: Sequence[Tenant],
        followers: Sequence[FeedFollower],
    ) -> None:
        self._random = random
        self._happened = happened
        self._cluster = cluster
        self._servers = servers
        self._tenants = tenants
        self._followers = followers
        self._jumped = False
        self._started = 0

    def within(self, seconds: float) -> list[tuple[float, Any]]:
        """When what happens: early, so that there is something going on when a paused one wakes."""
        kinds = [
            *(self._crash, self._crash, self._pause, self._pause, self._jump, self._flush),
            *(self._lose_snapshot, self._grow, self._shrink, self._lose_temporal, self._reconnect),
            *(self._dedicate, self._share_again),
        ]
        chosen = self._random.choices(kinds, k=self._random.choice([0, 1, 1, 2, 3, 5]))
        return [(self._random.random() * seconds * 3 / 4, kind) for kind in chosen]

    async def start_one(self) -> None:
        """One shard more."""
        self._started += 1
        await self._cluster.start(f"organization-shard-{self._started - 1}")

    def cease(self) -> None:
        """A server that was away is back, a clock that was wrong is right again, and hours have passed since."""
        self._servers.temporal_away = False
        if self._jumped:
            self._cluster.move_on(3 * HOUR_MS)

    async def _crash(self) -> None:
        if (node := self._any()) is not None:
            self._happened["a shard crashes"] += 1
            self._cluster.crash(node)

    async def _pause(self) -> None:
        if (node := self._any()) is not None:
            seconds = self._random.choice([4.0, 11.0, 14.0, 14.0])
            replaced, suspended = self._random.random() < 0.3, self._random.random() < 0.7
            self._happened["a machine is suspended" if suspended else "a shard is paused"] += 1
            self._happened["a paused shard is replaced"] += replaced
            self._cluster.pause(node, seconds, replaced=replaced, suspended=suspended)

    async def _jump(self) -> None:
        if (node := self._any()) is not None:
            self._jumped = True
            self._happened["a clock is wrong by an hour"] += 1
            node.clock.skew = self._random.choice([-HOUR_MS, HOUR_MS])

    async def _flush(self) -> None:
        self._happened["Redis forgets everything"] += 1
        self._servers.flush()

    async def _lose_snapshot(self) -> None:
        self._happened["a snapshot is lost"] += 1
        self._random.choice(self._tenants).snapshot = None

    async def _grow(self) -> None:
        self._happened["a shard is added"] += 1
        await self.start_one()

    async def _shrink(self) -> None:
        strays = {stray.name for stray in self._cluster.strays}
        shared = [node for node in self._cluster.nodes.values() if not node.name.startswith(DEDICATED)]
        living = [node for node in shared if not node.process.stopped and node.name not in strays]
        if len(shared) > 1 and living:
            self._happened["a shard is taken away"] += 1
            self._cluster.stop(self._random.choice(living))

    async def _dedicate(self) -> None:
        self._happened["an organization is dedicated"] += 1
        slot = self._random.choice(self._tenants).slot
        name = f"{DEDICATED}{slot}"
        self._servers.slots[slot].pinned_to = name
        if name not in self._cluster.nodes:
            await self._cluster.start(name)

    async def _share_again(self) -> None:
        for slot in self._servers.slots.values():
            slot.pinned_to = None
        strays = {stray.name for stray in self._cluster.strays}
        for node in list(self._cluster.nodes.values()):
            if node.name.startswith(DEDICATED) and not node.process.stopped and node.name not in strays:
                self._happened["a dedicated shard is taken away"] += 1
                self._cluster.stop(node)

    async def _lose_temporal(self) -> None:
        self._happened["Temporal is away"] += 1
        self._servers.temporal_away = True

    async def _reconnect(self) -> None:
        self._happened["clients reconnect"] += 1
        for follower in self._followers:
            follower.reconnect()

    def _any(self) -> Any:
        """A shard, more often than not the owner of an organization: what befalls the others, nobody notices."""
        living = {name: node for name, node in self._cluster.nodes.items() if not node.process.stopped}
        owner = self._servers.slots[self._random.choice(self._tenants).slot].owner
        if owner in living and self._random.random() < 0.75:
            return living[owner]
        return self._random.choice([*living.values()]) if living else None
