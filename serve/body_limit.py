"""How much a request to the REST API may carry: told by its length at once, counted where it tells none."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import BodyTooLargeError
from serve.problems import MAX_BODY_BYTES, problem_response


class BodyLimit:
    """Answers 413 to a body of more than MAX_BODY_BYTES, before any of it is read where its length is told."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if told.isdecimal() and int(told) > MAX_BODY_BYTES:
            await problem_response(BodyTooLargeError(MAX_BODY_BYTES))(scope, receive, send)
            return
        await self._app(scope, _counting(receive), send)


def _counting(receive: Receive) -> Receive:
    total = 0

    async def receive_counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > MAX_BODY_BYTES:
            # The framework makes a 400 of any other exception that comes out of reading a body.
            raise HTTPException(BodyTooLargeError.status)
        return message

    return receive_counted
