"""HTTP/1.1 over kept connections, just enough to post bodies and read a status.

Not httpx: it costs most of a millisecond of CPU per request, and on a machine shared with what is measured that is most
of the figure. A protocol with a callback costs a tenth.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast
from urllib.parse import urlsplit

CONNECT_SECONDS: Final = 5.0
LOST: Final = 0
"""Told instead of a status when the connection ended without an answer."""

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"
_CHUNKED: Final = b"transfer-encoding: chunked"
_LAST_CHUNK: Final = b"0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where webhooks are posted, and with which secret."""

    url: str
    secret: str = field(repr=False)

    def request(self, body: bytes) -> bytes:
        """The whole request, ready to be written."""
        parts = urlsplit(self.url)
        head = (
            f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
            f"x-vapi-secret: {self.secret}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def connect(self) -> "Exchange":
        """A connection. Raises OSError, TimeoutError."""
        parts = urlsplit(self.url)
        async with asyncio.timeout(CONNECT_SECONDS):
            _, exchange = await asyncio.get_running_loop().create_connection(
                Exchange, parts.hostname or "", parts.port or 80
            )
        return exchange


class Exchange(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: Callable[[int], None] | None = None
        self._received = bytearray()

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def send(self, request: bytes, answered: Callable[[int], None]) -> None:
        """Write the request; `answered` is called once, with the status or LOST."""
        self._answered = answered
        if self._transport is None or not self.is_open:
            self._tell(LOST)
            return
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What create_connection promises; uvloop's is no subclass.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head_end = self._received.find(_HEAD_END)
        if head_end < 0:
            return
        head = bytes(self._received[:head_end]).lower()
        if not self._is_complete(head, head_end + len(_HEAD_END)):
            return
        self._received.clear()
        if b"connection: close" in head:
            self.close()
        self._tell(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._tell(LOST)

    def _is_complete(self, head: bytes, body_at: int) -> bool:
        if _CHUNKED in head:
            return self._received.endswith(_LAST_CHUNK)
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        return len(self._received) - body_at >= length

    def _tell(self, status: int) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(status)
