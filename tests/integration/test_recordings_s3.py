from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import pytest_asyncio
from aiohttp import web

from storage.errors import StorageUnavailableError
from storage.recordings import RecordingStore

PART = 5 * 1024 * 1024


@dataclass
class Bucket:
    """The three requests of a multipart upload, as any S3 endpoint takes them."""

    endpoint: str = ""
    away: bool = False
    content_type: str | None = None
    parts: dict[int, bytes] = field(default_factory=dict[int, bytes])
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])

    async def answer(self, request: web.Request) -> web.Response:
        if self.away:
            return web.Response(status=403)
        if "uploads" in request.query:
            self.content_type = request.headers.get("content-type")
            return _xml("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
        if request.method == "PUT":
            number = int(request.query["partNumber"])
            self.parts[number] = await request.read()
            return web.Response(headers={"etag": f'"{number}"'})
        self.objects[request.raw_path.partition("?")[0]] = b"".join(self.parts[n] for n in sorted(self.parts))
        return _xml("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")


def _xml(text: str) -> web.Response:
    return web.Response(text=text, content_type="application/xml")


@pytest_asyncio.fixture
async def bucket(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bucket]:
    made = Bucket()
    app = web.Application(client_max_size=PART * 4)
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}"
    for name, value in {
        "AWS_ENDPOINT_URL": made.endpoint,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    yield made
    await runner.cleanup()


async def _chunks() -> AsyncIterator[bytes]:
    for n in range(20):
        yield bytes([n]) * 1_000_000


async def test_a_recording_goes_up_in_parts_under_any_endpoint(bucket: Bucket) -> None:
    store = RecordingStore("s3://recordings/all")
    stored = await store.write("org/2026/03/a%2Fb.wav", _chunks(), content_type="audio/x-wav")
    [(path, content)] = bucket.objects.items()
    assert content == b"".join([chunk async for chunk in _chunks()])
    assert stored.size == len(content)
    assert len(bucket.parts) > 1
    assert path == "/recordings/all/org/2026/03/a%252Fb.wav"
    assert bucket.content_type == "audio/x-wav"


async def test_a_bucket_that_refuses_is_unavailable(bucket: Bucket) -> None:
    bucket.away = True
    with pytest.raises(StorageUnavailableError):
        await RecordingStore("s3://recordings").write("a.wav", _chunks(), content_type="audio/wav")
