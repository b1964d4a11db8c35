"""A billing period ends: the next one is asked for, the last one closed by the ledger."""

from collections.abc import Callable
from typing import Final

from temporalio import activity

from storage.billing import ENDED, MISSING, Billing
from workflows.billing_contracts import (
    CLOSE_PERIOD,
    LIST_DUE_CYCLES,
    SEND_METER_EVENTS,
    TURN_PERIOD,
    Cycle,
    OrganizationRef,
)
from workflows.subscriptions import ask_for_subscription
from workflows.vendors.stripe_api import StripeApi

CLOSE_AFTER_MS: Final = 45 * 60_000
"""Stripe finalizes an invoice an hour after the period's end, and counts until then what belongs to it."""


class BillingCycles:
    """Activities of the billing queue."""

    def __init__(
        self, billing: Billing, stripe: StripeApi | None, *, now: Callable[[], int], nudge: Callable[[str, str], object]
    ) -> None:
        self._billing = billing
        self._stripe = stripe
        self._now = now
        self._nudge = nudge

    @activity.defn(name=LIST_DUE_CYCLES)
    async def list_due_cycles(self) -> list[str]:
        """Organizations with a period that is over."""
        return [*await self._billing.due_cycles(at=self._now())]

    @activity.defn(name=TURN_PERIOD)
    async def turn_period(self, organization: OrganizationRef) -> Cycle:
        """Ask Stripe for the period of the subscription's item, and tell when the last one is to be closed.

        A subscription that Stripe does not know is at its end: the period it was in is closed as its last. Raises
        ProviderError while Stripe is away, or the key is of another account.
        """
        organization_id, at = organization.organization_id, self._now()
        account = await self._billing.account(organization_id)
        if account is None or account.subscription is None:
            return Cycle()
        over, status, held = account.period is None or account.period.end <= at, account.status, account.period
        if over and status not in ENDED and self._stripe is not None:
            told = await ask_for_subscription(self._stripe, account.subscription, customers=[account.customer])
            if told is None:
                await self._billing.lose(organization_id, account.subscription, at=at)
                status = MISSING
            else:
                await self._billing.subscribe(organization_id, told, at=at, replaces=False)
                status, held = told.status, told.period
        if status in ENDED and held is not None and held.end <= at:
            await self._billing.end_last_period(organization_id, held, at=at)
        period = await self._billing.open_period(organization_id)
        if period is None:
            return Cycle()
        if await self._billing.untold(organization_id, period):
            self._nudge(organization_id, SEND_METER_EVENTS)
        return Cycle(period_start=period.start, closes_in_ms=max(0, period.end + CLOSE_AFTER_MS - at))

    @activity.defn(name=CLOSE_PERIOD)
    async def close_period(self, organization: OrganizationRef) -> None:
        """Close the oldest period that is over, once it is time. Safe to repeat."""
        period = await self._billing.open_period(organization.organization_id)
        if period is not None and period.end + CLOSE_AFTER_MS <= self._now():
            await self._billing.close(organization.organization_id, period, at=self._now())
