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
from workflows.vendors.stripe_events import OF_METERS, event_facts
from workflows.vendors.vapi_values import WireError, decode, mapping, moment, text

PROVIDER: Final = "stripe"
_NOTHING: Final = b"{}"

_log = structlog.get_logger(__name__)


class StripeWebhook:
    """Handles events of our account, of the classic kind and of the thin one. Without a secret nothing is authentic.

    Stripe signs each of its destinations' events with a secret of its own, and the two kinds go to two destinations:
    `secret` may be several, between commas.
    """

    content_type = "application/json"

    def __init__(self, words: VendorWords, figures: Figures, *, secret: str | None) -> None:
        self._words = words
        self._figures = figures
        self._secrets = [each for part in (secret or "").split(",") if (each := part.strip())]

    async def handle(self, request: VendorRequest) -> bytes:
        """Take an event. See VendorWebhook. What is nobody's here, as of an account shared with others, passes.

        Of what Stripe could not count it tells without saying whose it is: that is kept, and its contents are asked for
        by whoever bills.
        """
        signature = request.header(b"stripe-signature")
        if not any(is_stripes(signature, request.body, each, now=request.received_at) for each in self._secrets):
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
        facts = event_facts(event)
        if kind in OF_METERS:
            await self._keep_of_account(request, event, key, kind)
            return _NOTHING
        organization_id = await self._words.organization_of(
            organization_id=_told(facts, "organization"),
            customer=_customer(event, facts),
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

    async def _keep_of_account(self, request: VendorRequest, event: dict[str, JSON], key: str, kind: str) -> None:
        word = Word(
            provider=PROVIDER,
            key=key,
            type=kind,
            facts={},
            occurred_at=_created(event.get("created")),
            received_at=request.received_at,
        )
        is_new = await self._words.keep_of_account(word)
        self._figures.count(is_claimed=True, is_new=is_new)


def _customer(event: dict[str, JSON], facts: Facts) -> str | None:
    """Whose account it is: the customer that is named, or that the event is about."""
    about = mapping(mapping(event.get("data")).get("object"))
    return _told(facts, "customer") or (_told(facts, "object") if about.get("object") == "customer" else None)


def _told(facts: Facts, name: str) -> str | None:
    return text(facts.get(name))


def _created(told: JSON) -> int | None:
    """Seconds in classic events, ISO 8601 in thin ones."""
    return moment(told * 1000 if isinstance(told, int) and not isinstance(told, bool) else told)
