"""VAPI's assistants and telephone numbers on loopback; requests against the contract are refused."""

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from aiohttp import web

from serve.simulator.contract import Contract, ContractError

KEY = "vapi-key"


@dataclass(slots=True)
class VapiAccountServer:
    """Its records by kind and id. `lost` further creations are carried out and answered with 502.

    `failing` answers everything with a status instead; `deaf`: changes are answered as made, and are not.
    """

    base_url: str = ""
    records: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {"assistant": {}, "phone-number": {}})
    lost: int = 0
    failing: int | None = None
    deaf: bool = False
    changes: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    contract: Contract = field(default_factory=lambda: Contract("vapi"))
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    async def answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        if headers.get("authorization") != f"Bearer {KEY}":
            return web.json_response({"message": "Invalid Key."}, status=401)
        if self.failing is not None:
            return web.json_response({"message": "told to"}, status=self.failing)
        try:
            checked = self.contract.check(
                request.method, request.raw_path.partition("?")[0], request.query_string, headers, await request.read()
            )
        except ContractError as wrong:
            return web.json_response({"message": str(wrong)}, status=400 if wrong.known else 405)
        held = self.records[request.path.split("/")[1]]
        if request.method == "POST":
            made = {**checked.body, "id": f"id-{next(self.ids)}"}
            held[made["id"]] = made
            if self.lost:
                self.lost -= 1
                return web.Response(status=502)
            return web.json_response(made, status=201)
        if "id" not in checked.parameters:
            return web.json_response(list(held.values())[: checked.query["limit"]])
        record = held.get(checked.parameters["id"])
        if record is None:
            return web.json_response({"message": "Not Found"}, status=404)
        if request.method == "PATCH":
            self.changes.append(checked.body)
            if not self.deaf:
                record.update(checked.body)
        if request.method == "DELETE":
            del held[record["id"]]
        return web.json_response(record)


@asynccontextmanager
async def running_vapi_account() -> AsyncGenerator[VapiAccountServer]:
    server = VapiAccountServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
