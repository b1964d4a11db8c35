"""The used part of Twilio's API: messages, and numbers for sale. Without idempotency, as Twilio has it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from urllib.parse import urlencode
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from serve.simulator.callbacks import TwilioStatuses
from serve.simulator.contract import Checked, Contract, ContractError
from serve.simulator.credentials import knows
from serve.simulator.vendor_door import VendorDoor
from storage.simulated_vendors import Document, VendorMemory

PREFIX: Final = "/twilio"

# Twilio's own numbers for tests: https://www.twilio.com/docs/iam/test-credentials
_REFUSED: Final = {
    "+15005550001": (21211, "The 'To' number is not a valid phone number."),
    "+15005550002": (21612, "The 'To' number cannot be reached."),
    "+15005550003": (21408, "Permission to send to the region is not enabled."),
    "+15005550004": (21610, "The recipient has opted out."),
    "+15005550009": (21614, "The 'To' number is not a mobile number."),
}
UNDELIVERED: Final = "+15005550008"
"""Of ours: messages there are taken, and then told to be undelivered."""

_HANDSET_UNKNOWN: Final = 30005
_PAGE_SIZE: Final = 50
_MOST_FOR_SALE: Final = 30

Handle: TypeAlias = Callable[[Checked], Awaitable[tuple[int, Document | None]]]


class _RefusedError(Exception):
    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
        self.body: Document = twilio_error(code, message, status=status)


def twilio_error(code: int, message: str, *, status: int) -> Document:
    """An error in Twilio's form."""
    more = f"https://www.twilio.com/docs/errors/{code}"
    return {"code": code, "message": message, "more_info": more, "status": status}


def twilio_fault(status: int) -> Document:
    """The body of a simulated fault."""
    return twilio_error(20429 if status == 429 else 20500, "simulated fault", status=status)  # noqa: PLR2004


