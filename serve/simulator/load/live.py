"""Webhook to frame: how long after a webhook should have left its event is at every one of many live clients."""

import asyncio
import time
from array import array
from collections.abc import Iterator
from time import monotonic as now
from typing import Any, Final, NamedTuple

import orjson

from serve.live.client import live_url
from serve.simulator.load.figures import Figure, Latencies, Measured, percentiles
from serve.simulator.load.http1 import LOST, Endpoint
from serve.simulator.load.phases import CONNECTIONS, OpenLoop
from serve.simulator.load.sockets import LiveSocket, RefusedError, open_socket
from serve.simulator.load.templates import CallIds, Templates
from serve.simulator.target import Target

_UTTERANCES: Final = 8
_CALLS_AT_ONCE: Final = 20
_OPENED_AT_ONCE: Final = 20
_OPEN_SECONDS: Final = 60.0
_AGAIN_SECONDS: Final = 0.25
_LAST_FRAME_SECONDS: Final = 5.0
_KEPT_FRAMES: Final = 4_000
_BUDGETS_MS: Final = {50.0: 20.0, 99.0: 100.0}


class _Heard(NamedTuple):
    """What one frame brings: when its events should have left, and whether the last mark is among them."""

    intended: tuple[float, ...] = ()
    is_last: bool = False


class Arrivals:
    """Matches frames with what was sent. Each distinct frame is decoded once, however many sockets it comes by."""

    def __init__(self) -> None:
        self.seconds = array("d")
        self.events = 0
        self.frames = 0
        self.complete = 0
        """Sockets at which the last mark arrived. Frames keep their order: what they lack by then was lost."""
        self._intended: dict[str, float] = {}
        self._last: str | None = None
        self._frames: dict[bytes, _Heard] = {}
        self._newest: tuple[bytes, _Heard] = (b"", _Heard())

    def expect(self, mark: str, intended: float) -> None:
        """An event of that mark should leave at that monotonic time."""
        self._intended[mark] = intended

    def end(self, mark: str) -> None:
        """Nothing is said after this mark, whose own arrival is not timed."""
        self._last, self.complete = mark, 0

    def frame(self, payload: bytes, arrived: float) -> None:
        """A frame came by one socket."""
        self.frames += 1
        newest, heard = self._newest
        if payload != newest:
            heard = self._known(payload)
            self._newest = (payload, heard)
        for intended in heard.intended:
            self.seconds.append(arrived - intended)
        self.complete += heard.is_last

    def _known(self, payload: bytes) -> _Heard:
        heard = self._frames.get(payload)
        if heard is None:
            if len(self._frames) >= _KEPT_FRAMES:
                self._frames.clear()
            heard = self._frames[payload] = self._heard(payload)
            self.events += len(heard.intended)
        return heard

    def _heard(self, payload: bytes) -> _Heard:
        if not payload.startswith(b'{"type":"events"'):
            return _Heard()
        marks = [_mark(event) for event in orjson.loads(payload)["events"]]
        return _Heard(tuple(self._intended[mark] for mark in marks if mark in self._intended), self._last in marks)


def _mark(event: dict[str, Any]) -> str:
    match event:
        case {"type": "call", "kind": "status-update", "call": {"call_id": str(call_id), "status": str(status)}}:
            return f"{call_id}:{status}"
        case {"type": "utterance", "utterance": {"text": str(text)}}:
            return text
        case _:
            return ""


async def webhook_to_frame(
    target: Target, endpoint: Endpoint, templates: Templates, *, sockets: int, rate: float, seconds: float
) -> Measured:
    """Latency from the intended time of a webhook to the arrival of its event at each of `sockets` clients."""
    arrivals, measured = Arrivals(), Measured()
    clients = await _open(target, sockets, arrivals)
    exchanges = [await endpoint.connect() for _ in range(CONNECTIONS)]
    sender = OpenLoop(endpoint, exchanges)

    def answered(status: int, _elapsed: float) -> None:
        measured.answers[status] += 1

    stream = _events(templates, CallIds(time.time_ns() // 1_000_000))
    start = now() + 0.1
    count = round(rate * seconds / _CALLS_AT_ONCE / (_UTTERANCES + 2)) * _CALLS_AT_ONCE * (_UTTERANCES + 2)
    for number in range(count):
        mark, body = next(stream)
        intended = start + number / rate
        await asyncio.sleep(max(0.0, intended - now()))
        arrivals.expect(mark, intended)
        sender.send(intended, body, answered)
    measured.answers[LOST] += await sender.drain()
    deadline = now() + _LAST_FRAME_SECONDS
    while len(arrivals.seconds) < count * sockets and now() < deadline:  # noqa: ASYNC110  (frames have no event)
        await asyncio.sleep(_AGAIN_SECONDS)
    closed = sum(not client.is_open for client in clients)
    for each in (*clients, *exchanges):
        each.close()
    latencies = Latencies()
    for elapsed in arrivals.seconds:
        latencies.record(elapsed)
    name = f"webhook to frame at {rate:g}/s, {sockets} sockets"
    measured.figures += percentiles(f"{name},", latencies, _BUDGETS_MS, of=(50, 99))
    missing = count * sockets - len(arrivals.seconds)
    measured.figures.append(Figure(name=f"{name}, frames that did not come", unit="", value=missing))
    if closed:
        measured.figures.append(Figure(name=f"{name}, sockets closed by the hub", unit="", value=closed))
    return measured


def _events(templates: Templates, ids: CallIds) -> Iterator[tuple[str, bytes]]:
    """Marks and bodies, round about among calls that each begin, speak and end."""
    while True:
        calls = [ids.fresh() for _ in range(_CALLS_AT_ONCE)]
        for call_id in calls:
            yield f"{call_id.decode()}:in-progress", templates.in_progress.render(call_id)
        for turn in range(_UTTERANCES):
            for call_id in calls:
                mark = f"{call_id.decode()}-{turn}"
                yield mark, templates.marked_transcript.render_marked(call_id, mark)
        for call_id in calls:
            yield f"{call_id.decode()}:ended", templates.ended.render(call_id)


async def _open(target: Target, count: int, arrivals: Arrivals) -> list[LiveSocket]:
    """Open the sockets, asking again while the hub paces us. Raises TimeoutError."""
    free = asyncio.Semaphore(_OPENED_AT_ONCE)
    url = live_url(target.live_url, target.organization_id)

    async def opened() -> LiveSocket:
        while True:
            try:
                async with free:
                    return await open_socket(url, target.api_key, arrivals.frame)
            except (RefusedError, OSError):
                await asyncio.sleep(_AGAIN_SECONDS)

    async with asyncio.timeout(_OPEN_SECONDS):
        return await asyncio.gather(*(opened() for _ in range(count)))
