"""The used part of VAPI's API: calls placed, by id and by time, their recordings, and the control of a live call."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, Self

import orjson
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_camel

from serve.simulator.conducting import BadCommandError
from serve.simulator.credentials import bears, token_of
from serve.simulator.exchange import Exchange
from serve.simulator.vendor_door import VendorDoor
from serve.simulator.wav import LONGEST_SECONDS, recording
from storage.simulator_store import KEPT_REQUESTS, Document, SimulatorStore

_LATEST: Final = 2**53
_UNKNOWN_SECONDS: Final = 1.0
_UNREACHABLE: Final = "+15005550001"
"""As at Twilio: https://www.twilio.com/docs/iam/test-credentials"""

_CONTROLS: Final = frozenset(
    {"say", "add-message", "control", "end-call", "transfer", "send-transport-message", "handoff"}
)


class CallQuery(BaseModel):
    """Which calls to list; bounds VAPI does not know are ignored, as VAPI does."""

    model_config = ConfigDict(alias_generator=to_camel)

    limit: int = Field(default=100, ge=0, le=1000)
    created_at_gt: AwareDatetime | None = None
    created_at_ge: AwareDatetime | None = None
    created_at_lt: AwareDatetime | None = None
    created_at_le: AwareDatetime | None = None
    updated_at_gt: AwareDatetime | None = None
    updated_at_ge: AwareDatetime | None = None
    updated_at_lt: AwareDatetime | None = None
    updated_at_le: AwareDatetime | None = None

    def range_ms(self, name: str) -> tuple[int, int]:
        """The first and last ms that the bounds on `created` or `updated` permit."""

        def bound(kind: str, by: int, without: int) -> int:
            time: datetime | None = getattr(self, f"{name}_at_{kind}")
            return without if time is None else _ms(time) + by

        return max(bound("gt", 1, 0), bound("ge", 0, 0)), min(bound("lt", -1, _LATEST), bound("le", 0, _LATEST))


class CalledCustomer(BaseModel):
    """Whom to call."""

    number: str = Field(pattern=r"^\+[1-9][0-9]{6,14}$")
    name: str | None = None


