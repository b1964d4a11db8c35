"""Effects on their way to the world: which of them share a signal, and what becomes of those that failed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import cast

import pytest

from actors.domain.effects import Effect, SignalProcessing
from actors.effect_runner import QUEUED, EffectRunner
from actors.ports import PendingEffect, Ports, UnavailableError

NOW = 1_790_000_000_000
ORGANIZATION = "organization-1"


class Outside:
    """Clock, Temporal and the ledger; signals wait while `open` is not set."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()
        self.away = False
        self.signals: list[str] = []
        self.confirmed: list[Effect] = []
        self.delayed: list[tuple[Effect, int]] = []

    def now(self) -> int:
        return NOW

    async def signal(self, _organization_id: str, call_id: str) -> None:
        self.signals.append(call_id)
        await self.open.wait()
        if self.away:
            raise UnavailableError("Temporal is away")

    async def confirm(self, _organization_id: str, effects: list[Effect], *, at: int) -> None:
        assert at == NOW
        self.confirmed.extend(effects)

    async def delay(self, _organization_id: str, effects: list[Effect], *, retry_at: int) -> None:
        self.delayed.extend((effect, retry_at - NOW) for effect in effects)

    def ports(self) -> Ports:
        return cast("Ports", SimpleNamespace(clock=self, processing=self, effects=self))


@asynccontextmanager
async def running(runner: EffectRunner) -> AsyncGenerator[None]:
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def pending(name: str, *, call_id: str = "call-1", attempts: int = 0) -> PendingEffect:
    effect = SignalProcessing(call_id=call_id, effect=name)
    return PendingEffect(organization_id=ORGANIZATION, effect=effect, attempts=attempts)


async def idle(runner: EffectRunner) -> None:
    async with asyncio.timeout(30):
        while runner.waiting:  # noqa: ASYNC110  # the ledger announces nothing
            await asyncio.sleep(0)


async def test_what_waits_of_a_call_takes_one_signal() -> None:
    outside = Outside()
    runner = EffectRunner(outside.ports())
    effects = [pending("seen"), pending("seen", call_id="call-2"), pending("ended"), pending("report")]
    runner.offer(effects)
    assert runner.room == QUEUED - len(effects)
    async with running(runner):
        await idle(runner)
    assert sorted(outside.signals) == ["call-1", "call-2"]
    assert sorted(each.effect for each in outside.confirmed) == ["ended", "report", "seen", "seen"]
    assert runner.room == QUEUED


async def test_what_is_committed_while_a_signal_is_under_way_takes_its_own() -> None:
    outside = Outside()
    outside.open.clear()
    runner = EffectRunner(outside.ports())
    async with running(runner):
        runner.offer([pending("seen")])
        async with asyncio.timeout(30):
            while not outside.signals:  # noqa: ASYNC110
                await asyncio.sleep(0)
        runner.offer([pending("seen"), pending("ended")])
        outside.open.set()
        await idle(runner)
    assert outside.signals == ["call-1", "call-1"]
    assert sorted(each.effect for each in outside.confirmed) == ["ended", "seen"]


@pytest.mark.parametrize(("attempts", "delay_ms"), [((0, 3), 1_000), ((3, 6), 8_000), ((20, 20), 15_000)])
async def test_what_fails_together_waits_together(attempts: tuple[int, int], delay_ms: int) -> None:
    outside = Outside()
    outside.away = True
    runner = EffectRunner(outside.ports())
    runner.offer([pending("seen", attempts=attempts[0]), pending("ended", attempts=attempts[1])])
    async with running(runner):
        await idle(runner)
    assert [(each.effect, delay) for each, delay in outside.delayed] == [("seen", delay_ms), ("ended", delay_ms)]
    assert outside.confirmed == []
