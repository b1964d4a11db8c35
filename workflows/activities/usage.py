"""Calls are booked into the usage ledger."""

from collections.abc import Callable

from temporalio import activity

from storage.ledger import Ledger
from workflows.billing_contracts import SEND_METER_EVENTS, TELL_USAGE_ALERTS
from workflows.contracts import CallRef
from workflows.usage_contracts import BOOK_USAGE


class UsageBooking:
    """Activities of call processing that write the ledger; they touch Postgres alone.

    `nudge` is told what is due for the organization by then, and must not block. It is a hint: a sweep finds the rest.
    """

    def __init__(self, ledger: Ledger, *, now: Callable[[], int], nudge: Callable[[str, str], object]) -> None:
        self._ledger = ledger
        self._now = now
        self._nudge = nudge

    @activity.defn(name=BOOK_USAGE)
    async def book_usage(self, call: CallRef) -> None:
        """Charge the call, or correct what it was charged by what is known now. Safe to repeat."""
        booked = await self._ledger.book(call.organization_id, call.call_id, at=self._now())
        if booked is not None and booked.seconds:
            self._nudge(call.organization_id, SEND_METER_EVENTS)
        if booked is not None and booked.alerts:
            self._nudge(call.organization_id, TELL_USAGE_ALERTS)
