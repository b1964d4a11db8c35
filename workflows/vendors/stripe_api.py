"""Stripe by its own package: meters, subscriptions, customers, and the pages that customers pay on."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import stripe

from workflows.errors import AbsentError, AmbiguousError, ProviderError, RefusedError
from workflows.vendors.vendor_http import VendorHttp, failure

API_VERSION: Final = "2026-10-28.endive"
"""Pinned: what this module reads and writes is of this version, whatever the package's own becomes."""

_CONFLICT: Final = 409
_PAGE: Final = 100

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A subscription with its metered item (its first where none is metered). The period is the item's, in seconds."""

    id: str
    status: str
    customer: str
    item_id: str
    period_start: int
    period_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What a metered price counts by."""

    id: str
    event_name: str


class StripeApi:
    """Asks Stripe, each thing once. One per process and key; used as an async context manager.

    Every method raises AbsentError, RefusedError and ProviderUnavailableError; those that change something also
    AmbiguousError. Stripe keeps an idempotency key, and what it answered to it, for a day: within it a request with the
    same key may be sent again after any error; with other contents it is refused with the code `idempotency_error`.
    """

    def __init__(self, key: str, base_url: str | None = None) -> None:
        # Else the package writes an id of its own into the home folder, and tells Stripe of our latencies.
        stripe.enable_telemetry = False
        self._http = VendorHttp()
        base = None if base_url is None else base_url.rstrip("/")
        self._client = stripe.StripeClient(
            key,
            stripe_version=API_VERSION,
            max_network_retries=0,
            http_client=_Pooled(self._http),
            base_addresses={} if base is None else {"api": base, "connect": base, "files": base, "meter_events": base},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def record_meter_event(
        self, *, event_name: str, customer: str, value: int, identifier: str, timestamp: int
    ) -> None:
        """Count `value` for the customer at a moment (seconds, at most 35 days ago).

        An event of this identifier that exists already is success: within a day (at least) it counts once, however
        often it is sent. No idempotency key is given, for that would bring back a stored failure for a day.
        """
        asked = self._client.v1.billing.meter_events.create_async(
            {
                "event_name": event_name,
                "identifier": identifier,
                "timestamp": timestamp,
                "payload": {"stripe_customer_id": customer, "value": str(value)},
            }
        )
        try:
            await asked
        except stripe.InvalidRequestError as refused:
            if not _exists_already(refused):
                raise _failure(refused, changes_something=True) from refused
        except stripe.StripeError as failed:
            raise _failure(failed, changes_something=True) from failed

    async def cancel_meter_event(self, *, event_name: str, identifier: str) -> None:
        """Take an event back, within a day of its arrival."""
        await _answered(
            self._client.v1.billing.meter_event_adjustments.create_async(
                {"event_name": event_name, "type": "cancel", "cancel": {"identifier": identifier}}
            ),
            changes_something=True,
        )

    async def meter_summary(self, *, meter_id: str, customer: str, start: int, end: int) -> int:
        """What the meter counted for the customer in [start, end), both in seconds and whole minutes.

        Stripe adds up with a delay: what was just accepted may be missing.
        """
        found = await _answered(
            self._client.v1.billing.meters.event_summaries.list_async(
                meter_id, {"customer": customer, "start_time": start, "end_time": end, "limit": _PAGE}
            )
        )
        total = 0.0
        while True:
            total += sum(each.aggregated_value for each in found.data)
            if not found.has_more:
                return round(total)
            found = await _answered(found.next_page_async())

    async def meter_of(self, price: str) -> Meter:
        """The meter of a metered price. Raises RefusedError also for a price that has none."""
        told = await _answered(self._client.v1.prices.retrieve_async(price))
        meter_id = None if told.recurring is None else told.recurring.meter
        if meter_id is None:
            raise RefusedError("the price has no meter")
        meter = await _answered(self._client.v1.billing.meters.retrieve_async(meter_id))
        return Meter(id=meter.id, event_name=meter.event_name)

    async def subscription(self, subscription_id: str) -> Subscription:
        """The subscription as it is now."""
        return _subscription(await _answered(self._client.v1.subscriptions.retrieve_async(subscription_id)))

    async def event(self, event_id: str) -> Mapping[str, Any]:
        """An event of the thin kind with its contents. Stripe keeps them for 30 days."""
        return (await _answered(self._client.v2.core.events.retrieve_async(event_id))).to_dict()

    async def account(self) -> str:
        """The id of the account that the key is of."""
        return (await _answered(self._client.v1.accounts.retrieve_current_async())).id

    async def knows_customer(self, customer: str) -> bool:
        """Whether the account has such a customer, or had it."""
        return await self._customer(customer) is not None

    async def customer_exists(self, customer: str) -> bool:
        """Whether there is such a customer, and it was not deleted."""
        told = await self._customer(customer)
        # What was deleted is told of as a stub for a while.
        return told is not None and not getattr(told, "deleted", False)

    async def _customer(self, customer: str) -> stripe.Customer | None:
        try:
            return await _answered(self._client.v1.customers.retrieve_async(customer))
        except AbsentError:
            return None

    async def find_customer(self, marks: Mapping[str, str], *, since: int) -> str | None:
        """The customer with these marks in its metadata that was made since then (seconds); None: there is none."""
        page = await _answered(self._client.v1.customers.list_async({"created": {"gte": since}, "limit": _PAGE}))
        while True:
            for each in page.data:
                if _bears(each.metadata, marks):
                    return each.id
            if not page.has_more:
                return None
            page = await _answered(page.next_page_async())

    async def find_subscription(self, customer: str, marks: Mapping[str, str]) -> Subscription | None:
        """The customer's subscription with these marks in its metadata that has not ended; None: there is none."""
        page = await _answered(self._client.v1.subscriptions.list_async({"customer": customer, "limit": _PAGE}))
        return next((_subscription(each) for each in page.data if _bears(each.metadata, marks)), None)

    async def create_customer(
        self,
        *,
        organization_id: str,
        name: str,
        email: str | None,
        idempotency_key: str,
        marks: Mapping[str, str] | None = None,
    ) -> str:
        """A new customer that names its organization in its metadata, beside `marks`; its id."""
        metadata = {"organization_id": organization_id, **(marks or {})}
        params: stripe.params.CustomerCreateParams = {"name": name, "metadata": metadata}
        if email is not None:
            params["email"] = email
        made = await _answered(
            self._client.v1.customers.create_async(params, {"idempotency_key": idempotency_key}),
            changes_something=True,
        )
        return made.id

    async def delete_customer(self, customer: str) -> None:
        """Delete a customer, and end its subscriptions at once. One that is gone is success."""
        await _gone(self._client.v1.customers.delete_async(customer))

    async def create_subscription(
        self,
        *,
        customer: str,
        prices: Sequence[str],
        idempotency_key: str,
        organization_id: str | None = None,
        marks: Mapping[str, str] | None = None,
    ) -> Subscription:
        """Subscribe the customer to prices; metered ones take no quantity, so none is given.

        Nothing is charged here: what is due at once leaves it `incomplete` until the customer pays.
        """
        named = {} if organization_id is None else {"organization_id": organization_id}
        made = await _answered(
            self._client.v1.subscriptions.create_async(
                {
                    "customer": customer,
                    "items": [{"price": price} for price in prices],
                    "metadata": {**named, **(marks or {})},
                    "payment_behavior": "default_incomplete",
                },
                {"idempotency_key": idempotency_key},
            ),
            changes_something=True,
        )
        return _subscription(made)

    async def cancel_subscription(self, subscription_id: str, *, invoice_now: bool = False) -> None:
        """End a subscription at once. One that is gone is success. `invoice_now` bills what was used so far."""
        await _gone(self._client.v1.subscriptions.cancel_async(subscription_id, {"invoice_now": invoice_now}))

    async def checkout_link(
        self,
        *,
        organization_id: str,
        customer: str | None,
        prices: Mapping[str, int | None],
        success_url: str,
        cancel_url: str,
        idempotency_key: str | None = None,
    ) -> str:
        """Where a customer subscribes and pays, for a day. `prices` with their quantities, None for metered ones.

        The session, and the subscription that comes of it, name the organization.
        """
        params: stripe.params.checkout.SessionCreateParams = {
            "mode": "subscription",
            "client_reference_id": organization_id,
            "line_items": [
                {"price": price} if quantity is None else {"price": price, "quantity": quantity}
                for price, quantity in prices.items()
            ],
            "subscription_data": {"metadata": {"organization_id": organization_id}},
            "success_url": success_url,
            "cancel_url": cancel_url,
        }
        if customer is not None:
            params["customer"] = customer
        options: stripe.RequestOptions = {} if idempotency_key is None else {"idempotency_key": idempotency_key}
        session = await _answered(
            self._client.v1.checkout.sessions.create_async(params, options), changes_something=True
        )
        if session.url is None:
            raise RefusedError("the session has no address")
        return session.url

    async def portal_link(self, *, customer: str, return_url: str) -> str:
        """Where a customer sees invoices and changes how it pays, for minutes."""
        session = await _answered(
            self._client.v1.billing_portal.sessions.create_async({"customer": customer, "return_url": return_url}),
            changes_something=True,
        )
        return session.url


