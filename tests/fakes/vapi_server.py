"""A real HTTP server on loopback that answers as VAPI and as a host of recordings."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass(slots=True)
class VapiServer:
    """What it answers under each path, and what it was asked: path and Authorization, in order. Records change."""

    base_url: str = ""
    records: dict[str, Any] = field(default_factory=dict[str, Any])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    redirects: dict[str, str] = field(default_factory=dict[str, str])
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    listed: list[dict[str, Any]] | None = None
    """What `GET /call` chooses from, by `updatedAt` and `createdAt` as VAPI does; None: no such path."""
    refused_keys: set[str] = field(default_factory=set[str])
    asked: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        self.asked.append((path, request.headers.get("authorization")))
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.refused_keys:
            return web.Response(status=401)
        if path in self.statuses:
            return web.Response(status=self.statuses[path])
        if path == "/call" and self.listed is not None:
            return web.json_response(self._chosen(self.listed, request.query))
        if path in self.redirects:
            return web.Response(status=302, headers={"location": self.redirects[path]})
        if path in self.records:
            if request.method == "PATCH":
                self.records[path].update(await request.json())
            return web.json_response(self.records[path])
        if path in self.files:
            return web.Response(body=self.files[path], content_type="audio/wav")
        return web.Response(status=404)

    def _chosen(self, calls: list[dict[str, Any]], query: Mapping[str, str]) -> list[dict[str, Any]]:
        found = [
            call
            for call in calls
            if query["updatedAtGt"] < call["updatedAt"] <= query["updatedAtLe"]
            and call["createdAt"] <= query.get("createdAtLe", "9999")
        ]
        return sorted(found, key=lambda call: call["createdAt"], reverse=True)[: int(query["limit"])]

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
