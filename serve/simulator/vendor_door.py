"""The door every simulated vendor stands behind: shows the fault it was told to show, and keeps what it received."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from serve.errors import BodyTooLargeError
from storage.simulator_store import Document, SimulatorStore
from workflows.vendors.redaction import redact
from workflows.vendors.vapi_values import WireError

MAX_BODY_BYTES: Final = 1024 * 1024
DROPPED_SECONDS: Final = 60.0
REDACTED: Final = "[redacted]"
_SECRET_HEADERS: Final = ("authorization", "cookie", "secret", "token", "signature", "api-key")


class Fault(BaseModel):
    """How a vendor misbehaves. `rate` is the share of requests that `status` is answered to, 1 meaning all."""

    model_config = ConfigDict(extra="forbid")

    status: int | None = Field(default=None, ge=400, le=599)
    rate: float = Field(default=1.0, ge=0, le=1)
    delay_seconds: float = Field(default=0.0, ge=0, le=30)
    drop_rate: float = Field(default=0.0, ge=0, le=1)
    """The share of requests that are carried out but never answered."""
    retry_after_seconds: int | None = Field(default=None, ge=0, le=86_400)
    """What an answer of `status` asks to wait."""


Named: TypeAlias = Callable[[Request, bytes], Awaitable[Sequence[str]]]
"""The organizations that a request names."""


def plain_fault(status: int) -> Document:
    """What a fault is answered with where the vendor has no form of its own for it."""
    del status
    return {"message": "simulated fault"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorDoor:
    """One vendor's door. `prefix` is cut from recorded paths, so that they read as at the vendor.

    With `named`, a request is kept for the organizations it names, and one that changes something and names nobody for
    none: nobody shall read another's.
    """

    vendor: str
    prefix: str
    store: SimulatorStore
    random: Random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    named: Named | None = None
    fault_body: Callable[[int], Document] = plain_fault
    shown_headers: frozenset[str] = frozenset()
    """Headers that are kept though their names sound secret."""
    redacts_bodies: bool = False
    """Whether what stands under a secret's name in a JSON body is kept as `[redacted]`."""

    async def answer(
        self,
        request: Request,
        respond: Callable[[bytes], Awaitable[Response]],
        *,
        call_id: str | None = None,
    ) -> Response:
        """What the vendor answers, after its fault. The request is kept with the status the caller got, or none.

        Raises BodyTooLargeError and StorageUnavailableError.
        """
        at = self.now()
        body = await _body(request)
        organizations, is_shared = await self._concerned(request, body, call_id)
        fault = Fault.model_validate((await self.store.faults()).get(self.vendor, {}))
        await asyncio.sleep(fault.delay_seconds)
        if fault.status is not None and self.random.random() < fault.rate:
            response: Response = _faulty(fault, fault.status, self.fault_body)
        else:
            response = await respond(body)
        dropped = self.random.random() < fault.drop_rate
        if is_shared or organizations:
            await self._keep(request, body, at, None if dropped else response.status_code, organizations)
        if dropped:
            # No server can hang up without an answer through a proxy; one later than any client waits does the same.
            await asyncio.sleep(DROPPED_SECONDS)
        return response

    async def _concerned(self, request: Request, body: bytes, call_id: str | None) -> tuple[Sequence[str], bool]:
        """Whose request it is, and whether everybody may see one that is nobody's."""
        if call_id is not None:
            return await self.store.organizations_of(call_id), False
        if self.named is not None:
            return await self.named(request, body), request.method == "GET"
        return (), True

    async def _keep(
        self, request: Request, body: bytes, at: datetime, status: int | None, organizations: Sequence[str]
    ) -> None:
        path = request.url.path
        kept: Document = {
            "vendor": self.vendor,
            "method": request.method,
            "path": path[path.index(self.prefix) + len(self.prefix) :] if self.prefix in path else path,
            "query": request.url.query,
            "headers": redacted(request.headers, shown=self.shown_headers),
            "body": self._shown(_readable(body, request.headers.get("content-type", ""))),
            "status": status,
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        await self.store.record(kept, organizations)

    def _shown(self, body: Any) -> Any:
        if self.redacts_bodies:
            try:
                redact(body)
            except WireError:
                return REDACTED
        return body


def redacted(headers: Mapping[str, str], *, shown: frozenset[str] = frozenset()) -> dict[str, str]:
    """The headers with every value that lets somebody in replaced, but for those to be `shown`."""
    return {
        name: REDACTED if _is_secret(name.lower()) and name.lower() not in shown else value
        for name, value in headers.items()
    }


def _is_secret(name: str) -> bool:
    return any(secret in name for secret in _SECRET_HEADERS)


def _faulty(fault: Fault, status: int, body: Callable[[int], Document]) -> Response:
    headers = {} if fault.retry_after_seconds is None else {"retry-after": str(fault.retry_after_seconds)}
    return JSONResponse(body(status), status_code=status, headers=headers)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(MAX_BODY_BYTES)
    return bytes(body)


def _readable(body: bytes, content_type: str) -> Any:
    """A body as it is kept: JSON, a form's members by name, else its text."""
    if not body:
        return None
    if content_type.startswith("application/x-www-form-urlencoded"):
        members: dict[str, Any] = {}
        for name, value in parse_qsl(body.decode(errors="replace"), keep_blank_values=True):
            held = members.get(name)
            members[name] = value if held is None else [*(held if isinstance(held, list) else [held]), value]
        return members
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