@dataclass(frozen=True, slots=True, kw_only=True)
class Twilio:
    """Twilio's endpoints. Without a `token` any password is taken."""

    memory: VendorMemory
    door: VendorDoor
    contract: Contract
    statuses: TwilioStatuses
    token: str | None

    def router(self) -> APIRouter:
        """Routes under /twilio."""
        router = APIRouter(prefix=PREFIX)
        router.add_api_route("/{path:path}", self.answer, methods=["GET", "POST", "DELETE"])
        return router

    async def answer(self, request: Request, path: str) -> Response:
        async def respond(body: bytes) -> Response:
            parts = path.split("/")
            account = parts[2] if len(parts) > 2 else ""  # noqa: PLR2004  (2010-04-01/Accounts/{sid})
            if not knows(request, account, self.token):
                return JSONResponse(twilio_error(20003, "Authenticate", status=401), status_code=401)
            headers = {name.lower(): value for name, value in request.headers.items()}
            try:
                asked = self.contract.check(request.method, f"/{path}", request.url.query, headers, body)
                status, told = await self._handler(request.method, parts[3:])(asked)
            except ContractError as wrong:
                status = 400 if wrong.known else 404
                told = twilio_error(20001 if wrong.known else 20404, str(wrong), status=status)
            except _RefusedError as refused:
                status, told = refused.status, refused.body
            return Response(status_code=status) if told is None else JSONResponse(told, status_code=status)

        return await self.door.answer(request, respond)

    def _handler(self, method: str, parts: list[str]) -> Handle:
        match method, parts:
            case "POST", ["Messages.json"]:
                return self._send
            case "GET", ["Messages.json"]:
                return self._messages
            case "GET", ["AvailablePhoneNumbers", _, "Local.json"]:
                return self._for_sale
            case "POST", ["IncomingPhoneNumbers.json"]:
                return self._buy
            case "GET", ["IncomingPhoneNumbers.json"]:
                return self._numbers
            case _:
                return self._release

    async def _send(self, asked: Checked) -> tuple[int, Document]:
        told = asked.body
        if not told.get("Body"):
            raise _RefusedError(21602, "Message body is required.")
        if not told.get("From") and not told.get("MessagingServiceSid"):
            raise _RefusedError(21603, "A 'From' phone number is required.")
        if told["To"] in _REFUSED:
            raise _RefusedError(*_REFUSED[told["To"]])
        account, now = asked.parameters["AccountSid"], self.door.now()
        sid = f"SM{uuid4().hex}"
        message: Document = {
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": told["Body"],
            "date_created": _rfc2822(now),
            "date_sent": None,
            "date_updated": _rfc2822(now),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": told.get("From"),
            "messaging_service_sid": told.get("MessagingServiceSid"),
            "num_media": "0",
            "num_segments": "1",
            "price": None,
            "price_unit": "USD",
            "sid": sid,
            "status": "queued",
            "subresource_uris": {},
            "to": told["To"],
            "uri": f"/2010-04-01/Accounts/{account}/Messages/{sid}.json",
        }
        await self.memory.put("message", sid, message)
        await self.memory.add(f"messages:{account}", {sid: now.timestamp()})
        await self.memory.add(f"messages:{account}:{told['To']}", {sid: now.timestamp()})
        if told["To"] == UNDELIVERED:
            outcome, error_code = ("sent", "undelivered"), _HANDSET_UNKNOWN
        else:
            outcome, error_code = ("sent", "delivered"), None
        self.statuses.tell(told.get("StatusCallback"), message, outcome, error_code)
        return 201, message

    async def _messages(self, asked: Checked) -> tuple[int, Document]:
        account, to = asked.parameters["AccountSid"], asked.query.get("To")
        sids = await self.memory.listed(f"messages:{account}:{to}" if to else f"messages:{account}")
        messages = await self.memory.documents("message", sids)
        sender = asked.query.get("From")
        found = [each for each in messages if sender is None or each["from"] == sender]
        return 200, _page(asked, found, f"/2010-04-01/Accounts/{account}/Messages.json", "messages")

    async def _for_sale(self, asked: Checked) -> tuple[int, Document]:
        area, country = asked.query.get("AreaCode", 555), asked.parameters["CountryCode"]
        account = asked.parameters["AccountSid"]
        sold = set(await self.memory.listed("sold"))
        numbers = [f"+1{area:03d}55{n:05d}" for n in range(_MOST_FOR_SALE)]
        found = [
            {
                "address_requirements": "none",
                "beta": False,
                "capabilities": {"voice": True, "SMS": True, "MMS": True, "fax": False},
                "friendly_name": number,
                "iso_country": country,
                "lata": None,
                "latitude": None,
                "locality": None,
                "longitude": None,
                "phone_number": number,
                "postal_code": None,
                "rate_center": None,
                "region": None,
            }
            for number in numbers
            if number not in sold
        ][: asked.query.get("PageSize", _PAGE_SIZE)]
        uri = f"/2010-04-01/Accounts/{account}/AvailablePhoneNumbers/{country}/Local.json"
        return 200, {"available_phone_numbers": found, "end": len(found), "next_page_uri": None, "uri": uri}

    async def _buy(self, asked: Checked) -> tuple[int, Document]:
        told, account, now = asked.body, asked.parameters["AccountSid"], self.door.now()
        number = told.get("PhoneNumber")
        if number is None:
            raise _RefusedError(21404, "Only a 'PhoneNumber' is sold here.")
        sid = f"PN{uuid4().hex}"
        owned: Document = {
            "account_sid": account,
            "api_version": "2010-04-01",
            "capabilities": {"voice": True, "sms": True, "mms": True, "fax": False},
            "date_created": _rfc2822(now),
            "date_updated": _rfc2822(now),
            "friendly_name": told.get("FriendlyName", number),
            "phone_number": number,
            "sid": sid,
            "sms_url": told.get("SmsUrl", ""),
            "status": "in-use",
            "status_callback": told.get("StatusCallback", ""),
            "uri": f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{sid}.json",
            "voice_url": told.get("VoiceUrl", ""),
        }
        first = await self.memory.keep_first("sold", number, owned)
        if first["sid"] != sid:
            raise _RefusedError(21422, "The phone number is not available.")
        await self.memory.put("number", sid, owned)
        await self.memory.add("sold", {number: now.timestamp()})
        await self.memory.add(f"numbers:{account}", {sid: now.timestamp()})
        return 201, owned

    async def _numbers(self, asked: Checked) -> tuple[int, Document]:
        account, number = asked.parameters["AccountSid"], asked.query.get("PhoneNumber")
        owned = await self.memory.documents("number", await self.memory.listed(f"numbers:{account}"))
        name = asked.query.get("FriendlyName")
        found = [
            each for each in owned if number in {None, each["phone_number"]} and name in {None, each["friendly_name"]}
        ]
        uri = f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers.json"
        return 200, _page(asked, found, uri, "incoming_phone_numbers")

    async def _release(self, asked: Checked) -> tuple[int, None]:
        sid, account = asked.parameters["Sid"], asked.parameters["AccountSid"]
        owned = await self.memory.get("number", sid)
        if owned is None:
            raise _RefusedError(20404, "The requested resource was not found.", status=404)
        await self.memory.remove("sold", owned["phone_number"])
        await self.memory.drop("sold", owned["phone_number"])
        await self.memory.drop(f"numbers:{account}", sid)
        await self.memory.remove("number", sid)
        return 204, None


def _page(asked: Checked, found: list[Document], uri: str, name: str) -> Document:
    page, size = asked.query.get("Page", 0), asked.query.get("PageSize", _PAGE_SIZE)
    start = page * size
    following = None
    if start + size < len(found):
        kept = {name: value for name, value in asked.query.items() if name != "Page"}
        following = f"{uri}?{urlencode({**kept, 'Page': page + 1})}"
    return {
        name: found[start : start + size],
        "end": min(start + size, len(found)),
        "next_page_uri": following,
        "page": page,
        "page_size": size,
        "start": start,
        "uri": uri,
    }


def _rfc2822(at: datetime) -> str:
    return at.strftime("%a, %d %b %Y %H:%M:%S +0000")
