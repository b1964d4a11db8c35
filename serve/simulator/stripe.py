"""The used part of Stripe's API: each request checked against its contract, and answered once by its key."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import uuid4

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from serve.simulator.contract import Checked, Contract, ContractError
from serve.simulator.credentials import bears
from serve.simulator.stripe_customers import StripeCustomers
from serve.simulator.stripe_errors import StripeRefusedError, stripe_error
from serve.simulator.stripe_meters import StripeMeters
from serve.simulator.vendor_door import VendorDoor
from storage.simulated_vendors import Document, VendorMemory

PREFIX: Final = "/stripe"
_DAY: Final = 86_400
_UNDER_WAY_SECONDS: Final = 60

Handle: TypeAlias = Callable[[Checked], Awaitable[Document]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripe:
    """Stripe's endpoints. Without an `api_key` any bearer token is taken."""

    memory: VendorMemory
    door: VendorDoor
    contract: Contract
    meters: StripeMeters
    customers: StripeCustomers
    api_key: str | None

    def router(self) -> APIRouter:
        """Routes under /stripe."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/pay/{session_id}", self.payment_page)
        router.add_api_route("/pay/{session_id}", self.paid, methods=["POST"])
        router.add_api_route("/portal", self.portal_page)
        router.add_api_route("/{path:path}", self.answer, methods=["GET", "POST", "DELETE"])
        return router

    async def answer(self, request: Request, path: str) -> Response:
        async def respond(body: bytes) -> Response:
            if not bears(request, self.api_key):
                return _told(401, stripe_error("Invalid API Key provided."))
            headers = {name.lower(): value for name, value in request.headers.items()}
            try:
                asked = self.contract.check(request.method, f"/{path}", request.url.query, headers, body)
            except ContractError as wrong:
                return _told(400 if wrong.known else 404, stripe_error(str(wrong), code="parameter_unknown"))
            handle = self._handler(request.method, path)
            if request.method != "POST":
                return _told(*await _handled(handle, asked))
            return _told(*await self._once(request, body, handle, asked))

        return await self.door.answer(request, respond)

    def _handler(self, method: str, path: str) -> Handle:
        meters, customers = self.meters, self.customers
        match method, path.removeprefix("v1/").split("/"):
            case "POST", ["billing", "meter_events"]:
                return meters.record
            case "POST", ["billing", "meter_event_adjustments"]:
                return meters.cancel
            case "GET", ["billing", "meters", _]:
                return meters.meter
            case "GET", ["billing", "meters", _, "event_summaries"]:
                return meters.summaries
            case "GET", ["v2", "core", "events", _]:
                return meters.event
            case "GET", ["prices", _]:
                return meters.price
            case "GET", ["account"]:
                return customers.account
            case other:
                return _customers_handler(customers, other)

    async def _once(self, request: Request, body: bytes, handle: Handle, asked: Checked) -> tuple[int, Document]:
        """By its idempotency key: a repeated request gets the first one's answer, were it a refusal."""
        key = request.headers.get("idempotency-key")
        if key is None:
            return await _handled(handle, asked)
        digest = hashlib.sha256(request.url.path.encode() + b"\0" + body).hexdigest()
        nonce = uuid4().hex
        begun = {"digest": digest, "nonce": nonce, "status": None}
        held = await self.memory.keep_first("key", key, begun, seconds=_UNDER_WAY_SECONDS)
        if held["digest"] != digest:
            message = "Keys for idempotent requests can only be used with the parameters they were first used with."
            return 400, stripe_error(message, kind="idempotency_error")
        if held["status"] is not None:
            return held["status"], held["answer"]
        if held["nonce"] != nonce:
            message = "Another request with this key is under way."
            return 409, stripe_error(message, kind="idempotency_error", code="idempotency_key_in_use")
        status, answer = await _handled(handle, asked)
        await self.memory.put("key", key, {**begun, "status": status, "answer": answer}, seconds=_DAY)
        return status, answer

    async def payment_page(self, session_id: str) -> Response:
        """Where the simulated customer would give a card."""
        session = await self.memory.get("session", session_id)
        if session is None or session["status"] != "open":
            return _page("This checkout is over.", status=404)
        return _page("No card is charged here.", button="Subscribe")

    async def paid(self, session_id: str) -> Response:
        """The customer subscribed: the product hears of it by webhook."""
        try:
            url = await self.customers.pay(session_id)
        except StripeRefusedError:
            return _page("There is no such checkout.", status=404)
        return RedirectResponse(url, status_code=303)

    async def portal_page(self) -> Response:
        """Where the simulated customer would see invoices."""
        return _page("There are no invoices here.")


def _customers_handler(customers: StripeCustomers, asked: tuple[str, list[str]]) -> Handle:
    match asked:
        case "POST", ["customers"]:
            return customers.create
        case "GET", ["customers"]:
            return customers.list_all
        case "GET", ["customers", _]:
            return customers.customer
        case "DELETE", ["customers", _]:
            return customers.delete
        case "POST", ["subscriptions"]:
            return customers.subscribe
        case "GET", ["subscriptions"]:
            return customers.subscriptions
        case "GET", ["subscriptions", _]:
            return customers.subscription
        case "DELETE", ["subscriptions", _]:
            return customers.cancel
        case "POST", ["checkout", "sessions"]:
            return customers.checkout
        case _:
            return customers.portal


async def _handled(handle: Handle, asked: Checked) -> tuple[int, Document]:
    try:
        return 200, await handle(asked)
    except StripeRefusedError as refused:
        return refused.status, refused.body


def _told(status: int, body: Document) -> Response:
    headers = {"request-id": f"req_{uuid4().hex[:14]}"}
    return Response(orjson.dumps(body), status_code=status, media_type="application/json", headers=headers)


def _page(words: str, *, button: str | None = None, status: int = 200) -> Response:
    form = f"<form method=post><button>{button}</button></form>" if button is not None else ""
    page = f"<!doctype html><title>Simulated Stripe</title><h1>Simulated Stripe</h1><p>{words}</p>{form}"
    return HTMLResponse(page, status_code=status)
