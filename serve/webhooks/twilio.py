"""Twilio's callbacks about messages, and what people answer to them: STOP above all."""

from collections.abc import Callable
from typing import Final, cast
from urllib.parse import parse_qsl

from twilio.request_validator import (
    RequestValidator,
    get_signature_algorithm,  # pyright: ignore[reportUnknownVariableType]
)

from serve.errors import MalformedRequestError, UnauthenticatedError
from serve.webhooks.figures import Figures
from serve.webhooks.vendor import VendorRequest
from storage.vendor_words import MessageWord, VendorWords, Word

PROVIDER: Final = "twilio"
PATH: Final = "/webhooks/twilio"
_NOTHING: Final = b"<Response/>"
_OPTED_OUT: Final = "21610"
_LONGEST: Final = 64
_MOST_MEMBERS: Final = 100

# Callbacks come in any order, and more than once: of these the highest stays. A status that Twilio adds is as `sent`.
_RANKS: Final = {
    "accepted": 1,
    "scheduled": 1,
    "queued": 1,
    "sending": 2,
    "sent": 3,
    "partially_delivered": 4,
    "canceled": 8,
    "failed": 8,
    "undelivered": 8,
    "delivered": 8,
    "read": 9,
}
_UNKNOWN_RANK: Final = 3
_STOPS: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_STARTS: Final = frozenset({"START", "UNSTOP", "YES"})


class TwilioWebhook:
    """Handles callbacks and incoming messages of our account. Without a token nothing is authentic."""

    content_type = "text/xml"

    def __init__(self, words: VendorWords, figures: Figures, *, token: str | None, public_base_url: str) -> None:
        self._words = words
        self._figures = figures
        self._validator = None if token is None else RequestValidator(token)
        # As Twilio was given it: what a proxy made of host and scheme is not what was signed.
        self._url = f"{public_base_url.rstrip('/')}{PATH}"

    async def handle(self, request: VendorRequest) -> bytes:
        """Take a callback or an incoming message. See VendorWebhook."""
        told = self._authentic(request)
        self._figures.received += 1
        sid = told.get("MessageSid") or told.get("SmsSid") or ""
        if not 0 < len(sid) <= _LONGEST or not sid.isalnum():
            raise MalformedRequestError("The form names no message.")
        if told.get("SmsStatus") == "received" or told.get("MessageStatus") == "received":
            await self._incoming(told, sid, request.received_at)
        else:
            await self._status(told, sid, request.received_at)
        return _NOTHING

    def _authentic(self, request: VendorRequest) -> dict[str, str]:
        validator = self._validator
        if validator is None:
            raise UnauthenticatedError
        try:
            pairs = parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=_MOST_MEMBERS)
        except ValueError:
            raise MalformedRequestError("The body is no form.") from None
        told = dict(pairs)
        url = f"{self._url}?{request.query}" if request.query else self._url
        signature = request.header(b"x-twilio-signature")
        algorithm = str(get_signature_algorithm(request.header(b"x-twilio-webhooks-signature-settings")))
        validate = cast("Callable[[str, dict[str, str], str, str], bool]", validator.validate)  # pyright: ignore[reportUnknownMemberType]
        if not signature or not validate(url, told, signature, algorithm):
            raise UnauthenticatedError
        return told

    async def _status(self, told: dict[str, str], sid: str, received_at: int) -> None:
        status = (told.get("MessageStatus") or told.get("SmsStatus") or "")[:_LONGEST]
        if not status:
            raise MalformedRequestError("The form tells no status.")
        error = told.get("ErrorCode", "")[:_LONGEST] or None
        word = Word(
            provider=PROVIDER,
            key=f"{sid}:{status}",
            type=f"message.{status}",
            facts={"vendor_id": sid, "status": status, "error": error},
            received_at=received_at,
        )
        message = MessageWord(
            vendor_id=sid,
            status=status,
            rank=_RANKS.get(status, _UNKNOWN_RANK),
            error=error,
            suppression="opt-out" if error == _OPTED_OUT else None,
        )
        taken = await self._words.hear_of_message(word, message)
        self._figures.count(is_claimed=taken.organization_id is not None, is_new=taken.is_new)

    async def _incoming(self, told: dict[str, str], sid: str, received_at: int) -> None:
        """What is written back is read for this alone; Twilio itself sends nothing further after a STOP."""
        wish = told.get("OptOutType", "").upper() or told.get("Body", "").strip().upper()
        address = told.get("From", "")
        if wish not in _STOPS | _STARTS:
            return
        kind = "message.stop" if wish in _STOPS else "message.start"
        word = Word(provider=PROVIDER, key=f"{sid}:received", type=kind, facts={}, received_at=received_at)
        change = self._words.opted_out if wish in _STOPS else self._words.opted_in
        heard = await change(word, channel="sms", address=address)
        self._figures.count(is_claimed=bool(heard), is_new=True)
