"""Twilio by its own package: text messages and telephone numbers. It knows no idempotency key."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypeVar
from urllib.parse import urlencode

import orjson
from twilio.base import values
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client

from actors.domain.json_types import JSON
from workflows.errors import AbsentError, AmbiguousError, ProviderError, ProviderUnavailableError, RefusedError
from workflows.vendors.vapi_values import mapping
from workflows.vendors.vendor_http import Reply, VendorHttp, failure, retry_after

MAX_BODY: Final = 1_600
OPTED_OUT: Final = "21610"
"""The recipient answered STOP: it must not be written to again."""

UNREACHABLE: Final = frozenset({"21211", "21214", "21217", "21612", "21614"})
"""The recipient's number is none, or none that messages get to."""

PASSING: Final = frozenset({"30001", "30003", "30008", "30022"})
"""Why a text message that was taken did not arrive, and another may: a full queue, a telephone that is off, a reason
that the carrier does not tell, a number that sent too fast."""

# Refused for now, and never processed: too many requests, a queue of ten hours.
_LATER: Final = frozenset({"20429", "21611"})
_CLOCKS: Final = timedelta(minutes=2)
"""How far Twilio's clock and ours may be apart, its whole seconds included."""

_LOOKED_THROUGH: Final = 400
_PAGE: Final = 100

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage:
    """A message that Twilio has. `status` is the first one: of each further one it tells by a callback."""

    id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedNumber:
    """A telephone number of the account."""

    id: str
    number: str
    friendly_name: str


class TwilioApi:
    """Asks Twilio, each thing once. One per process and account; used as an async context manager.

    Every method raises AbsentError, RefusedError with Twilio's code, and ProviderUnavailableError. AmbiguousError
    leaves it open whether a message was sent or a number bought: look before trying again.
    """

    def __init__(self, account_sid: str, token: str, base_url: str | None = None) -> None:
        self._http = VendorHttp()
        # The package would take a region and an edge out of the environment, and bend the address by them.
        told = {"TWILIO_ACCOUNT_SID": account_sid}
        self._client = Client(account_sid, token, http_client=_Pooled(self._http), environment=told)
        if base_url is not None:
            self._client.api.base_url = base_url.rstrip("/")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def send_sms(self, *, sender: str, to: str, body: str, status_callback: str | None) -> SentMessage:
        """Send one text message of at most 1,600 characters; longer is refused here."""
        if len(body) > MAX_BODY:
            raise RefusedError("the text is too long", code="21617")
        made = await _answered(
            self._client.messages.create_async(
                to=to,
                from_=sender,
                body=body,
                status_callback=values.unset if status_callback is None else status_callback,
            )
        )
        if made.sid is None:
            raise AmbiguousError("the answer has no id")
        return SentMessage(id=made.sid, status=str(made.status or "queued"))

    async def find_sms(self, *, to: str, sender: str, since: datetime, body: str) -> SentMessage | None:
        """The newest message of exactly these parties and this text that Twilio took since then; None: it has none.

        For a send without an answer: `since` is the moment before its first attempt, and the text must name what it is
        about, or an equal message sent on purpose is found instead.
        """
        listed = await _answered(
            # Not by date: `DateSent` is empty while a message is queued.
            self._client.messages.list_async(to=to, from_=sender, limit=_LOOKED_THROUGH, page_size=_PAGE)
        )
        wanted = body.strip()
        for each in listed:
            if each.date_created is None or each.date_created < since - _CLOCKS or each.sid is None:
                continue
            # An account on trial has a sentence of Twilio's before its texts.
            if str(each.direction).startswith("outbound") and (each.body or "").strip().endswith(wanted):
                return SentMessage(id=each.sid, status=str(each.status or "queued"))
        if len(listed) >= _LOOKED_THROUGH and _newer(listed[-1].date_created, since):
            raise RefusedError("too many messages to look through")
        return None

    async def search_numbers(self, country: str, area_code: str | None = None, *, limit: int = 20) -> Sequence[str]:
        """Local numbers for sale that take calls and texts, in E.164."""
        country_numbers = self._client.available_phone_numbers(country).local
        found = await _answered(
            country_numbers.list_async(
                area_code=values.unset if area_code is None else int(area_code),
                sms_enabled=True,
                voice_enabled=True,
                limit=limit,
                page_size=limit,
            )
        )
        return [each.phone_number for each in found if each.phone_number is not None]

    async def numbers(
        self, phone_number: str | None = None, *, friendly_name: str | None = None
    ) -> Sequence[OwnedNumber]:
        """The account's numbers: the one of this E.164 form, those of this name, or all (at most 400)."""
        found = await _answered(
            self._client.incoming_phone_numbers.list_async(
                phone_number=values.unset if phone_number is None else phone_number,
                friendly_name=values.unset if friendly_name is None else friendly_name,
                limit=_LOOKED_THROUGH,
                page_size=_PAGE,
            )
        )
        return [
            OwnedNumber(id=each.sid, number=each.phone_number, friendly_name=each.friendly_name or "")
            for each in found
            if each.sid is not None and each.phone_number is not None
        ]

    async def buy_number(
        self, phone_number: str, *, friendly_name: str, sms_url: str | None = None, status_callback: str | None = None
    ) -> OwnedNumber:
        """Buy a number. A second purchase of the same one is refused by Twilio: `numbers` tells whether it is ours."""
        made = await _answered(
            self._client.incoming_phone_numbers.create_async(
                phone_number=phone_number,
                friendly_name=friendly_name,
                sms_url=values.unset if sms_url is None else sms_url,
                status_callback=values.unset if status_callback is None else status_callback,
            )
        )
        if made.sid is None:
            raise AmbiguousError("the answer has no id")
        return OwnedNumber(
            id=made.sid, number=made.phone_number or phone_number, friendly_name=made.friendly_name or ""
        )

    async def release_number(self, sid: str) -> None:
        """Give a number back. One that is gone is success."""
        try:
            await _answered(self._client.incoming_phone_numbers(sid).delete_async())
        except AbsentError:
            return


