"""A real HTTP server on loopback that takes text messages as Twilio and emails as Resend, and fails as it is told."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

from aiohttp import web

ACCOUNT = "AC" + "0" * 32


@dataclass(slots=True)
class MessageServer:
    """`texts` and `emails` are what people got. `hanging_up`: it sends, and closes the connection without an answer."""

    base_url: str = ""
    texts: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    emails: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    failing: int | None = None
    code: int = 0
    hanging_up: bool = False
    unlistable: bool = False
    """It does not say what it sent."""
    attempts: list[str] = field(default_factory=list[str])

    async def text(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.attempts.append(form["To"])
        if self.failing is not None:
            return web.json_response({"code": self.code, "message": "told to"}, status=self.failing)
        made = {
            "sid": f"SM{len(self.texts):032}",
            "to": form["To"],
            "from": form["From"],
            "body": form["Body"],
            "status": "queued",
            "direction": "outbound-api",
            "date_created": format_datetime(datetime.now(UTC)),
        }
        self.texts.append(made)
        self._end(request)
        return web.json_response(made, status=201)

    async def listed(self, request: web.Request) -> web.Response:
        if self.unlistable:
            return web.json_response({"code": 20429, "message": "told to"}, status=429)
        wanted = request.query.get("To")
        found = [each for each in reversed(self.texts) if each["to"] == wanted]
        return web.json_response({"messages": found, "next_page_uri": None, "page": 0, "page_size": 100})

    async def email(self, request: web.Request) -> web.Response:
        told = await request.json()
        self.attempts.append(told["to"][0])
        if self.failing is not None:
            return web.json_response(
                {"name": "told", "message": "told to", "statusCode": self.failing}, status=self.failing
            )
        key = request.headers["Idempotency-Key"]
        held = self.emails.setdefault(key, told)
        assert held == told
        self._end(request)
        return web.json_response({"id": f"email-{list(self.emails).index(key)}"})

    def _end(self, request: web.Request) -> None:
        if self.hanging_up and request.transport is not None:
            request.transport.close()


@asynccontextmanager
async def running_messages() -> AsyncGenerator[MessageServer]:
    server = MessageServer()
    app = web.Application()
    app.router.add_post(f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", server.text)
    app.router.add_get(f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json", server.listed)
    app.router.add_post("/emails", server.email)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
