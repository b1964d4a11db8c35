"""Ledger = told = what the payment provider counts: compared every night, and told where it is not so."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog
from temporalio import activity

from actors.domain.billing_period import period_of
from storage.billing import METER_DIFFERENCE, Billing, BillingNote
from storage.meter import MeterOutbox
from storage.times import moment
from workflows.activities.metering import Metering
from workflows.billing_contracts import CHECK_METER, LIST_METERED, MeteredPage, OrganizationRef
from workflows.errors import ProviderUnavailableError, RefusedError
from workflows.vendors.stripe_api import StripeApi

_log = structlog.get_logger(__name__)

_PAGE: Final = 100
_COUNTED_AFTER_MS: Final = 3_600_000
_MINUTE_MS: Final = 60_000
SETTLED_AFTER_MS: Final = 2 * 3_600_000
"""The provider adds up with a delay, and what was booked a moment ago is not sent yet: the last hours are left out."""


class MeterEquality:
    """Activities of the billing queue."""

    def __init__(
        self,
        billing: Billing,
        outbox: MeterOutbox,
        metering: Metering,
        stripe: StripeApi | None,
        *,
        now: Callable[[], int],
    ) -> None:
        self._billing = billing
        self._outbox = outbox
        self._metering = metering
        self._stripe = stripe
        self._now = now

    @activity.defn(name=LIST_METERED)
    async def list_metered(self, after: str | None) -> MeteredPage:
        """A page of the organizations that the provider meters; none where no provider is set."""
        if self._stripe is None:
            return MeteredPage(organization_ids=[])
        found = [*await self._billing.metered(after=after, limit=_PAGE)]
        return MeteredPage(organization_ids=found, more=len(found) == _PAGE)

    @activity.defn(name=CHECK_METER)
    async def check_meter(self, organization: OrganizationRef) -> bool:
        """Compare the period that goes on and the one before it; whether both agree.

        Where the provider counts what it was told, that is settled as confirmed. A difference is a billing event, one
        each day while it lasts. Nothing is sent. Raises ProviderError.
        """
        organization_id, at = organization.organization_id, self._now()
        account = await self._billing.account(organization_id)
        if account is None or self._stripe is None:
            return True
        now = period_of(at, subscribed=account.period, time_zone=account.time_zone)
        before = period_of(now.start - 1, subscribed=account.period, time_zone=account.time_zone)
        until = (at - SETTLED_AFTER_MS) // _MINUTE_MS * _MINUTE_MS
        agree = True
        for start, end in ((before.start, before.end), (now.start, until)):
            # Stripe sums whole minutes: what is of the next period's first one is compared with it.
            first, last = (each // _MINUTE_MS * _MINUTE_MS for each in (start, min(end, until)))
            if first < last:
                agree &= await self._compare(organization_id, first, last, at=at)
        return agree

    async def _compare(self, organization_id: str, start: int, end: int, *, at: int) -> bool:
        account = await self._outbox.account(organization_id)
        if account is None or self._stripe is None:
            return True
        try:
            meter = await self._metering.meter_of(account)
        except RefusedError:
            return True
        counted = await self._stripe.meter_summary(
            meter_id=meter.id, customer=account.customer, start=start // 1_000, end=end // 1_000
        )
        # Read after the provider's: what is sent in between is fresh, and no difference.
        sums = await self._outbox.sums(organization_id, start=start, end=end, fresh_since=at - _COUNTED_AFTER_MS)
        if counted != sums.told and sums.fresh:
            raise ProviderUnavailableError("usage was sent a moment ago")
        if counted == sums.told:
            await self._outbox.confirm(organization_id, start=start, end=end, at=at)
        if counted == sums.told == sums.charged:
            return True
        _log.error(
            "metered seconds differ",
            organization_id=organization_id,
            charged=sums.charged,
            told=sums.told,
            counted=counted,
        )
        day = datetime.fromtimestamp(at / 1000, UTC).date().isoformat()
        note = BillingNote(
            event=METER_DIFFERENCE,
            key=f"{METER_DIFFERENCE}:{start}:{day}",
            occurred_at=moment(at),
            period=None,
            seconds=counted - sums.charged,
            details={
                "from": moment(start).isoformat(),
                "to": moment(end).isoformat(),
                "charged": sums.charged,
                "told": sums.told,
                "pending": sums.pending,
                "refused": sums.refused,
                "counted": counted,
            },
        )
        await self._billing.note(organization_id, note)
        return False
