"""Resend's events about emails."""

from collections.abc import Mapping
from typing import Final

from actors.domain.json_types import JSON
from serve.errors import MalformedRequestError, UnauthenticatedError
from serve.webhooks.figures import Figures
from serve.webhooks.signatures import is_svixs
from serve.webhooks.vendor import VendorRequest
from storage.vendor_words import MessageWord, VendorWords, Word
from workflows.vendors.vapi_values import WireError, decode, mapping, moment, text

PROVIDER: Final = "resend"
_NOTHING: Final = b"{}"
_LONGEST: Final = 200

# Events come in any order, and more than once: of these the highest stays. Opening and clicking are nobody's business.
_RANKS: Final[Mapping[str, int]] = {
    "email.scheduled": 1,
    "email.sent": 3,
    "email.delivery_delayed": 4,
    "email.delivered": 8,
    "email.failed": 8,
    "email.suppressed": 8,
    "email.bounced": 9,
    "email.complained": 10,
}
_PASSING_BOUNCE: Final = "transient"


class ResendWebhook:
    """Handles events of our team. Without a secret nothing is authentic."""

    content_type = "application/json"

    def __init__(self, words: VendorWords, figures: Figures, *, secret: str | None) -> None:
        self._words = words
        self._figures = figures
        self._secret = secret

    async def handle(self, request: VendorRequest) -> bytes:
        """Take an event. See VendorWebhook. Events about anything but emails of ours pass."""
        identity = request.header(b"svix-id")
        timestamp, signature = request.header(b"svix-timestamp"), request.header(b"svix-signature")
        if self._secret is None or not is_svixs(
            identity, timestamp, signature, request.body, self._secret, now=request.received_at
        ):
            raise UnauthenticatedError
        try:
            decoded, replaced = decode(request.body)
        except WireError as fault:
            raise MalformedRequestError(f"{fault}.") from fault
        self._figures.received += 1
        self._figures.replaced_characters += replaced
        event = mapping(decoded)
        kind, data = text(event.get("type")) or "", mapping(event.get("data"))
        email_id, rank = text(data.get("email_id")), _RANKS.get(kind)
        if rank is None or email_id is None:
            self._figures.unknown_types += rank is None
            return _NOTHING
        status = kind.removeprefix("email.")
        error, suppression = _consequence(kind, data)
        word = Word(
            provider=PROVIDER,
            key=identity[:_LONGEST],
            type=kind,
            facts={"vendor_id": email_id, "status": status, "error": error},
            occurred_at=moment(event.get("created_at")),
            received_at=request.received_at,
        )
        message = MessageWord(vendor_id=email_id, status=status, rank=rank, error=error, suppression=suppression)
        taken = await self._words.hear_of_message(word, message)
        self._figures.count(is_claimed=taken.organization_id is not None, is_new=taken.is_new)
        return _NOTHING


def _consequence(kind: str, data: dict[str, JSON]) -> tuple[str | None, str | None]:
    """Why an email did not arrive, and why no further one may be sent there."""
    match kind:
        case "email.bounced":
            bounce = mapping(data.get("bounce"))
            told = text(bounce.get("type")) or "unknown"
            further = text(bounce.get("subType"))
            passing = told.lower() == _PASSING_BOUNCE
            return (told if further is None else f"{told}: {further}")[:_LONGEST], None if passing else "bounce"
        case "email.complained":
            return None, "complaint"
        case "email.suppressed":
            return "suppressed", "bounce"
        case "email.failed":
            return (text(mapping(data.get("failed")).get("reason")) or "failed")[:_LONGEST], None
        case _:
            return None, None
