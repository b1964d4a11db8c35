"""Stripe's objects as its API shows them, as far as anybody reads them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from actors.domain.billing_period import Period, period_of
from storage.simulated_vendors import Document

METER: Final = "mtr_call_seconds"
METER_EVENT: Final = "call_seconds"
"""What the one meter counts, by the name that its events bear."""

GONE: Final = "gone-customer"
"""The kind of what is remembered of a customer that was deleted."""

SHORTEST_MONTH: Final = 28


def metered(price_id: str) -> bool:
    """Whether a price is metered: here the name tells."""
    return "metered" in price_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """What makes a subscription: prices with their quantities, None for metered ones. `created` is in seconds."""

    id: str
    customer: str
    created: int
    prices: Mapping[str, int | None]
    metadata: Document = field(default_factory=dict[str, Any])
    item_id: str | None = None
    """The metered item's id, where it has one already."""
    status: str = "active"

    def kept(self) -> Document:
        return asdict(self)

    @classmethod
    def of(cls, kept: Document) -> Self:
        return cls(**kept)


def subscription(told: Subscribed, *, now: int) -> Document:
    """A subscription; its items' period is the month since it was made that `now` falls into."""
    period = _period(told.created, now)
    items = [_item(told, name, quantity, period) for name, quantity in told.prices.items()]
    return {
        "id": told.id,
        "object": "subscription",
        "billing_cycle_anchor": told.created,
        "cancel_at_period_end": False,
        "collection_method": "charge_automatically",
        "created": told.created,
        "currency": "usd",
        "customer": told.customer,
        "items": {
            "object": "list",
            "data": items,
            "has_more": False,
            "url": f"/v1/subscription_items?subscription={told.id}",
        },
        "livemode": False,
        "metadata": told.metadata,
        "start_date": told.created,
        "status": told.status,
    }


def price(price_id: str, *, created: int) -> Document:
    """A monthly price: whatever its name, there is one."""
    usage = (
        {"usage_type": "metered", "meter": METER} if metered(price_id) else {"usage_type": "licensed", "meter": None}
    )
    return {
        "id": price_id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": created,
        "currency": "usd",
        "livemode": False,
        "metadata": {},
        "product": "prod_calls",
        "recurring": {"interval": "month", "interval_count": 1, **usage},
        "type": "recurring",
    }


def meter(*, created: int) -> Document:
    """The one meter there is."""
    return {
        "id": METER,
        "object": "billing.meter",
        "created": created,
        "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": "sum"},
        "display_name": "Call seconds",
        "event_name": METER_EVENT,
        "livemode": False,
        "status": "active",
        "updated": created,
        "value_settings": {"event_payload_key": "value"},
    }


def listed(data: list[Document], url: str) -> Document:
    """A list that ends with this page."""
    return {"object": "list", "data": data, "has_more": False, "url": url}


def _item(told: Subscribed, price_id: str, quantity: int | None, period: Period) -> Document:
    own = told.item_id if metered(price_id) and told.item_id is not None else None
    amount = {} if metered(price_id) else {"quantity": 1 if quantity is None else quantity}
    return {
        "id": own or f"si_{told.id.removeprefix('sub_')}_{price_id.removeprefix('price_')}",
        "object": "subscription_item",
        "created": told.created,
        "current_period_end": period.end // 1000,
        "current_period_start": period.start // 1000,
        "metadata": {},
        "price": price(price_id, created=told.created),
        "subscription": told.id,
        **amount,
    }


def _period(created: int, now: int) -> Period:
    began = datetime.fromtimestamp(created, UTC)
    # On a day that every month has, so that the first month is one.
    start = began.replace(day=min(began.day, SHORTEST_MONTH))
    end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    first = Period(start=round(start.timestamp() * 1000), end=round(end.timestamp() * 1000))
    return period_of(max(now * 1000, first.start), subscribed=first, time_zone="UTC")