class _Pooled(AsyncHttpClient):
    """What Twilio's package sends its requests by.

    Refusals are raised here, and pass through the package as they are: its own errors come without the headers.
    """

    def __init__(self, http: VendorHttp) -> None:
        self._http = http
        self.is_async = True

    async def request(  # noqa: PLR0917  # as the package has it
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # as the package has it
        allow_redirects: bool = False,  # noqa: FBT001, FBT002  # as the package has it
    ) -> Response:
        del timeout, allow_redirects
        asked = {name: str(value) for name, value in (params or {}).items()}
        reply = await self._http.exchange(
            method,
            uri,
            headers=headers or {},
            # httpx replaces the query of an address by empty parameters: a further page has its own in the address.
            params=asked or None,
            content=urlencode(data, doseq=True).encode() if data else None,
            auth=auth,
        )
        if reply.status >= HTTPStatus.BAD_REQUEST:
            raise _failure(method, reply)
        return Response(reply.status, reply.content.decode(errors="replace"), reply.headers)


def _failure(method: str, reply: Reply) -> ProviderError:
    code = _code(reply.content)
    if code in _LATER:
        told = f"status {reply.status}, {code}"
        return ProviderUnavailableError(told, retry_after_seconds=retry_after(reply.headers))
    return failure(reply.status, reply.headers, code=code, changes_something=method.upper() != "GET")


def _code(content: bytes) -> str | None:
    try:
        told: JSON = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    code = mapping(told).get("code")
    return str(code) if isinstance(code, (int, str)) else None


async def _answered(asked: Awaitable[Answer]) -> Answer:
    try:
        return await asked
    except (TwilioException, ValueError, TypeError, KeyError) as unreadable:
        # An answer of success that the package cannot read: what was asked for may well be done.
        raise AmbiguousError(type(unreadable).__name__) from unreadable


def _newer(told: datetime | None, since: datetime) -> bool:
    return told is not None and told >= since - _CLOCKS
