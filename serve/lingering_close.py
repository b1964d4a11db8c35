"""An answer that did not wait for the whole body, and still arrives: nginx's `lingering_close`, for ASGI."""

import asyncio
from contextlib import suppress
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 32 * 1024 * 1024


class LingeringClose:
    """Keeps connections for what clients still send after their answer.

    Whoever closes a connection while bytes lie unread resets it, and the answer is lost on its way. So an answer to a
    body that was not read whole goes out at once, but in chunks and not by its length: proxies pass the body on until
    the last chunk, which comes once the body has ended, or after LINGER_SECONDS or LINGER_BYTES of it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, *lingering(scope, receive, send))


def lingering(scope: Scope, receive: Receive, send: Send) -> tuple[Receive, Send]:
    """What LingeringClose gives to its application."""
    if scope["type"] != "http" or not _has_body(scope):
        return receive, send
    exchange = _Exchange(receive, send)
    return exchange.receive, exchange.send


def _has_body(scope: Scope) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} and value != b"0" for name, value in scope["headers"])


class _Exchange:
    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._unread = True
        self._early = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._unread = self._unread and message["type"] == "http.request" and message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._unread:
            self._early = True
            headers = [field for field in message["headers"] if field[0] != b"content-length"]
            message = {**message, "headers": headers}
        if not self._early or message["type"] != "http.response.body" or message.get("more_body", False):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                await self._read_on()
        await self._send({"type": "http.response.body", "body": b""})

    async def _read_on(self) -> None:
        left = LINGER_BYTES
        while self._unread and left > 0:
            left -= len((await self.receive()).get("body", b""))
