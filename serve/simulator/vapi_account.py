"""VAPI's assistants and telephone numbers, each account's its own. Without idempotency, as VAPI has them."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid4, uuid5

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from serve.simulator.contract import Checked, Contract, ContractError
from serve.simulator.credentials import bears, token_of
from serve.simulator.vendor_door import VendorDoor
from storage.simulated_vendors import Document, VendorMemory

PREFIX: Final = "/vapi"
_KINDS: Final = ("assistant", "phone-number")
_LISTED: Final = 100
_GONE: Final = "gone"
_UNTOLD: Final = frozenset({"twilioAuthToken"})
"""What VAPI is given and does not tell again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VapiAccounts:
    """The endpoints. Without an `api_key` any bearer token is taken; a token's account is its own."""

    memory: VendorMemory
    door: VendorDoor
    contract: Contract
    api_key: str | None
    is_public: Callable[[str], Awaitable[bool]] | None = None
    """Whether a token is a public key, which opens control addresses and nothing here."""
    imported: Callable[[str, str], Awaitable[Document | None]] | None = None
    """A number that the account of a token has by its row here alone, as the local stack's own have: its settings."""

    def router(self) -> APIRouter:
        """Routes under /vapi."""
        router = APIRouter(prefix=PREFIX)
        for kind in _KINDS:
            router.add_api_route(f"/{kind}", self.answer, methods=["GET", "POST"])
            router.add_api_route(f"/{kind}/{{record_id:path}}", self.answer, methods=["GET", "PATCH", "DELETE"])
        return router

    async def control_is_guarded(self, assistant_id: str) -> bool:
        """Whether commands for the calls of an assistant need a public key."""
        held = await self.memory.get("assistant", assistant_id)
        return held is not None and bool(held["record"].get("monitorPlan", {}).get("controlAuthenticationEnabled"))

    async def answer(self, request: Request) -> Response:
        async def respond(body: bytes) -> Response:
            token = token_of(request)
            if token is None or not bears(request, self.api_key) or await self._is_public(token):
                return _fault(401, "Invalid Key.")
            path = request.url.path.partition(PREFIX)[2]
            headers = {name.lower(): value for name, value in request.headers.items()}
            try:
                asked = self.contract.check(request.method, path, request.url.query, headers, body)
            except ContractError as wrong:
                return _fault(400 if wrong.known else 404, str(wrong))
            kind, account = path.split("/")[1], _account(token)
            if kind == "phone-number" and "id" in asked.parameters:
                await self._remember(token, account, asked.parameters["id"])
            return await self._handle(request.method, kind, account, asked)

        return await self.door.answer(request, respond)

    async def _is_public(self, token: str) -> bool:
        return self.is_public is not None and await self.is_public(token)

    async def _handle(self, method: str, kind: str, account: str, asked: Checked) -> Response:
        record_id = asked.parameters.get("id")
        if record_id is None:
            if method == "POST":
                return JSONResponse(await self._create(kind, account, asked.body), status_code=201)
            ids = await self.memory.listed(f"{kind}:{account}", limit=asked.query.get("limit", _LISTED))
            return JSONResponse([each["record"] for each in await self.memory.documents(kind, ids)])
        held = await self.memory.get(kind, record_id)
        if held is None or held["account"] != account:
            return _fault(404, f"Couldn't find {kind}. `id` does not exist.")
        record: Document = held["record"]
        if method == "PATCH":
            record |= _told(asked.body) | {"updatedAt": self._now()}
            await self.memory.put(kind, record_id, {**held, "record": record})
        elif method == "DELETE":
            await self.memory.put(_GONE, record_id, {})
            await self.memory.drop(f"{kind}:{account}", record_id)
            await self.memory.remove(kind, record_id)
        return JSONResponse(record)

    async def _remember(self, token: str, account: str, record_id: str) -> None:
        settings = await self.imported(token, record_id) if self.imported is not None else None
        if settings is None or await self.memory.get("phone-number", record_id) is not None:
            return
        if await self.memory.get(_GONE, record_id) is not None:
            # Deleted, and its row here does not know yet.
            return
        await self._create("phone-number", account, settings, identity=record_id)

    async def _create(self, kind: str, account: str, asked: Document, *, identity: str | None = None) -> Document:
        identity, now = identity or str(uuid4()), self._now()
        times = {"createdAt": now, "updatedAt": now}
        record: Document = {"id": identity, "orgId": str(uuid5(NAMESPACE_URL, account)), **times, **_told(asked)}
        await self.memory.put(kind, identity, {"account": account, "record": record})
        await self.memory.add(f"{kind}:{account}", {identity: self.door.now().timestamp()})
        return record

    def _now(self) -> str:
        return self.door.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _account(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:32]


def _told(asked: Document) -> Document:
    return {name: value for name, value in asked.items() if name not in _UNTOLD}


def _fault(status: int, message: str) -> Response:
    return JSONResponse({"message": message, "statusCode": status}, status_code=status)
