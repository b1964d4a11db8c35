"""A real HTTP server on loopback that answers as VAPI and as a host of recordings."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class VapiServer:
    """What it answers under each path, and what it was asked: path and Authorization, in order."""

    base_url: str = ""
    records: dict[str, Any] = field(default_factory=dict[str, Any])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    redirects: dict[str, str] = field(default_factory=dict[str, str])
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.asked.append((path, request.headers.get("authorization")))
        if path in self.statuses:
            return web.Response(status=self.statuses[path])
        if path in self.redirects:
            return web.Response(status=302, headers={"location": self.redirects[path]})
        if path in self.records:
            return web.json_response(self.records[path])
        if path in self.files:
            return web.Response(body=self.files[path], content_type="audio/wav")
        return web.Response(status=404)

    def times_asked(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


@asynccontextmanager
async def running_vapi() -> AsyncGenerator[VapiServer]:
    server = VapiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
