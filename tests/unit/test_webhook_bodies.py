import asyncio
from collections.abc import Sequence

import pytest

from serve.errors import BodyTooLargeError, BodyTooSlowError
from serve.webhooks.asgi import ClientLeftError, Message, read_body


class Client:
    """Sends chunks, then leaves, or says nothing more."""

    def __init__(self, chunks: Sequence[bytes], *, whole: bool = True, leaves: bool = False) -> None:
        last = len(chunks) - 1
        self.messages = [
            {"type": "http.request", "body": chunk, "more_body": not whole or place < last}
            for place, chunk in enumerate(chunks)
        ]
        if leaves:
            self.messages.append({"type": "http.disconnect"})

    async def receive(self) -> Message:
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def body(self, **headers: bytes) -> bytes:
        named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        return await read_body(named, self.receive, limit_bytes=10, limit_seconds=0.05)


@pytest.mark.parametrize("chunks", [[b""], [b"whole"], [b"in ", b"", b"parts"]])
async def test_a_body_is_the_sum_of_its_parts(chunks: list[bytes]) -> None:
    assert await Client(chunks).body() == b"".join(chunks)


async def test_a_body_that_trickles_is_given_up() -> None:
    with pytest.raises(BodyTooSlowError) as failure:
        await Client([b"a", b"b"], whole=False).body()
    assert failure.value.headers() == {"Connection": "close"}
    assert failure.value.status == 408


async def test_a_body_too_large_is_refused_as_soon_as_that_is_known() -> None:
    with pytest.raises(BodyTooLargeError):
        await Client([]).body(content_length=b"11")
    with pytest.raises(BodyTooLargeError):
        await Client([b"12345678", b"901"], whole=False).body(content_length=b"5")


async def test_a_client_that_leaves_is_told_apart() -> None:
    with pytest.raises(ClientLeftError):
        await Client([b"a"], whole=False, leaves=True).body()
