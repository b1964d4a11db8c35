"""The payment provider is told of charged seconds, each entry once, one request at a time for each organization."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

import structlog
from temporalio import activity

from storage.billing import METERING_STOPPED, Billing, BillingNote
from storage.meter import MeterAccount, MeterEvent, MeterOutbox
from storage.times import moment
from workflows.billing_contracts import DUTY_SECONDS, SEND_METER_EVENTS, OrganizationRef, Round
from workflows.errors import AbsentError, AmbiguousError, ProviderUnavailableError, RefusedError
from workflows.vendors.stripe_api import Meter, StripeApi

_log = structlog.get_logger(__name__)

_PAGE: Final = 100
_MINUTE_MS: Final = 60_000
_RETRY_MS: Final = 5_000
_LONGEST_RETRY_MS: Final = 3_600_000


class Metering:
    """Activities of the billing queue. `stripe` None: no payment provider is set, and events wait."""

    def __init__(
        self, outbox: MeterOutbox, billing: Billing, stripe: StripeApi | None, *, now: Callable[[], int]
    ) -> None:
        self._outbox = outbox
        self._billing = billing
        self._stripe = stripe
        self._now = now
        self._meters: dict[str, Meter] = {}

    @activity.defn(name=SEND_METER_EVENTS)
    async def send_meter_events(self, organization: OrganizationRef) -> Round:
        """Send what is due, and look up what was sent too long ago to be sent again.

        Before an event is sent Postgres knows that it may be, so that a crash in between is remembered. Safe to repeat,
        within a day by its identifier, after it because it is not sent any more.

        What is refused for the account's sake (a key that was revoked, a price or a meter that is gone) waits until
        somebody has mended it, and stands with the account each day that it lasts.
        """
        organization_id = organization.organization_id
        account = await self._outbox.account(organization_id)
        if self._stripe is None or account is None:
            return Round()
        until = time.monotonic() + DUTY_SECONDS
        try:
            meter = await self.meter_of(account)
            events = await self._outbox.due(organization_id, at=self._now(), limit=_PAGE)
            for event in events:
                if time.monotonic() > until:
                    return Round(more=True)
                await self._send(organization_id, account, meter, event)
            await self._look_up(organization_id, account, meter)
        except (ProviderUnavailableError, AbsentError, RefusedError) as failed:
            _log.warning("the meter waits", organization_id=organization_id, reason=str(failed))
            if not isinstance(failed, ProviderUnavailableError):
                await self._note_stopped(organization_id, str(failed))
            return Round(pause_seconds=getattr(failed, "retry_after_seconds", None) or 0.0)
        return Round(more=len(events) == _PAGE)

    async def _note_stopped(self, organization_id: str, reason: str) -> None:
        at = moment(self._now())
        key = f"{METERING_STOPPED}:{at.date().isoformat()}"
        note = BillingNote(event=METERING_STOPPED, key=key, occurred_at=at, details={"reason": reason})
        await self._billing.note(organization_id, note)

    async def meter_of(self, account: MeterAccount) -> Meter:
        """The meter that an organization's usage goes to. Raises as StripeApi.meter_of."""
        if self._stripe is None:
            raise RefusedError("no payment provider is set")
        if account.price not in self._meters:
            self._meters[account.price] = await self._stripe.meter_of(account.price)
        return self._meters[account.price]

    async def _send(self, organization_id: str, account: MeterAccount, meter: Meter, event: MeterEvent) -> None:
        """Raises what keeps the next event from being sent, too."""
        if self._stripe is None or not await self._outbox.begin(organization_id, event, at=self._now()):
            return
        try:
            await self._stripe.record_meter_event(
                event_name=meter.event_name,
                customer=account.customer,
                value=event.quantity,
                identifier=event.identifier,
                timestamp=event.charged_at // 1_000,
            )
        except (RefusedError, AbsentError) as refused:
            # Of the request itself. Others are about the key or the account: they pass once somebody has mended it.
            if isinstance(refused, RefusedError) and refused.status == HTTPStatus.BAD_REQUEST:
                _log.error("a meter event is refused", organization_id=organization_id, reason=str(refused))
                await self._outbox.refuse(organization_id, event, error=str(refused), at=self._now())
                return
            await self._delay(organization_id, event, refused, was_sent=False)
            raise
        except ProviderUnavailableError as away:
            await self._delay(organization_id, event, away, was_sent=isinstance(away, AmbiguousError))
            raise
        await self._outbox.sent(organization_id, event)

    async def _delay(self, organization_id: str, event: MeterEvent, error: Exception, *, was_sent: bool) -> None:
        retry_ms = min(_RETRY_MS * 2 ** min(event.attempts, 10), _LONGEST_RETRY_MS)
        told = f"{type(error).__name__}: {error}"
        await self._outbox.delay(organization_id, event, retry_at=self._now() + retry_ms, error=told, was_sent=was_sent)

    async def _look_up(self, organization_id: str, account: MeterAccount, meter: Meter) -> None:
        """Compare what was never confirmed with the provider's sum of its minute. Nothing is sent again."""
        if self._stripe is None:
            return
        for events in await self._outbox.unconfirmed(organization_id, at=self._now(), limit=_PAGE):
            end = events.minute + _MINUTE_MS
            sums = await self._outbox.sums(organization_id, start=events.minute, end=end)
            counted = await self._stripe.meter_summary(
                meter_id=meter.id, customer=account.customer, start=events.minute // 1_000, end=end // 1_000
            )
            lacks = sums.told + events.quantity - counted
            error = f"the provider lacks {lacks} seconds of this minute" if lacks else None
            if error is not None:
                _log.error("metered seconds differ", organization_id=organization_id, lacks=lacks)
            await self._outbox.compare(organization_id, events, error=error, at=self._now())
