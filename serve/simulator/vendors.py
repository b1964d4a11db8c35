"""The simulated vendors beside VAPI, put together: Stripe, Twilio, Resend, and a customer's endpoint."""

import time
from collections.abc import Callable, Sequence
from random import Random

from fastapi import APIRouter
from pydantic import SecretStr

from serve.config import Settings
from serve.simulator import receiver, resend, stripe, twilio
from serve.simulator.callbacks import Callbacks, ResendEvents, StripeEvents, TwilioStatuses
from serve.simulator.contract import Contract
from serve.simulator.naming import by_words
from serve.simulator.stripe_customers import StripeCustomers
from serve.simulator.stripe_errors import stripe_fault
from serve.simulator.stripe_meters import StripeMeters
from serve.simulator.vendor_door import Named, VendorDoor, plain_fault
from storage.simulated_vendors import Document
from storage.simulator_store import SimulatorStore


def vendor_routers(settings: Settings, store: SimulatorStore, callbacks: Callbacks) -> Sequence[APIRouter]:
    """Their routes. They know the credentials of the settings, and sign their webhooks as the product checks them."""
    return [
        _stripe(settings, store, callbacks),
        _twilio(settings, store, callbacks),
        _resend(settings, store, callbacks),
        receiver.Receiver(
            door=_door(
                store,
                "receiver",
                named=receiver.named_by_path,
                # What a customer checks a delivery by; it opens nothing.
                shown_headers=frozenset({"webhook-signature"}),
            )
        ).router(),
    ]


def _stripe(settings: Settings, store: SimulatorStore, callbacks: Callbacks) -> APIRouter:
    memory = store.memory("stripe")

    def now() -> int:
        return int(time.time())

    events = StripeEvents(callbacks, secret=_told(settings.stripe_webhook_secret))
    customers = StripeCustomers(
        store=store,
        memory=memory,
        events=events,
        now=now,
        pages=f"{callbacks.base_url}/simulator/stripe",
    )
    return stripe.Stripe(
        memory=memory,
        door=_door(store, "stripe", named=by_words(store, owner=customers.owner), fault_body=stripe_fault),
        contract=Contract("stripe"),
        meters=StripeMeters(memory=memory, events=events, now=now),
        customers=customers,
        api_key=_told(settings.stripe_secret_key),
    ).router()


def _twilio(settings: Settings, store: SimulatorStore, callbacks: Callbacks) -> APIRouter:
    token, memory = _told(settings.twilio_auth_token), store.memory("twilio")

    async def owner(words: Sequence[str]) -> Sequence[str]:
        """What numbers of these ids are called, which may name whose they are."""
        bought = await memory.documents("number", [word for word in words if word.startswith("PN")])
        return [word for each in bought for word in each["friendly_name"].split()]

    return twilio.Twilio(
        memory=memory,
        door=_door(store, "twilio", named=by_words(store, owner=owner), fault_body=twilio.twilio_fault),
        contract=Contract("twilio"),
        statuses=TwilioStatuses(callbacks, token=token),
        token=token,
    ).router()


def _resend(settings: Settings, store: SimulatorStore, callbacks: Callbacks) -> APIRouter:
    return resend.Resend(
        memory=store.memory("resend"),
        door=_door(store, "resend", named=by_words(store), fault_body=resend.resend_fault),
        contract=Contract("resend"),
        events=ResendEvents(callbacks, secret=_told(settings.resend_webhook_secret)),
        api_key=_told(settings.resend_api_key),
    ).router()


def _door(
    store: SimulatorStore,
    vendor: str,
    *,
    named: Named,
    fault_body: Callable[[int], Document] = plain_fault,
    shown_headers: frozenset[str] = frozenset(),
) -> VendorDoor:
    return VendorDoor(
        vendor=vendor,
        prefix=f"/{vendor}",
        store=store,
        random=Random(),  # noqa: S311  (nothing here is a secret)
        named=named,
        fault_body=fault_body,
        shown_headers=shown_headers,
    )


def _told(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
