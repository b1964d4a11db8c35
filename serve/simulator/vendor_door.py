"""The door every simulated vendor stands behind: shows the fault it was told to show, and keeps what it received."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from serve.errors import BodyTooLargeError
from storage.simulator_store import Document, SimulatorStore

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


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorDoor:
    """One vendor's door. `prefix` is cut from recorded paths, so that they read as at the vendor."""

    vendor: str
    prefix: str
    store: SimulatorStore
    random: Random
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

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
        organizations = await self.store.organizations_of(call_id) if call_id is not None else ()
        fault = Fault.model_validate((await self.store.faults()).get(self.vendor, {}))
        await asyncio.sleep(fault.delay_seconds)
        if fault.status is not None and self.random.random() < fault.rate:
            response: Response = JSONResponse({"message": "simulated fault"}, status_code=fault.status)
        else:
            response = await respond(body)
        dropped = self.random.random() < fault.drop_rate
        if call_id is None or organizations:
            await self._keep(request, body, at, None if dropped else response.status_code, organizations)
        if dropped:
            # No server can hang up without an answer through a proxy; one later than any client waits does the same.
            await asyncio.sleep(DROPPED_SECONDS)
        return response

    async def _keep(
        self, request: Request, body: bytes, at: datetime, status: int | None, organizations: Sequence[str]
    ) -> None:
        path = request.url.path
        kept: Document = {
            "vendor": self.vendor,
            "method": request.method,
            "path": path[path.index(self.prefix) + len(self.prefix) :] if self.prefix in path else path,
            "query": request.url.query,
            "headers": redacted(request.headers),
            "body": _readable(body),
            "status": status,
            "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        await self.store.record(kept, organizations)


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers with every value that lets somebody in replaced."""
    return {
        name: REDACTED if any(secret in name.lower() for secret in _SECRET_HEADERS) else value
        for name, value in headers.items()
    }


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLargeError(MAX_BODY_BYTES)
    return bytes(body)


def _readable(body: bytes) -> Any:
    if not body:
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode(errors="replace")
