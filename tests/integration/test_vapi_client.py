from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.fakes.vapi_server import VapiServer, running_vapi
from workflows.errors import AbsentError, ProviderError, ProviderUnavailableError, RefusedError
from workflows.vendors.vapi import VapiClient


@pytest_asyncio.fixture
async def server() -> AsyncIterator[VapiServer]:
    async with running_vapi() as running:
        yield running


@pytest_asyncio.fixture
async def client(server: VapiServer) -> AsyncIterator[VapiClient]:
    async with VapiClient(server.base_url) as made:
        yield made


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, AbsentError),
        (410, AbsentError),
        (401, RefusedError),
        (429, ProviderUnavailableError),
        (503, ProviderUnavailableError),
    ],
)
async def test_statuses_have_names(
    client: VapiClient, server: VapiServer, status: int, error: type[ProviderError]
) -> None:
    server.statuses["/call/c-1"] = status
    with pytest.raises(error):
        await client.get_call("key", "c-1")
    assert server.asked == [("/call/c-1", "Bearer key")]


async def test_a_record_comes_without_secrets(client: VapiClient, server: VapiServer) -> None:
    server.records["/call/c-1"] = {"id": "c-1", "monitor": {"controlUrl": "https://control"}, "status": "ended"}
    record = await client.get_call("key", "c-1")
    assert record["status"] == "ended"
    assert "https://control" not in str(record)


async def test_a_server_that_is_away_is_unavailable() -> None:
    async with VapiClient("http://127.0.0.1:1") as client:
        with pytest.raises(ProviderUnavailableError):
            await client.get_call("key", "c-1")


async def test_a_call_id_cannot_climb_out_of_its_path(client: VapiClient, server: VapiServer) -> None:
    for call_id in ("../assistant", "..", "a/../../b"):
        with pytest.raises(AbsentError):
            await client.get_call("key", call_id)
    assert all(path.startswith("/call/") for path, _ in server.asked)


async def test_the_key_is_not_carried_to_another_host(client: VapiClient, server: VapiServer) -> None:
    async with running_vapi() as other:
        server.redirects["/call/c-1/mono-recording"] = f"{other.base_url}/x.wav"
        other.files["/x.wav"] = b"RIFF"
        with pytest.raises(RefusedError):
            async with client.download(client.recording_url("c-1"), key="key"):
                pass
    assert other.asked == []


async def test_redirects_end(client: VapiClient, server: VapiServer) -> None:
    server.redirects["/loop"] = f"{server.base_url}/loop"
    with pytest.raises(RefusedError):
        async with client.download(f"{server.base_url}/loop"):
            pass
    assert server.times_asked("/loop") == 4


async def test_a_recording_streams(client: VapiClient, server: VapiServer) -> None:
    server.files["/x.wav"] = bytes(1_000_000)
    async with client.download(f"{server.base_url}/x.wav") as download:
        assert download.content_type == "audio/wav"
        assert download.size == 1_000_000
        assert sum([len(chunk) async for chunk in download.chunks]) == 1_000_000


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://storage.vapi.ai/x.wav", True),
        ("https://account.r2.cloudflarestorage.com/bucket/x.wav?sig=1", True),
        ("https://bucket.s3.us-west-2.amazonaws.com/x.wav", True),
        ("http://storage.vapi.ai/x.wav", False),
        ("https://storage.vapi.ai:8443/x.wav", False),
        ("https://vapi.ai.attacker.example/x.wav", False),
        ("https://notvapi.ai/x.wav", False),
        ("https://vapi.ai@169.254.169.254/latest/meta-data", False),
        ("http://169.254.169.254/latest/meta-data", False),
        ("https://internal-x.us-west-2.elb.amazonaws.com/", False),
        ("http://127.0.0.1:1/", False),
        ("file:///etc/passwd", False),
    ],
)
async def test_recordings_are_fetched_from_known_hosts_alone(client: VapiClient, url: str, *, allowed: bool) -> None:
    assert client.may_fetch(httpx.URL(url)) is allowed
    if not allowed:
        with pytest.raises(RefusedError):
            async with client.download(url):
                pass


async def test_a_text_that_is_no_address_is_refused(client: VapiClient) -> None:
    for text in ("", "http://[", "not a url", "\x00"):
        with pytest.raises(RefusedError):
            async with client.download(text):
                pass
