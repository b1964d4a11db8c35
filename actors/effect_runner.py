"""Run committed effects, a few at a time. A queue that is full drops the hint: the ledger brings it again."""

import asyncio
from collections.abc import Sequence

from actors.domain.effects import Effect
from actors.ports import PendingEffect, Ports, UnavailableError

CONCURRENT = 8
QUEUED = 2_000
FIRST_RETRY_MS = 1_000
LAST_RETRY_MS = 60_000


class EffectRunner:
    """Confirms each effect in the ledger once the world has it; a failure is delayed with growing backoff.

    Running one twice is safe: signals carry nothing and workflows rest on `effects`.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._queue: asyncio.Queue[PendingEffect] = asyncio.Queue(QUEUED)
        self._waiting: set[tuple[str, Effect]] = set()

    @property
    def waiting(self) -> int:
        """Effects queued or under way."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        return QUEUED - self._queue.qsize()

    def offer(self, effects: Sequence[PendingEffect]) -> None:
        """Queue effects that Postgres holds; one already queued, or beyond the bound, is left to the ledger."""
        for pending in effects:
            key = (pending.organization_id, pending.effect)
            if key in self._waiting or self._queue.full():
                continue
            self._waiting.add(key)
            self._queue.put_nowait(pending)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            pending = await self._queue.get()
            try:
                await self._perform(pending)
            except UnavailableError:
                # Neither confirmed nor delayed: the ledger still holds it as due.
                await asyncio.sleep(FIRST_RETRY_MS / 1000)
            finally:
                self._waiting.discard((pending.organization_id, pending.effect))

    async def _perform(self, pending: PendingEffect) -> None:
        now = self._ports.clock.now()
        try:
            await self._ports.processing.signal(pending.organization_id, pending.effect.call_id)
        except UnavailableError:
            delay = min(FIRST_RETRY_MS * 2 ** min(pending.attempts, 10), LAST_RETRY_MS)
            await self._ports.effects.delay(pending.organization_id, [pending.effect], retry_at=now + delay)
            return
        await self._ports.effects.confirm(pending.organization_id, [pending.effect], at=now)
