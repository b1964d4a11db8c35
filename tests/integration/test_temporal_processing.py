import asyncio
import base64
from uuid import uuid4

import pytest

from actors.ports import UnavailableError
from serve.stack.temporal_server import TemporalServer
from storage.child_process import free_port
from workflows import client as client_module
from workflows.client import TemporalProcessing, TemporalUnavailableError, connect
from workflows.contracts import processing_workflow_id

SIGNAL_SECONDS = client_module._SIGNAL_SECONDS  # pyright: ignore[reportPrivateUsage]


async def test_a_signal_starts_one_workflow_however_often_it_is_sent(temporal_server: TemporalServer) -> None:
    organization_id = str(uuid4())
    client = await connect(temporal_server.address)
    processing = TemporalProcessing(client)
    for _ in range(3):
        await processing.signal(organization_id, "call-1")
    handle = client.get_workflow_handle(processing_workflow_id(organization_id, "call-1"))
    signals = [
        event
        async for event in handle.fetch_history_events()
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    assert len(signals) == 3


@pytest.fixture
def swift(monkeypatch: pytest.MonkeyPatch) -> None:
    """The promise is two seconds; that it is kept is tried with fewer, so that a busy machine has some to itself."""
    assert SIGNAL_SECONDS == 2.0
    monkeypatch.setattr(client_module, "_SIGNAL_SECONDS", 0.5)


@pytest.mark.usefixtures("swift")
async def test_temporal_away_is_told_in_time() -> None:
    processing = TemporalProcessing(await connect(f"127.0.0.1:{free_port()}"))
    async with asyncio.timeout(2.5):
        with pytest.raises(UnavailableError):
            await processing.signal(str(uuid4()), "call-1")


@pytest.mark.usefixtures("swift")
async def test_a_server_that_accepts_and_never_answers_is_told_in_time() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        processing = TemporalProcessing(await connect(f"127.0.0.1:{port}"))
        async with asyncio.timeout(2.5):
            with pytest.raises(UnavailableError):
                await processing.signal(str(uuid4()), "call-1")


async def test_a_client_that_failed_once_heals(
    temporal_server: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    client = await connect(f"127.0.0.1:{port}")
    processing = TemporalProcessing(client)
    with monkeypatch.context() as hasty:
        hasty.setattr(client_module, "_SIGNAL_SECONDS", 0.5)
        with pytest.raises(UnavailableError):
            await processing.signal(str(uuid4()), "call-1")

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host, _, upstream_port = temporal_server.address.partition(":")
        upstream_reader, upstream_writer = await asyncio.open_connection(host, int(upstream_port))
        await asyncio.wait(
            [asyncio.create_task(_pump(reader, upstream_writer)), asyncio.create_task(_pump(upstream_reader, writer))],
            return_when=asyncio.FIRST_COMPLETED,
        )

    server = await asyncio.start_server(forward, "127.0.0.1", port)
    await processing.signal(str(uuid4()), "call-1")
    server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while content := await reader.read(65536):
        writer.write(content)
        await writer.drain()


@pytest.mark.usefixtures("swift")
async def test_a_worker_cannot_start_while_temporal_is_away() -> None:
    with pytest.raises(TemporalUnavailableError):
        await connect(f"127.0.0.1:{free_port()}", lazy=False)


async def test_half_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="needs its key"):
        await connect("127.0.0.1:1", client_cert_base64=base64.b64encode(b"pem").decode())
    with pytest.raises(ValueError, match="base64"):
        await connect("127.0.0.1:1", client_cert_base64="not base64!", client_key_base64="?")
