"""A real HTTP server on loopback that receives webhooks as a customer's does, and answers as it is told."""

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    def is_signed_by(self, secret: str) -> bool:
        """Whether a receiver that knows this secret takes the message, by the words of Standard Webhooks."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(expected, each) for each in self.headers["webhook-signature"].split(" "))


@dataclass(slots=True)
class WebhookReceiver:
    """`answers` are given in turn and then `status`; `hold` keeps every request until it is set.

    `status_of` decides instead, by the message and by how often it came before. `first` is awaited before an answer.
    """

    base_url: str = ""
    status: int = 200
    answers: list[int] = field(default_factory=list[int])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b"ok"
    hold: asyncio.Event | None = None
    received: list[Received] = field(default_factory=list[Received])
    most_at_once: int = 0
    status_of: Callable[[Received, int], int] | None = None
    first: Callable[[Received], Awaitable[None]] | None = None
    _at_once: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        got = Received(
            path=request.path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        before = self.message_ids().count(got.headers["webhook-id"]) if self.status_of else 0
        self.received.append(got)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            if self.hold is not None:
                await self.hold.wait()
            if self.first is not None:
                await self.first(got)
        finally:
            self._at_once -= 1
        status = self.answers.pop(0) if self.answers else self.status
        if self.status_of is not None:
            status = self.status_of(got, before)
        return web.Response(status=status, headers=self.headers, body=self.body)

    def message_ids(self, path: str | None = None) -> list[str]:
        return [each.headers["webhook-id"] for each in self.received if path in {None, each.path}]


@asynccontextmanager
async def running_receiver() -> AsyncGenerator[WebhookReceiver]:
    receiver = WebhookReceiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()