class PlacedCall(BaseModel):
    """The used part of `POST /call`."""

    model_config = ConfigDict(alias_generator=to_camel)

    phone_number_id: str
    customer: CalledCustomer
    name: str | None = Field(default=None, max_length=40)
    assistant_id: str | None = None
    assistant: dict[str, Any] | None = None

    @model_validator(mode="after")
    def has_somebody_to_speak(self) -> Self:
        if self.assistant_id is None and self.assistant is None:
            raise ValueError("one of assistantId and assistant is needed")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Vapi:
    """VAPI's endpoints. Without an `api_key` any bearer token is taken."""

    store: SimulatorStore
    door: VendorDoor
    api_key: str | None
    exchange: Exchange | None = None
    """What conducts placed calls; without it none can be placed."""
    account_of: Callable[[str], Awaitable[Sequence[str]]] | None = None
    """The organizations whose key a token is: its account holds their calls alone. A stranger's holds all there are."""
    control_is_guarded: Callable[[str], Awaitable[bool]] | None = None
    """Whether commands for the calls of an assistant (by its id) need a public key."""

    def router(self) -> APIRouter:
        """Routes under /vapi."""
        router = APIRouter(prefix="/vapi")
        router.add_api_route("/call", self.list_calls)
        router.add_api_route("/call", self.place_call, methods=["POST"])
        router.add_api_route("/call/{call_id:path}/mono-recording", self.mono_recording)
        router.add_api_route("/call/{call_id:path}/control", self.control, methods=["POST"])
        # After its nouns: a call id may hold anything, slashes too.
        router.add_api_route("/call/{call_id:path}", self.get_call)
        router.add_api_route("/recordings/{call_id:path}.wav", self.recording_file, name="recording_file")
        return router

    async def list_calls(self, request: Request, asked: Annotated[CallQuery, Query()]) -> Response:
        created, updated = asked.range_ms("created"), asked.range_ms("updated")

        async def respond(_body: bytes) -> Response:
            if not self._authorized(request):
                return _invalid_key()
            # A call is never updated before it is created, so the earlier bound holds for both.
            since = max(created[0], updated[0])
            found = [
                record
                for owner in await self._owners(request)
                for record in await self.store.calls(
                    owner, updated_from=since, updated_to=updated[1], limit=KEPT_REQUESTS
                )
            ]
            within = [record for record in found if created[0] <= _created_ms(record) <= created[1]]
            return JSONResponse(sorted(within, key=_created_ms, reverse=True)[: asked.limit])

        return await self.door.answer(request, respond)

    async def place_call(self, request: Request) -> Response:
        """As VAPI does it: no idempotency, each request another call."""

        async def respond(body: bytes) -> Response:
            if not self._authorized(request):
                return _invalid_key()
            try:
                asked = PlacedCall.model_validate_json(body)
            except ValidationError as wrong:
                return _fault(
                    400,
                    "; ".join(
                        f"{each['loc'][-1] if each['loc'] else 'call'}: {each['msg']}" for each in wrong.errors()
                    ),
                )
            if asked.customer.number == _UNREACHABLE:
                return _fault(400, "customer.number is not a valid phone number")
            told = asked.model_dump(by_alias=True)
            placed = await self.exchange.place(told) if self.exchange is not None else None
            if placed is None:
                return _fault(400, "phoneNumberId does not exist")
            return JSONResponse(placed, status_code=201)

        return await self.door.answer(request, respond)

    async def get_call(self, request: Request, call_id: str) -> Response:
        async def respond(_body: bytes) -> Response:
            if not self._authorized(request):
                return _invalid_key()
            record = await self.store.call(call_id)
            return _not_found() if record is None else JSONResponse(record)

        return await self.door.answer(request, respond, call_id=call_id)

    async def mono_recording(self, request: Request, call_id: str) -> Response:
        async def respond(_body: bytes) -> Response:
            if not self._authorized(request):
                return _invalid_key()
            return RedirectResponse(request.url_for("recording_file", call_id=call_id), status_code=302)

        return await self.door.answer(request, respond, call_id=call_id)

    async def recording_file(self, request: Request, call_id: str) -> Response:
        """A presigned URL: the link itself is the permission, as at the vendor's object store."""

        async def respond(_body: bytes) -> Response:
            seconds = _seconds(await self.store.call(call_id))
            return Response(recording(call_id, seconds), media_type="audio/wav")

        return await self.door.answer(request, respond, call_id=call_id)

    async def control(self, request: Request, call_id: str) -> Response:
        """Without a credential, as VAPI's control URLs are by default; with a public key where the assistant asks."""

        async def respond(body: bytes) -> Response:
            if not await self._may_command(request, call_id):
                return _invalid_key()
            try:
                changed = await self.exchange.command(call_id, _read(body)) if self.exchange is not None else None
            except BadCommandError as refused:
                return _fault(400, refused.message)
            if changed is not None:
                return JSONResponse({"success": True}) if changed else _not_found()
            record = await self.store.call(call_id)
            if record is None or record.get("status") == "ended":
                return _not_found()
            command = _read(body)
            if not _known_control(command):
                return _fault(400, "Unknown control.")
            # Somebody else simulates it, and asks for what was commanded.
            for organization_id in await self.store.organizations_of(call_id):
                await self.store.add_command(organization_id, call_id, command)
            return JSONResponse({"success": True})

        return await self.door.answer(request, respond, call_id=call_id)

    async def _may_command(self, request: Request, call_id: str) -> bool:
        record = await self.store.call(call_id) if self.control_is_guarded is not None else None
        assistant_id = None if record is None else record.get("assistantId")
        if self.control_is_guarded is None or not await self.control_is_guarded(str(assistant_id)):
            return True
        token = token_of(request)
        # A private key is none that VAPI would take here.
        return token is not None and (self.account_of is None or not await self.account_of(token))

    def _authorized(self, request: Request) -> bool:
        return bears(request, self.api_key)

    async def _owners(self, request: Request) -> Sequence[str | None]:
        token = token_of(request)
        known = await self.account_of(token) if self.account_of is not None and token is not None else ()
        return known or (None,)


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _known_control(asked: Any) -> bool:
    return isinstance(asked, dict) and asked.get("type") in _CONTROLS  # pyright: ignore[reportUnknownMemberType]


def _not_found() -> Response:
    return _fault(404, "Couldn't get call. `id` does not exist.")


def _invalid_key() -> Response:
    return _fault(401, "Invalid Key.")


def _fault(status: int, message: str) -> Response:
    return JSONResponse({"message": message, "statusCode": status}, status_code=status)


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _created_ms(record: Document) -> int:
    return _ms(datetime.fromisoformat(str(record["createdAt"])))


def _seconds(record: Document | None) -> float:
    """How long a recording is: from answered to ended, a second when the call is not known here."""
    if record is None:
        return _UNKNOWN_SECONDS
    started, ended = record.get("startedAt"), record.get("endedAt")
    if started is None or ended is None:
        return LONGEST_SECONDS
    return (datetime.fromisoformat(str(ended)) - datetime.fromisoformat(str(started))).total_seconds()
