"""The load generator against real servers of a few lines: what it counts is what happened."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import orjson
import pytest
import typer
import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from websockets.asyncio.server import ServerConnection, serve

from serve.simulator.load.command import run_phases
from serve.simulator.load.figures import Measured
from serve.simulator.load.http1 import LOST, Endpoint, Exchange
from serve.simulator.load.live import Arrivals
from serve.simulator.load.phases import OpenLoop, acknowledgement, chatter, statuses
from serve.simulator.load.sockets import RefusedError, open_socket
from serve.simulator.load.templates import CHATTER, LIFECYCLE, CallIds, Templates
from serve.simulator.target import require_loopback

NOW = 1_790_000_000_000
TEMPLATES = Templates(NOW)

Handler = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def http_server(handler: Handler) -> AsyncGenerator[Endpoint]:
    """A server on a free port of loopback."""
    app = Starlette(routes=[Route("/webhooks", handler, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(30):
        while not server.started:  # noqa: ASYNC110  (uvicorn tells by a flag)
            await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Endpoint(url=f"http://127.0.0.1:{port}/webhooks", secret="s")
    server.should_exit = True
    await serving


async def post(endpoint: Endpoint, exchange: Exchange, body: bytes = b"{}") -> int:
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    exchange.send(endpoint.request(body), answer.set_result)
    return await asyncio.wait_for(answer, 10)


async def test_exchange_reads_every_form_of_answer_on_one_connection() -> None:
    async def chunks() -> AsyncGenerator[bytes]:
        yield b"a" * 5_000
        yield b"b"

    async def handler(request: Request) -> Response:
        asked = orjson.loads(await request.body())
        if asked == "chunked":
            return StreamingResponse(chunks())
        return PlainTextResponse("x" * 3_000 if asked == "long" else "", status_code=503 if asked == "fault" else 200)

    async with http_server(handler) as endpoint:
        exchange = await endpoint.connect()
        asked = ("plain", "chunked", "long", "fault", "plain")
        assert [await post(endpoint, exchange, orjson.dumps(each)) for each in asked] == [200, 200, 200, 503, 200]
        exchange.close()


async def test_a_connection_that_ends_without_an_answer_is_told() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    endpoint = Endpoint(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/webhooks", secret="s")
    exchange = await endpoint.connect()
    assert await post(endpoint, exchange) == LOST
    assert await post(endpoint, exchange) == LOST, "nor does a closed one stay silent"
    server.close()


async def test_time_spent_waiting_for_a_connection_counts() -> None:
    released = asyncio.Event()

    async def handler(_request: Request) -> Response:
        await released.wait()
        return PlainTextResponse("")

    async with http_server(handler) as endpoint:
        sender = OpenLoop(endpoint, [await endpoint.connect()])
        elapsed: list[float] = []
        for seconds_ago in (30, 20, 10):
            sender.send(time.monotonic() - seconds_ago, b"{}", lambda _status, seconds: elapsed.append(seconds))
        released.set()
        assert await sender.drain() == 0
    assert [round(each, -1) for each in elapsed] == [30, 20, 10]


async def test_phases_send_whole_calls_and_leave_none_going_on() -> None:
    seen: dict[str, list[str]] = {}
    secrets: Counter[str] = Counter()

    async def handler(request: Request) -> Response:
        message = orjson.loads(await request.body())["message"]
        secrets[request.headers["x-vapi-secret"]] += 1
        seen.setdefault(message["call"]["id"], []).append(str(message.get("status", message["type"])))
        return PlainTextResponse("")

    async with http_server(handler) as endpoint:
        measured = await acknowledgement(endpoint, TEMPLATES, rate=400, seconds=0.5)
        assert measured.answers == Counter({200: 200, LOST: 0})
        await chatter(endpoint, TEMPLATES, seconds=0.2)
        saturated = await statuses(endpoint, TEMPLATES, seconds=0.2)
    assert secrets.keys() == {"s"}
    assert all("ended" in told for told in seen.values() if len(told) > 1)
    assert (saturated.figures[0].value or 0) > 0
    assert not saturated.refused


async def test_refusals_are_not_counted_as_throughput() -> None:
    async def handler(request: Request) -> Response:
        await request.body()
        return PlainTextResponse("", status_code=503)

    async with http_server(handler) as endpoint:
        measured = await chatter(endpoint, TEMPLATES, seconds=0.2)
    assert measured.figures[0].value == 0
    assert measured.refused.keys() == {503}


def test_templates_render_the_very_message_for_another_call() -> None:
    ids = CallIds(NOW)
    for template in (TEMPLATES.in_progress, TEMPLATES.ended, TEMPLATES.report, TEMPLATES.transcript):
        call_id = ids.fresh()
        body = template.render(call_id)
        assert orjson.loads(body)["message"]["call"]["id"] == call_id.decode()
        assert len(body) == template.size
    assert (TEMPLATES.transcript.kind, TEMPLATES.report.kind) == (CHATTER, LIFECYCLE)
    assert 10_000 < TEMPLATES.transcript.size < 15_000
    assert 18_000 < TEMPLATES.in_progress.size < TEMPLATES.ended.size < 27_000
    assert 38_000 < TEMPLATES.report.size < 52_000
    assert len({ids.fresh() for _ in range(1_000)} | {CallIds(NOW + 1).fresh()}) == 1_001


def test_mixed_stream_keeps_the_order_within_a_call() -> None:
    mixed = TEMPLATES.mixed(CallIds(NOW), at_once=5)
    told: dict[str, list[int]] = {}
    for (_, body), _count in zip(mixed, range(2_000), strict=False):
        message = orjson.loads(body)["message"]
        told.setdefault(message["call"]["id"], []).append(message["timestamp"])
    assert len(told) > 20
    assert all(times == sorted(times) for times in told.values())


async def test_sockets_time_frames_of_every_length_and_answer_pings() -> None:
    texts = ["x" * size for size in (0, 125, 126, 70_000)]
    ponged = asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        assert connection.request is not None
        assert connection.request.headers["Authorization"] == "Bearer key"
        for text in texts:
            await connection.send(text)
        await (await connection.ping(b"are you there"))
        ponged.set()
        await connection.wait_closed()

    received: list[str] = []
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/live/o"
        socket = await open_socket(url, "key", lambda payload, _at: received.append(payload.decode()))
        await asyncio.wait_for(ponged.wait(), 30)
        assert socket.is_open
        socket.close()
    assert received == texts


async def test_a_socket_is_there_once_it_hears_and_not_with_its_handshake() -> None:
    shaken, may_join = asyncio.Event(), asyncio.Event()

    async def handler(connection: ServerConnection) -> None:
        await (await connection.ping(b"answered by an open socket"))
        shaken.set()
        await may_join.wait()
        if connection.request is not None and connection.request.path == "/live/o":
            await connection.send('{"type":"snapshot"}')
            await connection.wait_closed()

    async with serve(handler, "127.0.0.1", 0, compression=None) as server, asyncio.timeout(30):
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"
        received: list[bytes] = []
        opening = asyncio.create_task(open_socket(f"{url}/o", "key", lambda payload, _at: received.append(payload)))
        await shaken.wait()
        assert not opening.done(), "what is said now is in its snapshot"
        may_join.set()
        socket = await opening
        assert len(received) == 1
        socket.close()
        with pytest.raises(RefusedError, match="before its first frame"):
            await open_socket(f"{url}/closed", "key", lambda _payload, _at: None)


async def test_a_refused_socket_says_so() -> None:
    async def refuse(connection: ServerConnection, _request: object) -> object:
        return connection.respond(503, "later")

    async def handler(_connection: ServerConnection) -> None:
        """Never reached."""

    async with serve(handler, "127.0.0.1", 0, process_request=refuse) as server:  # pyright: ignore[reportArgumentType]
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/live/o"
        with pytest.raises(RefusedError, match="503"):
            await open_socket(url, "key", lambda _payload, _at: None)


def test_arrivals_count_an_event_once_for_every_socket() -> None:
    arrivals = Arrivals()
    arrivals.expect("a:ended", 1.0)
    arrivals.expect("a-1", 2.0)
    frame = orjson.dumps(
        {
            "type": "events",
            "position": "1-1",
            "events": [
                {"type": "call", "kind": "status-update", "call": {"call_id": "a", "status": "ended"}},
                {"type": "utterance", "call_id": "a", "utterance": {"text": "a-1"}},
                {"type": "counters", "counters": {}},
                {"type": "call", "kind": "status-update", "call": {"call_id": "b", "status": "ended"}},
            ],
        }
    )
    for arrived in (3.0, 4.0):
        arrivals.frame(frame, arrived)
    arrivals.frame(b'{"type":"heartbeat","position":"1-1"}', 5.0)
    assert list(arrivals.seconds) == [2.0, 1.0, 3.0, 2.0]
    assert (arrivals.events, arrivals.complete) == (2, 0)
    arrivals.end("last")
    last = [{"type": "utterance", "call_id": "a", "utterance": {"text": text}} for text in ("other", "last")]
    for arrived in (6.0, 7.0):
        arrivals.frame(orjson.dumps({"type": "events", "position": "1-2", "events": last}), arrived)
    assert (len(arrivals.seconds), arrivals.complete) == (4, 2)


@pytest.mark.parametrize("url", ["http://example.com:8000", "ws://10.0.0.1:8001", "http://127.0.0.1.example.com"])
def test_load_is_refused_to_other_machines(url: str) -> None:
    with pytest.raises(typer.BadParameter):
        require_loopback(url)
    require_loopback("http://127.0.0.1:8000")


async def _many(failure: Exception) -> Measured:
    async with asyncio.TaskGroup() as group:
        group.create_task(_one(failure))
    return Measured()


async def _one(failure: Exception) -> Measured:
    raise failure


@pytest.mark.parametrize("phase", [_one, _many])
@pytest.mark.parametrize(
    "failure", [ConnectionRefusedError("refused"), TimeoutError("too slow"), OverflowError("stalls")]
)
def test_a_stack_that_goes_away_under_load_is_told_in_a_line(
    phase: Callable[[Exception], Awaitable[Measured]], failure: Exception
) -> None:
    console = Console(record=True, width=200)
    with pytest.raises(typer.Exit) as ended:
        run_phases({"chatter": lambda: phase(failure)}, console, "")
    assert ended.value.exit_code == 1
    assert f"what is measured does not answer any more: {failure}" in console.export_text()


def test_a_fault_of_the_generator_is_no_fault_of_the_stack() -> None:
    with pytest.raises(ExceptionGroup):
        run_phases({"chatter": lambda: _many(ValueError("ours"))}, Console(), "")
