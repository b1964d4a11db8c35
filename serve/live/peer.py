"""One socket, from the hub's side: what is written to it, and when it is too slow to keep."""

import asyncio
from typing import Any, Final

import structlog
from websockets.asyncio.server import ServerConnection
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from serve.live.encoding import Encoding

log = structlog.get_logger(__name__)

BUFFER_BYTES: Final = 1024 * 1024
"""What may wait for a peer that is in step."""
BEHIND_SECONDS: Final = 5.0
GIVE_SECONDS: Final = 30.0
"""How long a peer may take for one frame of a snapshot or of what it missed: these may be large."""
PING_SECONDS: Final = 20.0

_PING: Final = Frame(Opcode.PING, b"").serialize(mask=False)


class Peer(ServerConnection):
    """A socket that only listens.

    Frames are written ready-made and synchronously, so that a broadcast awaits nobody. A peer with more than
    `BUFFER_BYTES` waiting, or that has not taken within `BEHIND_SECONDS` what was written, is cut off at once: a close
    frame would wait behind all the rest. It comes back and resumes. So is one that answers no ping: the
    library's own keepalive, a task and a future for each socket, cost a quarter of the processor that idle ones take.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.encoding = Encoding.FULL
        """What it is sent; it does not change once anything was."""
        self._pushed = 0
        self._mark = 0
        self._marked_at = 0.0
        self._heard_at = self.loop.time()
        self._asked_at = 0.0

    @property
    def is_open(self) -> bool:
        return self.state is State.OPEN and not self.transport.is_closing()

    def push(self, frame: bytes) -> None:
        """Write one frame without waiting; cuts the peer off when too much waits already."""
        if not self.is_open:
            return
        self._write(frame)
        if self.transport.get_write_buffer_size() > BUFFER_BYTES:
            self.cut("its buffer is full")

    async def give(self, frame: bytes) -> None:
        """Write one frame and wait until the peer has taken nearly all of it. Raises ConnectionError if it does not."""
        if not self.is_open:
            raise ConnectionAbortedError
        self._write(frame)
        try:
            async with asyncio.timeout(GIVE_SECONDS):
                await self.drain()
        except TimeoutError:
            self.cut("it does not take a snapshot")
        if not self.is_open:
            raise ConnectionAbortedError

    def check(self, now: float) -> None:
        """Cut the peer off when what was written `BEHIND_SECONDS` ago has still not left. Call it every second."""
        left = self._pushed - self.transport.get_write_buffer_size()
        if left >= self._mark:
            self._mark, self._marked_at = self._pushed, now
        elif now - self._marked_at > BEHIND_SECONDS:
            self.cut("it is behind")

    def ask(self, now: float) -> None:
        """Ping a peer that has said nothing for `PING_SECONDS`; cut it off when that long again it says nothing to it.

        Call it every second.
        """
        if now - self._heard_at < PING_SECONDS or not self.is_open:
            return
        if self._asked_at <= self._heard_at:
            self._asked_at = now
            self._write(_PING)
        elif now - self._asked_at >= PING_SECONDS:
            self.cut("it answers no ping")

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        super().data_received(data)

    def cut(self, why: str) -> None:
        """End the connection without a closing handshake."""
        log.info("peer cut off", code=4008, why=why, waiting_bytes=self.transport.get_write_buffer_size())
        self.transport.abort()

    def _write(self, frame: bytes) -> None:
        self.transport.write(frame)
        self._pushed += len(frame)
