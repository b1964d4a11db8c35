"""What Stripe tells by webhook takes effect: the account is asked for anew, whatever order it was told in."""

from collections.abc import Callable
from typing import Final

import structlog
from temporalio import activity

from actors.domain.billing_period import Period
from actors.domain.json_types import JSON, Facts
from storage.billing import Billing, BillingNote, StripeRow
from storage.meter import MeterOutbox
from workflows.billing_contracts import APPLY_STRIPE_EVENTS, OrganizationRef, Round
from workflows.errors import ProviderError
from workflows.subscriptions import ask_for_subscription
from workflows.vendors.stripe_api import StripeApi
from workflows.vendors.stripe_events import (
    CHECKOUT_COMPLETED,
    INVOICE,
    METER_ERRORS,
    METER_MISSING,
    OF_METERS,
    SUBSCRIPTION,
    SUBSCRIPTION_CREATED,
    event_facts,
)

_log = structlog.get_logger(__name__)

_PAGE: Final = 50
_HUNDREDTH_MICROS: Final = 10_000
_LIVE: Final = frozenset({"active", "trialing", "past_due", "incomplete"})
_NAMES: Final = {
    "invoice.paid": "invoice-paid",
    "invoice.payment_failed": "payment-failed",
    METER_ERRORS: "usage-not-counted",
    METER_MISSING: "usage-without-meter",
}


class StripeEvents:
    """An activity of the billing queue. `stripe` None: what was told is noted, and nothing can be asked."""

    def __init__(
        self, billing: Billing, outbox: MeterOutbox, stripe: StripeApi | None, *, now: Callable[[], int]
    ) -> None:
        self._billing = billing
        self._outbox = outbox
        self._stripe = stripe
        self._now = now

    @activity.defn(name=APPLY_STRIPE_EVENTS)
    async def apply_stripe_events(self, organization: OrganizationRef) -> Round:
        """Let each event take effect, once: with its effect stands the billing event that tells of it.

        A subscription is asked for anew, so that a late or doubled event brings the account to where it is now.
        """
        organization_id = organization.organization_id
        rows = await self._billing.told(organization_id, limit=_PAGE)
        for row in rows:
            try:
                await self._apply(organization_id, row)
            except ProviderError as away:
                _log.warning("an event of Stripe's waits", organization_id=organization_id, reason=str(away))
                return Round(pause_seconds=getattr(away, "retry_after_seconds", None) or 0.0)
        return Round(more=len(rows) == _PAGE)

    async def _apply(self, organization_id: str, row: StripeRow) -> None:
        reads_anew = row.body is not None and row.type not in OF_METERS
        facts = event_facts({**row.body, "type": row.type}) if reads_anew and row.body is not None else row.facts
        note = _note(row, facts)
        if row.type in OF_METERS:
            await self._refuse(organization_id, facts)
        subscription = facts.get("subscription")
        concerns = row.type == CHECKOUT_COMPLETED or row.type.startswith((SUBSCRIPTION, INVOICE))
        if not concerns or not isinstance(subscription, str) or self._stripe is None:
            await self._billing.note(organization_id, note)
            return
        account, customer = await self._billing.account(organization_id), facts.get("customer")
        customers = {account and account.customer, customer if isinstance(customer, str) else None}
        told = await ask_for_subscription(self._stripe, subscription, customers=customers)
        if told is None:
            await self._billing.lose(organization_id, subscription, at=self._now(), note=note)
            return
        replaces = row.type in {CHECKOUT_COMPLETED, SUBSCRIPTION_CREATED} and told.status in _LIVE
        await self._billing.subscribe(organization_id, told, at=self._now(), replaces=replaces, note=note)

    async def _refuse(self, organization_id: str, facts: Facts) -> None:
        """Meter events that Stripe took and then could not count."""
        told, errors = facts.get("identifiers"), facts.get("errors")
        for identifier in map(str, told if isinstance(told, list) else []):
            code = errors.get(identifier) if isinstance(errors, dict) else None
            error = f"told later: {code or facts.get('code') or 'no reason'}"
            await self._outbox.refuse_told(organization_id, identifier, error=error, at=self._now())


def _note(row: StripeRow, facts: Facts) -> BillingNote:
    amount = facts.get("amount")
    start, end = facts.get("period_start"), facts.get("period_end")
    details: dict[str, JSON] = {
        name: facts[name] for name in ("object", "subscription", "status", "code", "identifiers") if name in facts
    }
    return BillingNote(
        event=_NAMES.get(row.type, row.type.replace(".", "-").replace("_", "-")),
        key=f"stripe:{row.key}",
        occurred_at=row.occurred_at,
        period=Period(start=start * 1000, end=end * 1000)
        if isinstance(start, int) and isinstance(end, int) and start < end
        else None,
        amount_micros=amount * _HUNDREDTH_MICROS if isinstance(amount, int) else None,
        currency=currency if isinstance(currency := facts.get("currency"), str) else None,
        details=details,
    )
