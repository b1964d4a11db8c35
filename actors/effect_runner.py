"""Run committed effects, a few at a time. A queue that is full drops the hint: the ledger brings it again."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

from actors.domain.effects import Effect
from actors.ports import PendingEffect, Ports, UnavailableError

CONCURRENT = 8
QUEUED = 2_000
FIRST_RETRY_MS = 1_000
LAST_RETRY_MS = 15_000

_Call: TypeAlias = tuple[str, str]
"""Organization and call."""


class EffectRunner:
    """Confirms each effect in the ledger once the world has it; a failure is delayed with growing backoff.

    Effects of one call that wait together take one signal: it carries nothing, and the workflow reads what Postgres
    holds by then. Running one twice is safe: workflows rest on `effects`.
    """

    def __init__(self, ports: Ports) -> None:
        self._ports = ports
        self._calls: asyncio.Queue[_Call] = asyncio.Queue()
        self._queued: dict[_Call, list[PendingEffect]] = {}
        self._waiting: set[tuple[str, Effect]] = set()
        self._queued_effects = 0

    @property
    def waiting(self) -> int:
        """Effects queued or under way."""
        return len(self._waiting)

    @property
    def room(self) -> int:
        return QUEUED - self._queued_effects

    def offer(self, effects: Sequence[PendingEffect]) -> None:
        """Queue effects that Postgres holds; one already queued, or beyond the bound, is left to the ledger."""
        for pending in effects:
            key = (pending.organization_id, pending.effect)
            if key in self._waiting or self.room <= 0:
                continue
            self._waiting.add(key)
            self._queued_effects += 1
            call = (pending.organization_id, pending.effect.call_id)
            if call in self._queued:
                self._queued[call].append(pending)
            else:
                self._queued[call] = [pending]
                self._calls.put_nowait(call)

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(CONCURRENT):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            call = await self._calls.get()
            # What is queued of the call from here on was committed later: it needs a signal of its own.
            together = self._queued.pop(call)
            self._queued_effects -= len(together)
            try:
                await self._perform(call, together)
            except UnavailableError:
                # Neither confirmed nor delayed: the ledger still holds them as due.
                await asyncio.sleep(FIRST_RETRY_MS / 1000)
            finally:
                self._waiting.difference_update((pending.organization_id, pending.effect) for pending in together)

    async def _perform(self, call: _Call, together: Sequence[PendingEffect]) -> None:
        organization_id, call_id = call
        effects = [pending.effect for pending in together]
        now = self._ports.clock.now()
        try:
            await self._ports.processing.signal(organization_id, call_id)
        except UnavailableError:
            attempts = min(pending.attempts for pending in together)
            delay = min(FIRST_RETRY_MS * 2 ** min(attempts, 10), LAST_RETRY_MS)
            await self._ports.effects.delay(organization_id, effects, retry_at=now + delay)
            return
        await self._ports.effects.confirm(organization_id, effects, at=now)
