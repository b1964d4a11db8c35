"""What we take from an event of Stripe's: ids, amounts and moments, never a name, an address or a card."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from actors.domain.json_types import JSON, Facts

METER_ERRORS: Final = "v1.billing.meter.error_report_triggered"
METER_MISSING: Final = "v1.billing.meter.no_meter_found"
OF_METERS: Final = frozenset({METER_ERRORS, METER_MISSING})
"""Thin events: they come without contents, and may be about many organizations at once."""
CHECKOUT_COMPLETED: Final = "checkout.session.completed"
SUBSCRIPTION: Final = "customer.subscription."
SUBSCRIPTION_CREATED: Final = "customer.subscription.created"
INVOICE: Final = "invoice."


def event_facts(event: Mapping[str, Any]) -> Facts:
    """The facts of an event, or of one of the thin kind with its data. Total: what cannot be read is left out.

    `object`, `customer`, `subscription`, `organization` (what we told Stripe when we made the object), `status`;
    `amount` (of an invoice, in hundredths), `currency`, `period_start`, `period_end` (seconds).
    """
    data = _mapping(event.get("data"))
    told = _mapping(data.get("object"))
    parent = _mapping(_mapping(told.get("parent")).get("subscription_details"))
    kind = str(event.get("type"))
    found: dict[str, JSON] = {
        "object": _text(told.get("id")),
        "customer": _id(told.get("customer")),
        "subscription": _text(told.get("id"))
        if kind.startswith(SUBSCRIPTION)
        else _id(told.get("subscription")) or _id(parent.get("subscription")),
        "organization": _organization(told, parent),
        "status": _text(told.get("status")),
    }
    if kind.startswith(INVOICE):
        found |= {
            "amount": _number(told.get("amount_due")),
            "currency": _text(told.get("currency")),
            "period_start": _number(told.get("period_start")),
            "period_end": _number(told.get("period_end")),
        }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _organization(told: Mapping[str, Any], parent: Mapping[str, Any]) -> str | None:
    """What we named the object by when we made it."""
    named = [
        told.get("client_reference_id"),
        *(_mapping(each.get("metadata")).get("organization_id") for each in (told, parent)),
    ]
    return next((each for each in named if isinstance(each, str) and each), None)


def meter_errors(event: Mapping[str, Any]) -> dict[str, str]:
    """Why Stripe could not count meter events, by their identifiers, as far as an event of `OF_METERS` names them.

    It names samples alone: the rest is found by the nightly comparison. Total.
    """
    found: dict[str, str] = {}
    for kind in map(_mapping, _list(_mapping(_mapping(event.get("data")).get("reason")).get("error_types"))):
        for sample in _list(kind.get("sample_errors")):
            identifier = _text(_mapping(_mapping(sample).get("request")).get("identifier"))
            if identifier is not None:
                found[identifier] = _text(kind.get("code")) or "no reason"
    return found


def _mapping(told: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", told) if isinstance(told, Mapping) else {}


def _list(told: Any) -> Sequence[Any]:
    return cast("list[Any]", told) if isinstance(told, list) else []


def _id(told: Any) -> str | None:
    """Of a reference, which may be expanded."""
    return _text(told) or _text(_mapping(told).get("id"))


def _text(told: Any) -> str | None:
    return told if isinstance(told, str) and told else None


def _number(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) else None