class _Pooled(stripe.HTTPClient):
    """What Stripe's package sends its requests by. What it raises passes through the package as it is."""

    name = "httpx"

    def __init__(self, http: VendorHttp) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - a parameter for the package's own tests
        self._http = http

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        content = post_data.encode() if isinstance(post_data, str) else post_data
        reply = await self._http.exchange(method, url, headers=headers, content=content)
        return reply.content, reply.status, reply.headers

    async def close_async(self) -> None:
        await self._http.close()


async def _answered(asked: Awaitable[Answer], *, changes_something: bool = False) -> Answer:
    try:
        return await asked
    except stripe.StripeError as failed:
        raise _failure(failed, changes_something=changes_something) from failed


async def _gone(asked: Awaitable[object]) -> None:
    try:
        await _answered(asked, changes_something=True)
    except AbsentError:
        return


def _failure(error: stripe.StripeError, *, changes_something: bool) -> ProviderError:
    """Our name for the package's error, whose own message may quote what was sent."""
    code = error.code or (error.error.type if error.error is not None else None)
    if error.http_status == _CONFLICT:
        # Another request with the same key is under way.
        return AmbiguousError(f"status {_CONFLICT}")
    if isinstance(error, stripe.RateLimitError):
        return failure(429, error.headers or {}, code=code)
    return failure(error.http_status or 0, error.headers or {}, code=code, changes_something=changes_something)


def _bears(metadata: stripe.StripeObject | None, marks: Mapping[str, str]) -> bool:
    return metadata is not None and all(name in metadata and metadata[name] == value for name, value in marks.items())


def _exists_already(error: stripe.InvalidRequestError) -> bool:
    # Stripe has no code for it, only the sentence.
    return "already exists" in (error.user_message or "")


def _subscription(told: stripe.Subscription) -> Subscription:
    items = told["items"].data
    if not items:
        raise RefusedError("the subscription has no item")
    metered = [item for item in items if item.price.recurring and item.price.recurring.usage_type == "metered"]
    item = (metered or items)[0]
    return Subscription(
        id=told.id,
        status=told.status,
        customer=told.customer if isinstance(told.customer, str) else told.customer.id,
        item_id=item.id,
        period_start=item.current_period_start,
        period_end=item.current_period_end,
    )
