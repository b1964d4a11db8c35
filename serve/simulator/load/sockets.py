"""Live sockets by the hundred, as cheap as they get: frames are timed when they arrive and looked into once.

Not the websockets library: at 500 sockets its client costs more than the hub that is measured.
"""

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from time import monotonic as now
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

CONNECT_SECONDS: Final = 5.0
JOIN_SECONDS: Final = 30.0
"""How long the first frame may take: behind it waits whoever the hub was asked by before."""
_HEAD_END: Final = b"\r\n\r\n"
_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_SHORT_LENGTH, _LONG_LENGTH = 126, 127
_SWITCHING: Final = b"101"

Frame = Callable[[bytes, float], None]
"""Called with a text frame's payload and the monotonic time when it arrived."""


class RefusedError(Exception):
    """The hub answered the handshake with something else than a socket."""


class LiveSocket(asyncio.Protocol):
    """One client: takes text frames, answers pings, and knows when it was closed."""

    def __init__(self, request: bytes, frame: Frame) -> None:
        self._request = request
        self._frame = frame
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._is_open = False
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.joined: asyncio.Future[None] | None = None
        """Done with the first frame, from when on it hears everything. There is none before it is open."""

    @property
    def is_open(self) -> bool:
        return self._is_open

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What create_connection promises; uvloop's is no subclass.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        arrived = now()
        if self._received or not self._is_open:
            self._received += data
            if not self._is_open and not self._shake_hands():
                return
            data = self._received
            self._received = b""
        taken = 0
        while (frame := _frame_at(data, taken)) is not None:
            self._take(data, frame, arrived)
            taken = frame.end
        if taken < len(data):
            self._received = data[taken:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_open = False
        self._transport = None
        if not self.opened.done():
            self.opened.set_exception(RefusedError(f"closed before it opened: {exc or 'no answer'}"))
        elif self.joined is not None and not self.joined.done():
            self.joined.set_exception(RefusedError(f"closed before its first frame: {exc or 'it was not let in'}"))

    def _shake_hands(self) -> bool:
        end = self._received.find(_HEAD_END)
        if end < 0:
            return False
        status = self._received[9:12]
        self._received = self._received[end + len(_HEAD_END) :]
        if self.opened.done():  # whoever waited for it has given up
            self.close()
        elif status == _SWITCHING:
            self._is_open = True
            self.joined = self._loop.create_future()
            self.opened.set_result(None)
        else:
            self.opened.set_exception(RefusedError(f"the hub answered {status.decode()}"))
            self.close()
        return self._is_open

    def _take(self, data: bytes, frame: "_Frame", arrived: float) -> None:
        payload = data[frame.start : frame.end]
        if frame.opcode == _TEXT:
            self._frame(payload, arrived)
            if self.joined is not None and not self.joined.done():
                self.joined.set_result(None)
        elif frame.opcode == _PING and self._transport is not None:
            # A client masks; a mask of zeros changes nothing.
            self._transport.write(bytes((0x80 | _PONG, 0x80 | len(payload), 0, 0, 0, 0)) + payload)
        elif frame.opcode == _CLOSE:
            self.close()


class _Frame(NamedTuple):
    opcode: int
    start: int
    end: int


def _frame_at(received: bytes, at: int) -> _Frame | None:
    """The frame that begins there, or None while it is not whole. The hub sends each message in one frame."""
    size = len(received)
    if size < at + 2:
        return None
    length, start = received[at + 1] & 0x7F, at + 2
    for marker, layout in ((_SHORT_LENGTH, ">H"), (_LONG_LENGTH, ">Q")):
        if length == marker:
            if size < start + struct.calcsize(layout):
                return None
            (length,) = struct.unpack_from(layout, received, start)
            start += struct.calcsize(layout)
            break
    return _Frame(received[at] & 0x0F, start, start + length) if size >= start + length else None


def handshake(url: str, api_key: str) -> bytes:
    """What a client sends to open a socket."""
    parts = urlsplit(url)
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {api_key}\r\n\r\n"
    ).encode()


async def open_socket(url: str, api_key: str, frame: Frame) -> LiveSocket:
    """A socket that hears whatever is said from now on. Raises RefusedError, OSError, TimeoutError.

    Not the handshake says so but the first frame: what is said in between is in the snapshot, and no event comes of it.
    """
    parts, request = urlsplit(url), handshake(url, api_key)
    async with asyncio.timeout(CONNECT_SECONDS):
        _, socket = await asyncio.get_running_loop().create_connection(
            lambda: LiveSocket(request, frame), parts.hostname or "", parts.port or 80
        )
        await socket.opened
    try:
        async with asyncio.timeout(JOIN_SECONDS):
            if socket.joined is not None:
                await socket.joined
    except BaseException:
        socket.close()
        raise
    return socket
