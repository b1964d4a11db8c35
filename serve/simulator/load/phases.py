"""Phases that post webhooks: at a fixed rate for latency, as fast as answers come for throughput.

Times are of the monotonic clock, not of the loop: uvloop's advances by whole milliseconds.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic as now
from typing import Final

from serve.simulator.load.figures import Figure, Latencies, Measured, percentiles
from serve.simulator.load.http1 import LOST, Endpoint, Exchange
from serve.simulator.load.templates import CHATTER, LIFECYCLE, CallIds, Templates

CONNECTIONS: Final = 32
_CALLS_AT_ONCE: Final = 40
_LAST_ANSWER_SECONDS: Final = 15.0
_MAX_WAITING: Final = 20_000
_MAX_LOST: Final = 200
_ACK_BUDGETS_MS: Final = {50.0: 5.0, 99.0: 25.0}

Answered = Callable[[int, float], None]
"""Called with the status and the seconds since the request should have left."""


class OpenLoop:
    """Sends at the times it was given, whatever became of the requests before.

    Latency counts from the intended time, not from when a connection was free: a server that stalls is charged for
    everything that should have been sent meanwhile (no coordinated omission).
    """

    def __init__(self, endpoint: Endpoint, exchanges: Sequence[Exchange]) -> None:
        self._endpoint = endpoint
        self._idle = deque(exchanges)
        self._waiting: deque[tuple[float, bytes, Answered]] = deque()
        self._outstanding = 0
        self._quiet = asyncio.Event()
        self._reconnecting: set[asyncio.Task[None]] = set()

    def send(self, intended: float, body: bytes, answered: Answered) -> None:
        """Send now, or as soon as a connection is free. Raises OverflowError when too many wait."""
        if len(self._waiting) >= _MAX_WAITING:
            raise OverflowError("the server has stalled: too many requests wait for a connection")
        self._outstanding += 1
        self._waiting.append((intended, self._endpoint.request(body), answered))
        self._next()

    async def drain(self) -> int:
        """Wait for the last answers, for a bounded time; returns how many never came."""
        if self._outstanding:
            self._quiet.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._quiet.wait(), _LAST_ANSWER_SECONDS)
        for task in self._reconnecting:
            task.cancel()
        return self._outstanding

    def _next(self) -> None:
        while self._idle and self._waiting:
            exchange = self._idle.popleft()
            intended, request, answered = self._waiting.popleft()
            exchange.send(request, partial(self._answered, exchange, intended, answered))

    def _answered(self, exchange: Exchange, intended: float, answered: Answered, status: int) -> None:
        self._outstanding -= 1
        if not self._outstanding:
            self._quiet.set()
        answered(status, now() - intended)
        if exchange.is_open:
            self._idle.append(exchange)
            self._next()
        else:
            task = asyncio.create_task(self._replace())
            self._reconnecting.add(task)
            task.add_done_callback(self._reconnecting.discard)

    async def _replace(self) -> None:
        try:
            self._idle.append(await self._endpoint.connect())
        except OSError:
            return
        self._next()


async def acknowledgement(endpoint: Endpoint, templates: Templates, *, rate: float, seconds: float) -> Measured:
    """Latency of the ack to a mix of types as real calls have it, from the intended time of sending."""
    exchanges = [await endpoint.connect() for _ in range(CONNECTIONS)]
    sender = OpenLoop(endpoint, exchanges)
    latencies = {kind: Latencies() for kind in ("all", LIFECYCLE, CHATTER)}
    measured = Measured()

    def answered(kind: str, status: int, elapsed: float) -> None:
        measured.answers[status] += 1
        if status // 100 == 2:  # noqa: PLR2004
            latencies["all"].record(elapsed)
            latencies[kind].record(elapsed)

    mixed = templates.mixed(CallIds(time.time_ns() // 1_000_000), at_once=_CALLS_AT_ONCE)
    stream = iter(mixed)
    start = now() + 0.1
    for number in range(round(rate * seconds)):
        template, body = next(stream)
        intended = start + number / rate
        await asyncio.sleep(max(0.0, intended - now()))
        sender.send(intended, body, partial(answered, template.kind))
    measured.answers[LOST] += await sender.drain()
    await finish(endpoint, mixed.remaining())
    for exchange in exchanges:
        exchange.close()
    name = f"ack at {rate:g}/s"
    measured.figures += percentiles(f"{name}, mixed", latencies["all"], _ACK_BUDGETS_MS)
    for kind in (LIFECYCLE, CHATTER):
        measured.figures += percentiles(f"{name}, {kind}", latencies[kind], {}, of=(50, 99))
    return measured


async def chatter(endpoint: Endpoint, templates: Templates, *, seconds: float) -> Measured:
    """Transcripts per second, each connection those of one call."""
    ids = CallIds(time.time_ns() // 1_000_000)
    call_ids: list[bytes] = []

    def bodies() -> Iterator[bytes]:
        call_ids.append(ids.fresh())
        body = templates.transcript.render(call_ids[-1])
        while True:
            yield body

    name = f"chatter, {templates.transcript.size / 1000:.0f} KB"
    measured = await _saturate(endpoint, name, bodies, seconds=seconds, budget=1_000)
    await finish(endpoint, [templates.ended.render(call_id) for call_id in call_ids])
    return measured


async def statuses(endpoint: Endpoint, templates: Templates, *, seconds: float) -> Measured:
    """Status updates per second, committed: beginning and end of fresh calls in turn."""
    ids = CallIds(time.time_ns() // 1_000_000)
    size = (templates.in_progress.size + templates.ended.size) / 2000

    def bodies() -> Iterator[bytes]:
        while True:
            call_id = ids.fresh()
            yield templates.in_progress.render(call_id)
            yield templates.ended.render(call_id)

    return await _saturate(endpoint, f"status updates, {size:.0f} KB", bodies, seconds=seconds, budget=600)


async def reports(endpoint: Endpoint, templates: Templates, *, seconds: float) -> Measured:
    """End-of-call reports per second, committed, each of a fresh call."""
    ids = CallIds(time.time_ns() // 1_000_000)

    def bodies() -> Iterator[bytes]:
        while True:
            yield templates.report.render(ids.fresh())

    name = f"end-of-call reports, {templates.report.size / 1000:.0f} KB"
    return await _saturate(endpoint, name, bodies, seconds=seconds, budget=600)


async def _saturate(
    endpoint: Endpoint,
    name: str,
    bodies: Callable[[], Iterator[bytes]],
    *,
    seconds: float,
    budget: float,
) -> Measured:
    """Keep every connection busy; count what is answered with 2xx after a short start."""
    loop = asyncio.get_running_loop()
    measured, latencies = Measured(), Latencies()
    counted_from = now() + min(1.0, seconds / 4)
    until = counted_from + seconds
    counted = 0

    async def keep_busy(stream: Iterator[bytes]) -> None:
        nonlocal counted
        exchange = await endpoint.connect()
        while (sent_at := now()) < until and measured.answers[LOST] < _MAX_LOST:
            answer: asyncio.Future[int] = loop.create_future()
            exchange.send(endpoint.request(next(stream)), answer.set_result)
            status = await answer
            measured.answers[status] += 1
            answered_at = now()
            if status // 100 == 2 and counted_from <= answered_at < until:  # noqa: PLR2004
                counted += 1
                latencies.record(answered_at - sent_at)
            if not exchange.is_open:
                exchange = await endpoint.connect()
        exchange.close()

    async with asyncio.timeout(seconds + _LAST_ANSWER_SECONDS + 1), asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(keep_busy(bodies()))
    measured.figures.append(Figure(name=name, unit="/s", value=counted / seconds, budget=budget, at_least=True))
    measured.figures += percentiles(f"{name}, {CONNECTIONS} at once,", latencies, {}, of=(50, 99))
    return measured


async def finish(endpoint: Endpoint, bodies: Iterable[bytes]) -> None:
    """End the calls a phase leaves behind, so that nobody's board keeps them."""
    loop = asyncio.get_running_loop()
    exchange = await endpoint.connect()
    for body in bodies:
        answer: asyncio.Future[int] = loop.create_future()
        exchange.send(endpoint.request(body), answer.set_result)
        if await answer == LOST:
            return
    exchange.close()
