"""Reads sent only when they changed: an `ETag` on all JSON and on pages, `If-None-Match` answered with 304."""

from hashlib import blake2b
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REVALIDATED: Final = "private, no-cache"


class ConditionalReads:
    """Tags JSON and whatever says `no-cache`, unless its route did. The rest passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match")
        await self._app(scope, receive, _Tagging(send, known))


class _Tagging:
    """Holds the head of an answer back until its body is there."""

    def __init__(self, send: Send, known: str | None) -> None:
        self._send = send
        self._known = known
        self._head: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_tagged(message):
            self._head = message
            return
        head, self._head = self._head, None
        if head is None:
            await self._send(message)
            return
        if message.get("more_body"):
            await self._send(head)
            await self._send(message)
            return
        headers = MutableHeaders(raw=list(head["headers"]))
        body: bytes = message.get("body", b"")
        tag = headers.setdefault("etag", f'"{blake2b(body, digest_size=16).hexdigest()}"')
        headers.setdefault("cache-control", _REVALIDATED)
        headers.add_vary_header("Authorization, Cookie")
        if self._known is not None and _matches(self._known, tag):
            del headers["content-length"]
            del headers["content-type"]
            head, message = {**head, "status": 304}, {**message, "body": b""}
        await self._send({**head, "headers": headers.raw})
        await self._send(message)


def _is_tagged(head: Message) -> bool:
    headers = Headers(raw=head["headers"])
    is_to_be_asked_about = headers.get("cache-control") == "no-cache" and "etag" not in headers
    return head["status"] == 200 and (headers.get("content-type") == "application/json" or is_to_be_asked_about)  # noqa: PLR2004


def _matches(known: str, tag: str) -> bool:
    """Weak comparison, as RFC 9110 has it for If-None-Match."""
    told = [each.strip().removeprefix("W/") for each in known.split(",")]
    return "*" in told or tag.removeprefix("W/") in told
