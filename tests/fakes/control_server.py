"""A real HTTP server on loopback that takes commands for calls as VAPI's control URLs do."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class ControlServer:
    """What it answers commands with, and what it was told: path and body, in order."""

    base_url: str = ""
    status: int = 200
    message: Any = None
    silent: bool = False
    location: str | None = None
    records: dict[str, Any] = field(default_factory=dict[str, Any])
    told: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    credentials: list[str | None] = field(default_factory=list[str | None])

    async def command(self, request: web.Request) -> web.StreamResponse:
        self.told.append((request.path, await request.json()))
        self.credentials.append(request.headers.get("authorization"))
        if self.silent:
            assert request.transport is not None
            request.transport.close()
        headers = {"location": self.location} if self.location is not None else None
        body = {"message": self.message, "statusCode": self.status}
        return web.json_response(body, status=self.status, headers=headers)

    async def record(self, request: web.Request) -> web.StreamResponse:
        found = self.records.get(request.match_info["call_id"])
        return web.json_response(found, status=404 if found is None else 200)


@asynccontextmanager
async def running_control() -> AsyncGenerator[ControlServer]:
    server = ControlServer()
    app = web.Application()
    app.router.add_post("/{call_id}/control", server.command)
    app.router.add_get("/call/{call_id}", server.record)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
