"""What we take from an event of Stripe's: ids, amounts and moments, never a name, an address or a card."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from actors.domain.json_types import JSON, Facts

METER_ERRORS: Final = "v1.billing.meter.error_report_triggered"
CHECKOUT_COMPLETED: Final = "checkout.session.completed"
SUBSCRIPTION: Final = "customer.subscription."
SUBSCRIPTION_CREATED: Final = "customer.subscription.created"
INVOICE: Final = "invoice."


def event_facts(event: Mapping[str, Any]) -> Facts:
    """The facts of an event, or of one of the thin kind with its data. Total: what cannot be read is left out.

    `object`, `customer`, `subscription`, `organization` (what we told Stripe when we made the object), `status`;
    `amount` (of an invoice, in hundredths), `currency`, `period_start`, `period_end` (seconds); `identifiers` of meter
    events that Stripe did not take, and `code` why.
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
        "identifiers": [*_identifiers(data)],
        "code": _code(data),
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


def _identifiers(data: Mapping[str, Any]) -> Sequence[str]:
    """Of the meter events that an error report names."""
    samples = [
        sample
        for kind in _list(_mapping(data.get("reason")).get("error_types"))
        for sample in _list(_mapping(kind).get("sample_errors"))
    ]
    told = [_mapping(_mapping(sample).get("request")).get("identifier") for sample in samples]
    return [each for each in told if isinstance(each, str)]


def _code(data: Mapping[str, Any]) -> str | None:
    kinds = _list(_mapping(data.get("reason")).get("error_types"))
    return _text(_mapping(kinds[0]).get("code")) if kinds else None


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
