"""Stripe's customers, their subscriptions, and the pages they pay on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from serve.simulator.callbacks import StripeEvents
from serve.simulator.contract import Checked
from serve.simulator.stripe_errors import StripeRefusedError, missing
from serve.simulator.stripe_objects import GONE, Subscribed, listed, metered, subscription
from storage.simulated_vendors import Document, VendorMemory
from storage.simulator_store import SimulatorStore

_DAY: Final = 86_400
_CANCELED: Final = "canceled"
_CUSTOMERS: Final = "customers"


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeCustomers:
    """The endpoints around customers. `now` is in seconds. Each raises StripeRefusedError."""

    store: SimulatorStore
    memory: VendorMemory
    events: StripeEvents
    now: Callable[[], int]
    pages: str
    """Where a browser reaches our pages."""

    async def owner(self, words: Sequence[str]) -> Sequence[str]:
        """The organizations that customers, subscriptions and sessions of these ids were made for."""
        found: list[Document] = []
        for kind, prefix in (("customer", "cus_"), ("subscription", "sub_"), ("session", "cs_")):
            found += await self.memory.documents(kind, [word for word in words if word.startswith(prefix)])
        told = [each["metadata"].get("organization_id") or each.get("client_reference_id") for each in found]
        return [str(each) for each in told if each]

    async def account(self, asked: Checked) -> Document:  # noqa: ARG002  # a handler's
        """The account that any key is of."""
        return {"id": "acct_simulated", "object": "account", "country": "US", "default_currency": "usd", "type": "none"}

    async def create(self, asked: Checked) -> Document:
        customer: Document = {
            "id": f"cus_{uuid4().hex[:14]}",
            "object": "customer",
            "created": self.now(),
            "livemode": False,
            "metadata": {},
            **asked.body,
        }
        await self.memory.put("customer", customer["id"], customer)
        await self.memory.add(_CUSTOMERS, {customer["id"]: customer["created"]})
        return customer

    async def list_all(self, asked: Checked) -> Document:
        """Customers made within times, the newest first; all on one page."""
        since = asked.query.get("created", {}).get("gte", 0)
        ids = await self.memory.listed(_CUSTOMERS, low=since)
        return listed([*await self.memory.documents("customer", ids)], "/v1/customers")

    async def customer(self, asked: Checked) -> Document:
        customer = asked.parameters["customer"]
        held = await self.memory.get("customer", customer)
        if held is not None:
            return held
        if await self.memory.get(GONE, customer) is None:
            raise missing("customer", customer)
        return {"id": customer, "object": "customer", "deleted": True}

    async def delete(self, asked: Checked) -> Document:
        customer = asked.parameters["customer"]
        if await self.memory.get("customer", customer) is None:
            raise missing("customer", customer)
        for name in await self.memory.listed(_subscriptions(customer)):
            held = await self.memory.get("subscription", name)
            if held is not None and held["status"] != _CANCELED:
                await self._end(Subscribed.of(held))
        await self.memory.put(GONE, customer, {"id": customer})
        await self.memory.drop(_CUSTOMERS, customer)
        await self.memory.remove("customer", customer)
        return {"id": customer, "object": "customer", "deleted": True}

    async def subscribe(self, asked: Checked) -> Document:
        told = asked.body
        prices = {item["price"]: item.get("quantity") for item in told.get("items", [])}
        return await self._subscribed(told["customer"], prices, told.get("metadata", {}))

    async def subscriptions(self, asked: Checked) -> Document:
        """The subscriptions of a customer, the newest first; all on one page."""
        ids = await self.memory.listed(_subscriptions(asked.query["customer"]))
        held = [Subscribed.of(each) for each in await self.memory.documents("subscription", ids)]
        ended = asked.query.get("status") in {"all", _CANCELED}
        shown = [subscription(each, now=self.now()) for each in held if ended or each.status != _CANCELED]
        return listed(shown, "/v1/subscriptions")

    async def subscription(self, asked: Checked) -> Document:
        return subscription(await self._found(asked.parameters["subscription_exposed_id"]), now=self.now())

    async def cancel(self, asked: Checked) -> Document:
        found = await self._found(asked.parameters["subscription_exposed_id"])
        if found.status == _CANCELED:
            raise missing("subscription", found.id)
        return await self._end(found)

    async def _end(self, found: Subscribed) -> Document:
        over = replace(found, status=_CANCELED)
        await self.memory.put("subscription", over.id, over.kept())
        told = {**subscription(over, now=self.now()), "canceled_at": self.now(), "ended_at": self.now()}
        self.events.tell("customer.subscription.deleted", told)
        return told

    async def checkout(self, asked: Checked) -> Document:
        told = asked.body
        if told.get("mode") != "subscription" or not told.get("line_items") or not told.get("success_url"):
            raise StripeRefusedError("Only subscriptions of something, with a way back, are simulated.", param="mode")
        _prices(told["line_items"])
        session_id = f"cs_test_{uuid4().hex}"
        session: Document = {
            "id": session_id,
            "object": "checkout.session",
            "created": self.now(),
            "customer": None,
            "expires_at": self.now() + _DAY,
            "livemode": False,
            "metadata": {},
            "payment_status": "unpaid",
            "status": "open",
            "subscription": None,
            "url": f"{self.pages}/pay/{session_id}",
            **{name: value for name, value in told.items() if name not in {"line_items", "subscription_data"}},
        }
        await self.memory.put("session", session_id, {**session, "asked": told})
        return session

    async def pay(self, session_id: str) -> str:
        """Subscribe as an open session asks, and tell of it; where the customer goes then. Again changes nothing."""
        held = await self.memory.get("session", session_id)
        if held is None:
            raise missing("checkout session", session_id)
        asked: Document = held["asked"]
        if held["status"] == "open":
            customer = held["customer"] or f"cus_{uuid4().hex[:14]}"
            metadata = asked.get("subscription_data", {}).get("metadata", {})
            made = await self._subscribed(customer, _prices(asked["line_items"]), metadata)
            done = {"customer": customer, "payment_status": "paid", "status": "complete", "subscription": made["id"]}
            told = {**held, **done, "url": None}
            await self.memory.put("session", session_id, told)
            self.events.tell("checkout.session.completed", {k: v for k, v in told.items() if k != "asked"})
        return str(asked["success_url"])

    async def portal(self, asked: Checked) -> Document:
        if not asked.body.get("customer"):
            raise StripeRefusedError("Missing required param: customer.", param="customer", code="parameter_missing")
        return {
            "id": f"bps_{uuid4().hex}",
            "object": "billing_portal.session",
            "configuration": "bpc_simulated",
            "created": self.now(),
            "customer": asked.body["customer"],
            "livemode": False,
            "locale": None,
            "on_behalf_of": None,
            "return_url": asked.body.get("return_url"),
            "url": f"{self.pages}/portal",
        }

    async def _subscribed(self, customer: str, prices: Mapping[str, int | None], metadata: Document) -> Document:
        if not prices:
            raise StripeRefusedError("A subscription needs items.", param="items", code="parameter_missing")
        if any(metered(name) and quantity is not None for name, quantity in prices.items()):
            raise StripeRefusedError("A metered price takes no quantity.", param="items")
        made = Subscribed(
            id=f"sub_{uuid4().hex[:14]}", customer=customer, created=self.now(), prices=prices, metadata=metadata
        )
        await self.memory.put("subscription", made.id, made.kept())
        await self.memory.add(_subscriptions(customer), {made.id: made.created})
        told = subscription(made, now=self.now())
        self.events.tell("customer.subscription.created", told)
        return told

    async def _found(self, subscription_id: str) -> Subscribed:
        held = await self.memory.get("subscription", subscription_id)
        if held is not None:
            return Subscribed.of(held)
        seeded = await self.store.seeded_subscription(subscription_id)
        if seeded is None:
            raise missing("subscription", subscription_id)
        names = [each for each in (seeded.price, seeded.metered_price) if each is not None]
        return Subscribed(
            id=subscription_id,
            customer=seeded.customer,
            created=int(seeded.created_at.timestamp()),
            prices={name: None if metered(name) else 1 for name in names},
            metadata={"organization_id": seeded.organization_id},
            item_id=seeded.item_id,
        )


def _subscriptions(customer: str) -> str:
    return f"subscriptions:{customer}"


def _prices(items: Sequence[Document]) -> dict[str, int | None]:
    if any("price" not in item for item in items):
        raise StripeRefusedError("Every item needs a price.", param="line_items")
    return {item["price"]: item.get("quantity") for item in items}
