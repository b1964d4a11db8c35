"""ASGI without a framework: the names of its shapes, and reading a body within bounds."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeAlias

from serve.errors import BodyTooLargeError, BodyTooSlowError, ServeError

_MOST_DIGITS = 12

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class ClientLeftError(ServeError):
    """The client went away before its request was whole; there is nobody to answer."""

    def __init__(self) -> None:
        super().__init__("The client left.")


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, *, limit_bytes: int, limit_seconds: float
) -> bytes:
    """The whole body.

    Raises BodyTooLargeError, before reading when the length is told, BodyTooSlowError and ClientLeftError.
    """
    told = headers.get(b"content-length", b"")
    if told.isdigit() and (len(told) > _MOST_DIGITS or int(told) > limit_bytes):
        raise BodyTooLargeError(limit_bytes)
    try:
        async with asyncio.timeout(limit_seconds):
            return await _received(receive, limit_bytes)
    except TimeoutError as slow:
        raise BodyTooSlowError(limit_seconds) from slow


async def _received(receive: Receive, limit_bytes: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLargeError(limit_bytes)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
