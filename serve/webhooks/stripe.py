"""Stripe's events: kept once for the organization whose account they are about. Whoever bills takes them from there."""

from typing import Final

import orjson
import structlog

from actors.domain.json_types import JSON, Facts
from serve.errors import MalformedRequestError, UnauthenticatedError
from serve.webhooks.figures import Figures
from serve.webhooks.signatures import is_stripes
from serve.webhooks.vendor import VendorRequest
from storage.vendor_words import VendorWords, Word
from workflows.vendors.redaction import redact
from workflows.vendors.vapi_values import WireError, decode, first_text, mapping, moment, sequence, text

PROVIDER: Final = "stripe"
_NOTHING: Final = b"{}"
_SUBSCRIPTION: Final = "customer.subscription."
_CALL: Final = "call:"

_log = structlog.get_logger(__name__)


class StripeWebhook:
    """Handles events of our account, of the classic kind and of the thin one. Without a secret nothing is authentic."""

    content_type = "application/json"

    def __init__(self, words: VendorWords, figures: Figures, *, secret: str | None) -> None:
        self._words = words
        self._figures = figures
        self._secret = secret

    async def handle(self, request: VendorRequest) -> bytes:
        """Take an event. See VendorWebhook. What is nobody's here, as of an account shared with others, passes."""
        signature = request.header(b"stripe-signature")
        if self._secret is None or not is_stripes(signature, request.body, self._secret, now=request.received_at):
            raise UnauthenticatedError
        try:
            decoded, replaced = decode(request.body)
            redact(decoded)
        except WireError as fault:
            raise MalformedRequestError(f"{fault}.") from fault
        event = mapping(decoded)
        key, kind = text(event.get("id")), text(event.get("type"))
        if key is None or kind is None:
            raise MalformedRequestError("The event has no id or no type.")
        self._figures.received += 1
        self._figures.replaced_characters += replaced
        facts = facts_of(event, kind)
        organization_id = await self._words.organization_of(
            organization_id=_told(facts, "organization"),
            customer=_told(facts, "customer"),
            subscription=_told(facts, "subscription"),
        )
        if organization_id is None:
            _log.info("a payment event of nobody here", event_id=key, type=kind)
            self._figures.count(is_claimed=False, is_new=False)
            return _NOTHING
        word = Word(
            provider=PROVIDER,
            key=key,
            type=kind,
            facts=facts,
            occurred_at=_created(event.get("created")),
            received_at=request.received_at,
            body=orjson.dumps(event),
        )
        is_new = await self._words.keep(organization_id, word)
        self._figures.count(is_claimed=True, is_new=is_new)
        return _NOTHING


def facts_of(event: dict[str, JSON], kind: str) -> Facts:
    """Ids that an event names: never a name, an address or a card. Total.

    `organization` is what we named the object by when it was made, or a meter event when it was sent.
    """
    data = mapping(event.get("data"))
    told = mapping(data.get("object"))
    parent = mapping(mapping(told.get("parent")).get("subscription_details"))
    own = text(told.get("id"))
    found: dict[str, JSON] = {
        "object": own,
        "customer": own if told.get("object") == "customer" else _reference(told.get("customer")),
        "subscription": own
        if kind.startswith(_SUBSCRIPTION)
        else _reference(told.get("subscription")) or _reference(parent.get("subscription")),
        "organization": first_text(
            told.get("client_reference_id"),
            mapping(told.get("metadata")).get("organization_id"),
            mapping(parent.get("metadata")).get("organization_id"),
            _organization_of_calls(data),
        ),
        "status": text(told.get("status")),
    }
    return {name: value for name, value in found.items() if value is not None}


def _organization_of_calls(data: dict[str, JSON]) -> str | None:
    """Of a report of meter events that could not be counted: the first that tells whose it was."""
    for reason in sequence(mapping(data.get("reason")).get("error_types")):
        for sample in sequence(mapping(reason).get("sample_errors")):
            identifier = text(mapping(mapping(sample).get("request")).get("identifier")) or ""
            parts = identifier.split(":")
            if identifier.startswith(_CALL) and len(parts) > 2:  # noqa: PLR2004  (call:{organization}:{call})
                return parts[1]
    return None


def _reference(told: JSON) -> str | None:
    """An id, or that of an object in its place."""
    return text(told) or text(mapping(told).get("id"))


def _told(facts: Facts, name: str) -> str | None:
    return text(facts.get(name))


def _created(told: JSON) -> int | None:
    """Seconds in classic events, ISO 8601 in thin ones."""
    return moment(told * 1000 if isinstance(told, int) and not isinstance(told, bool) else told)
