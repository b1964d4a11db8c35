"""How long a call that asks to begin waits for its answer: router to shard to commit and back. No Ray between."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

from actors.router import ShardRouter
from actors.shard import Shard
from serve.simulator.load.figures import Latencies
from storage.ownership import PostgresOwnership
from tests.load.bench_world import World

PATIENCE_SECONDS = 10.0
"""More than the door has, so that a slow answer is measured and not left out."""


class Asking:
    """Asks the owner by a router of its own; `outcomes` counts what was decided."""

    def __init__(self, world: World, shard: Shard) -> None:
        self._world = world
        self._router = ShardRouter(PostgresOwnership(world.pool), lambda _name: shard)
        self.outcomes: Counter[str] = Counter()

    async def pace(self, ids: Sequence[str], *, each: int, per_second: float) -> Latencies:
        """`each` requests of every organization in turn, at a fixed rate whatever the answers take."""
        taken = Latencies()
        await self._router.start()
        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for place, organization_id in enumerate([*ids] * each):
                await asyncio.sleep(max(0.0, began + place / per_second - time.perf_counter()))
                group.create_task(self._ask(organization_id, taken))
        await self._router.close()
        return taken

    async def _ask(self, organization_id: str, taken: Latencies) -> None:
        request = await self._world.request(organization_id)
        began = time.perf_counter()
        outcome = await self._router.admit(organization_id, request, seconds=PATIENCE_SECONDS)
        taken.record(time.perf_counter() - began)
        self.outcomes[outcome] += 1
