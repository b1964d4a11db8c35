"""The live hub's figures: `python -m tests.load.bench_live [--json FILE]`; BENCH=short takes seconds.

A hub in a process of its own on a real Valkey, an owner that writes its events to the feed as it does in production,
and sockets in the process that measures. What is timed is from the moment an event should be written to its frame at
each socket; the way from the webhook to the feed is timed by `make load`.
"""

import asyncio
import logging
import secrets
import socket
import sys
import tempfile
import uuid
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import psutil
import structlog
import uvloop

from serve.live.hub import HubOptions
from serve.simulator.load.figures import Figure, Latencies, percentiles
from serve.simulator.load.live import Arrivals
from serve.simulator.load.sockets import LiveSocket, RefusedError, handshake, open_socket
from storage.embedded import start_valkey
from storage.redis import open_redis
from tests.load.live_hub import HubProcess, Speaker, running_hub_process
from tests.load.telling import chosen, json_file, tell

_OPENED_AT_ONCE: Final = 50
_LAST_FRAME_SECONDS: Final = 60.0
"""How long the last event may take to a socket before it counts as cut off from the feed."""
_AGAIN_SECONDS: Final = 0.02
_KIB: Final = 1024
_BUDGETED: Final = 1_000
"""So many sockets at most have a bound of latency."""
_BUDGETS_MS: Final = {50.0: 20.0, 99.0: 100.0}
_FRAMES_PER_CORE: Final = 20_000.0
_BACK_MS: Final = 30_000.0
_IDLE_KIB: Final = 30.0
_IDLE_PERCENT: Final = 2.0
_BESIDE_PER_SECOND: Final = 100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many sockets, in steps, and how many events each second for how long."""

    sockets: Sequence[int] = (500, 1_000, 5_000)
    per_second: Sequence[float] = (100.0, 20.0, 100.0)
    seconds: float = 8.0
    idle_seconds: float = 10.0
    settle_seconds: float = 1.0
    storm: int = 5_000
    """Sockets that lose their hub at once; 0: none do."""
    beside: int = 200
    """Sockets whose latency is told without and with one among them that has stopped reading."""


SHORT: Final = Size(
    sockets=(20, 60), per_second=(50.0, 50.0), seconds=0.5, idle_seconds=0.2, settle_seconds=0.1, storm=0, beside=10
)


async def measure(size: Size) -> list[Figure]:
    """Every figure, on a throwaway Valkey."""
    with tempfile.TemporaryDirectory() as name:
        valkey = start_valkey(Path(name), password=secrets.token_hex(16), durable=False)
        try:
            async with open_redis(valkey.url) as redis:
                async with running_hub_process(valkey.url) as hub:
                    told = await _figures(hub, Speaker(redis, hub.organization_id), size)
                async with running_hub_process(valkey.url) as hub:
                    told += await _beside_a_stuck_one(hub, Speaker(redis, hub.organization_id), size)
                if size.storm:
                    told += await _storm(valkey.url, Speaker(redis, str(uuid.uuid4())), size.storm)
                return told
        finally:
            valkey.stop()


async def _figures(hub: HubProcess, speaker: Speaker, size: Size) -> list[Figure]:
    await speaker.open()
    process = psutil.Process(hub.pid)
    arrivals = Arrivals()
    figures: list[Figure] = []
    async with _sockets(hub, arrivals, 1) as first:
        await asyncio.sleep(size.settle_seconds)
        empty, held = process.memory_info().rss, len(first)
        for count, rate in zip(size.sockets, size.per_second, strict=True):
            async with _sockets(hub, arrivals, count - held) as more:
                clients = [*first, *more]
                await asyncio.sleep(size.settle_seconds)
                each = (process.memory_info().rss - empty) / (count - held) / _KIB
                idle = await _busy(process, size.idle_seconds)
                figures += [
                    Figure(name=f"{count:,} sockets: memory of each", unit="KiB", value=each, budget=_IDLE_KIB),
                    Figure(name=f"{count:,} idle sockets: of a core", unit="%", value=idle, budget=_IDLE_PERCENT),
                    *await _paced(process, speaker, arrivals, clients, rate=rate, seconds=size.seconds),
                ]
    return figures


async def _beside_a_stuck_one(hub: HubProcess, speaker: Speaker, size: Size) -> list[Figure]:
    """What others notice of a socket that takes nothing any more, from its last frame until it was cut off."""
    await speaker.open()
    process, arrivals = psutil.Process(hub.pid), Arrivals()
    figures: list[Figure] = []
    async with _sockets(hub, arrivals, size.beside) as clients:
        for name in ("", " beside one that stopped reading"):
            with _stuck(hub) if name else nullcontext():
                figures += await _paced(
                    process, speaker, arrivals, clients, rate=_BESIDE_PER_SECOND, seconds=size.seconds, name=name
                )
    return [each for each in figures if "of a core" not in each.name]


@contextmanager
def _stuck(hub: HubProcess) -> Generator[None]:
    """A socket that asks for the feed and reads nothing, with as little room in its kernel as there may be."""
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", hub.port))
        stuck.sendall(handshake(hub.url, hub.key))
        yield


async def _storm(redis_url: str, speaker: Speaker, count: int) -> list[Figure]:
    """All sockets lose their hub, which is killed, and come back a second later to another that lets in at its pace."""
    await speaker.open()
    arrivals = Arrivals()
    async with running_hub_process(redis_url, speaker.organization_id) as hub, _sockets(hub, arrivals, count):
        hub.process.kill()
        await asyncio.to_thread(hub.process.join)
    lost = monotonic()
    pace = HubOptions().accepts_per_second
    async with running_hub_process(redis_url, speaker.organization_id, port=hub.port, accepts_per_second=pace) as hub:
        await asyncio.sleep(max(0.0, lost + 1.0 - monotonic()))
        async with _sockets(hub, arrivals, count, at_once=count):
            back = monotonic() - lost
    name = f"{count:,} sockets return a second after their hub was killed, {pace:g} let in a second: all back"
    return [Figure(name=name, unit="ms", value=back * 1000, budget=_BACK_MS)]


async def _busy(process: psutil.Process, seconds: float) -> float:
    before, began = _cpu_seconds(process), monotonic()
    await asyncio.sleep(seconds)
    return 100 * (_cpu_seconds(process) - before) / (monotonic() - began)


async def _paced(
    process: psutil.Process,
    speaker: Speaker,
    arrivals: Arrivals,
    clients: Sequence[LiveSocket],
    *,
    rate: float,
    seconds: float,
    name: str = "",
) -> list[Figure]:
    """Events at that rate to all of these, and one more: who has it has whatever is to come of the others."""
    arrivals.seconds = arrivals.seconds[:0]
    events = round(rate * seconds)
    frames_before, cpu_before = arrivals.frames, _cpu_seconds(process)
    began = monotonic()
    for number in range(events):
        intended = began + number / rate
        await asyncio.sleep(max(0.0, intended - monotonic()))
        mark = f"event-{speaker.n}"
        arrivals.expect(mark, intended)
        await speaker.say(mark)
    arrivals.end("last")
    await speaker.say("last")
    deadline = monotonic() + _LAST_FRAME_SECONDS
    while (open_ := sum(each.is_open for each in clients)) > arrivals.complete and monotonic() < deadline:  # noqa: ASYNC110  # frames have no event
        await asyncio.sleep(_AGAIN_SECONDS)
    missing = events * len(clients) - len(arrivals.seconds)
    spent = _cpu_seconds(process) - cpu_before
    frames = arrivals.frames - frames_before
    latencies = Latencies()
    for elapsed in arrivals.seconds:
        latencies.record(elapsed)
    name = f"{len(clients):,} sockets{name}, {rate:g} events/s"
    return [
        *percentiles(
            f"{name}: event to frame", latencies, _BUDGETS_MS if len(clients) <= _BUDGETED else {}, of=(50, 99)
        ),
        Figure(name=f"{name}: frames", unit="/s", value=frames / (monotonic() - began)),
        Figure(
            name=f"{name}: frames of a core",
            unit="/s",
            value=frames / max(spent, 0.001),
            budget=_FRAMES_PER_CORE,
            at_least=True,
        ),
        Figure(name=f"{name}: events that did not come", unit="", value=missing, budget=0),
        Figure(name=f"{name}: sockets closed", unit="", value=len(clients) - open_, budget=0),
        Figure(
            name=f"{name}: sockets without the last event", unit="", value=max(0, open_ - arrivals.complete), budget=0
        ),
    ]


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@asynccontextmanager
async def _sockets(
    hub: HubProcess, arrivals: Arrivals, count: int, *, at_once: int = _OPENED_AT_ONCE
) -> AsyncGenerator[list[LiveSocket]]:
    free = asyncio.Semaphore(at_once)

    async def opened() -> LiveSocket:
        while True:
            try:
                async with free:
                    return await open_socket(hub.url, hub.key, arrivals.frame)
            except (RefusedError, OSError):
                await asyncio.sleep(0.05 if at_once < count else 1.0)

    async with asyncio.timeout(120):
        clients = list(await asyncio.gather(*(opened() for _ in range(count))))
    try:
        yield clients
    finally:
        for each in clients:
            each.close()


def main(arguments: Sequence[str] | None = None) -> int:
    file = json_file("tests.load.bench_live", __doc__, arguments)
    size = chosen(Size(), SHORT)
    return tell(lambda: uvloop.run(measure(size)), title="Live hub", file=file)


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sys.exit(main())
