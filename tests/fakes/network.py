"""Ports over a simulated network: a call takes time, may be lost on its way there or back, and outlives its caller."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, TypeVar, cast

from actors.ports import (
    Effects,
    Journal,
    LiveFeed,
    Ownership,
    PortError,
    Ports,
    Processing,
    SnapshotStore,
    UnavailableError,
)
from tests.fakes.servers import Servers

T = TypeVar("T")
PATIENCE_SECONDS = 2.0
"""How long a caller waits for a server; a statement is ended by then."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """Shares of calls that fail, each in its way."""

    unavailable: float = 0.0
    answer_lost: float = 0.0
    slow: float = 0.0

    def cease(self) -> None:
        self.unavailable = self.answer_lost = self.slow = 0.0


class Network:
    """Carries requests. What was sent arrives, whatever becomes of the sender."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, random: Random, faults: Faults, happened: "Counter[str]"
    ) -> None:
        self._loop = loop
        self._happened = happened
        self._draw = random.random
        self._faults = faults
        self._servers = Context()

    def ask(self, serve: Callable[..., T], *args: Any, **named: Any) -> "asyncio.Future[T]":
        """Have the server do it, sooner or later. Fails with what `serve` raises, and with UnavailableError."""
        loop, faults, draw = self._loop, self._faults, self._draw()
        answer: asyncio.Future[T] = loop.create_future()
        if slow := draw > 1 - faults.slow:
            self._happened["a request is slow"] += 1
        delay = self._draw() * (PATIENCE_SECONDS - 0.1 if slow else 0.004)
        if draw < faults.unavailable:
            self._happened["a server is away"] += 1
            loop.call_later(delay, _refuse, answer, context=self._servers)
        elif draw < faults.unavailable + faults.answer_lost:
            self._happened["an answer is lost"] += 1
            loop.call_later(delay, _serve, loop.create_future(), serve, args, named, context=self._servers)
            loop.call_later(PATIENCE_SECONDS, _refuse, answer, context=self._servers)
        else:
            loop.call_later(delay, _serve, answer, serve, args, named, context=self._servers)
        return answer

    def ports(self, servers: Servers, clock: "SkewedClock") -> Ports:
        port = cast("Any", _Port(self, servers))
        return Ports(
            journal=cast("Journal", port),
            effects=cast("Effects", port),
            ownership=cast("Ownership", port),
            snapshots=cast("SnapshotStore", port),
            feed=cast("LiveFeed", port),
            processing=cast("Processing", port),
            clock=clock,
        )


class _Port:
    """Every port at once: a method of the servers by its name, over the network."""

    def __init__(self, network: Network, servers: Servers) -> None:
        self._network = network
        self._servers = servers

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Any]]:
        call = self.__dict__[method] = partial(self._network.ask, getattr(self._servers, method))
        return call


@dataclass(slots=True)
class SkewedClock:
    """A wall clock that may be wrong by `skew` ms."""

    start: int
    time: Callable[[], float]
    skew: int = 0

    def now(self) -> int:
        return self.start + int(self.time() * 1000) + self.skew


def _refuse(answer: "asyncio.Future[Any]") -> None:
    if not answer.done():
        answer.set_exception(UnavailableError("away"))


def _serve(answer: "asyncio.Future[Any]", serve: Callable[..., Any], args: Any, named: Any) -> None:
    try:
        result = serve(*args, **named)
    except PortError as refusal:
        if not answer.done():
            answer.set_exception(refusal)
    else:
        if not answer.done():
            answer.set_result(result)
