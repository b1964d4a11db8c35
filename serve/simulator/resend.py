"""The used part of Resend's API: an email, once by its key."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from serve.simulator.callbacks import ResendEvents
from serve.simulator.contract import Contract, ContractError
from serve.simulator.credentials import bears
from serve.simulator.vendor_door import VendorDoor
from storage.simulated_vendors import Document, VendorMemory

PREFIX: Final = "/resend"
_DAY: Final = 86_400
_TOO_MANY: Final = 429

# Resend's own addresses for tests: what becomes of an email there.
_OUTCOMES: Final = {
    "bounced@resend.dev": ("email.sent", "email.bounced"),
    "complained@resend.dev": ("email.sent", "email.delivered", "email.complained"),
    "suppressed@resend.dev": ("email.suppressed",),
}
_DELIVERED: Final = ("email.sent", "email.delivered")


def resend_error(status: int, name: str, message: str) -> Document:
    """An error in Resend's form."""
    return {"statusCode": status, "name": name, "message": message}


def resend_fault(status: int) -> Document:
    """The body of a simulated fault."""
    return resend_error(
        status, "rate_limit_exceeded" if status == _TOO_MANY else "application_error", "simulated fault"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """Resend's endpoints. Without an `api_key` any bearer token is taken."""

    memory: VendorMemory
    door: VendorDoor
    contract: Contract
    events: ResendEvents
    api_key: str | None

    def router(self) -> APIRouter:
        """Routes under /resend."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/{path:path}", self.answer, methods=["GET", "POST"])
        return router

    async def answer(self, request: Request, path: str) -> Response:
        async def respond(body: bytes) -> Response:
            if not bears(request, self.api_key):
                return _refused(403, "invalid_api_key", "API key is invalid")
            headers = {name.lower(): value for name, value in request.headers.items()}
            try:
                asked = self.contract.check(request.method, f"/{path}", request.url.query, headers, body)
            except ContractError as wrong:
                return _refused(*((422, "validation_error") if wrong.known else (404, "not_found")), str(wrong))
            if request.method == "GET":
                return await self._read(asked.parameters["email_id"])
            if "text" not in asked.body and "html" not in asked.body:
                return _refused(422, "missing_required_field", "Missing `html` or `text` field.")
            return await self._send(asked.body, body, headers.get("idempotency-key"))

        return await self.door.answer(request, respond)

    async def _read(self, email_id: str) -> Response:
        email = await self.memory.get("email", email_id)
        if email is None:
            return _refused(404, "not_found", "Email not found")
        return JSONResponse(email)

    async def _send(self, told: Document, body: bytes, key: str | None) -> Response:
        identity = str(uuid4())
        if key is not None:
            kept = {"id": identity, "digest": hashlib.sha256(body).hexdigest()}
            first = await self.memory.keep_first("key", key, kept, seconds=_DAY)
            if first["digest"] != kept["digest"]:
                message = "The same idempotency key was used with another payload."
                return _refused(409, "invalid_idempotent_request", message)
            if first["id"] != identity:
                return JSONResponse({"id": first["id"]})
        to: Any = told["to"]
        recipients = [to] if isinstance(to, str) else cast("list[str]", to)
        email: Document = {
            "created_at": self.door.now().isoformat(),
            "email_id": identity,
            "from": told["from"],
            "subject": told["subject"],
            "tags": {tag["name"]: tag["value"] for tag in told.get("tags", [])},
            "to": recipients,
        }
        outcome = _OUTCOMES.get(recipients[0], _DELIVERED)
        read = {name: value for name, value in email.items() if name not in {"email_id", "tags"}}
        last = {"object": "email", "id": identity, "last_event": outcome[-1].removeprefix("email.")}
        await self.memory.put("email", identity, {**read, **last}, seconds=_DAY)
        self.events.tell(outcome, email)
        return JSONResponse({"id": identity})


def _refused(status: int, name: str, message: str) -> Response:
    return JSONResponse(resend_error(status, name, message), status_code=status)
