"""Stripe's metering: events once by identifier, cancelled within a day, added up by customer.

What is accepted and then cannot be counted, as of a customer that is gone, is told of later by a thin event.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from serve.simulator.callbacks import StripeEvents
from serve.simulator.contract import Checked
from serve.simulator.stripe_errors import StripeRefusedError, missing
from serve.simulator.stripe_objects import GONE, METER, METER_EVENT, listed, meter, price
from storage.simulated_vendors import Document, VendorMemory
from workflows.vendors.stripe_events import METER_ERRORS

_DAY: Final = 86_400
_OLDEST: Final = 35 * _DAY
_AHEAD: Final = 300
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeMeters:
    """The endpoints around the one meter. `now` is in seconds. Each raises StripeRefusedError."""

    memory: VendorMemory
    events: StripeEvents
    now: Callable[[], int]

    async def record(self, asked: Checked) -> Document:
        told, now = asked.body, self.now()
        timestamp = told.get("timestamp", now)
        if not now - _OLDEST <= timestamp <= now + _AHEAD:
            raise StripeRefusedError("The timestamp is too far in the past or in the future.", param="timestamp")
        customer, value = told["payload"].get("stripe_customer_id"), told["payload"].get("value")
        if not customer or not _is_number(value):
            raise StripeRefusedError("The payload needs a customer and a whole number.", param="payload")
        identifier: str = told.get("identifier") or uuid4().hex
        event: Document = {
            "object": "billing.meter_event",
            "created": now,
            "event_name": told["event_name"],
            "identifier": identifier,
            "livemode": False,
            "payload": told["payload"],
            "timestamp": timestamp,
        }
        if await self.memory.get(GONE, customer) is not None:
            await self._tell_uncounted(identifier, "meter_event_customer_not_found", at=now)
            return event
        nonce = uuid4().hex
        held = await self.memory.keep_first("event", identifier, {**event, "nonce": nonce})
        if not held.get("cancelled"):
            # Of an event that was held already too: whoever kept it may have ended before this.
            await self.memory.add(_listing(held), {identifier: held["timestamp"]})
        if held["nonce"] != nonce:
            raise StripeRefusedError(f"An event already exists with identifier {identifier}.")
        return event

    async def event(self, asked: Checked) -> Document:
        """A thin event with its contents."""
        held = await self.memory.get("thin-event", asked.parameters["id"])
        if held is None:
            raise missing("event", asked.parameters["id"])
        return held

    async def _tell_uncounted(self, identifier: str, code: str, *, at: int) -> None:
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        sample = {"error_message": "It cannot be counted.", "request": {"identifier": identifier}}
        report: Document = {
            "id": f"evt_{uuid4().hex}",
            "object": "v2.core.event",
            "type": METER_ERRORS,
            "created": moment,
            "livemode": False,
            "related_object": {"id": METER, "type": "billing.meter", "url": f"/v1/billing/meters/{METER}"},
            "data": {
                "developer_message_summary": "There is 1 invalid event.",
                "reason": {
                    "error_count": 1,
                    "error_types": [{"code": code, "error_count": 1, "sample_errors": [sample]}],
                },
                "validation_start": moment,
                "validation_end": moment,
            },
        }
        await self.memory.put("thin-event", report["id"], report)
        self.events.tell_thin(report)

    async def cancel(self, asked: Checked) -> Document:
        told = asked.body
        identifier = told.get("cancel", {}).get("identifier", "")
        event = await self.memory.get("event", identifier)
        if event is None or event["event_name"] != told["event_name"]:
            raise missing("meter event", identifier)
        if event["created"] < self.now() - _DAY:
            raise StripeRefusedError("The event is older than a day.")
        await self.memory.put("event", identifier, {**event, "cancelled": True})
        await self.memory.drop(_listing(event), identifier)
        return {
            "object": "billing.meter_event_adjustment",
            "cancel": {"identifier": identifier},
            "event_name": told["event_name"],
            "livemode": False,
            "status": "pending",
            "type": "cancel",
        }

    async def meter(self, asked: Checked) -> Document:
        if asked.parameters["id"] != METER:
            raise missing("meter", asked.parameters["id"])
        return meter(created=self.now())

    async def summaries(self, asked: Checked) -> Document:
        start, end = asked.query["start_time"], asked.query["end_time"]
        if asked.parameters["id"] != METER:
            raise missing("meter", asked.parameters["id"])
        if start % _MINUTE or end % _MINUTE or start >= end:
            raise StripeRefusedError("The times must be whole minutes, in their order.", param="start_time")
        customer = asked.query["customer"]
        identifiers = await self.memory.listed(f"{METER_EVENT}:{customer}", low=start, high=end - 1)
        events = await self.memory.documents("event", identifiers)
        summary = {
            "id": f"mtrusg_{start}_{end}",
            "object": "billing.meter_event_summary",
            "aggregated_value": float(sum(int(event["payload"]["value"]) for event in events)),
            "end_time": end,
            "livemode": False,
            "meter": METER,
            "start_time": start,
        }
        return listed([summary] if events else [], f"/v1/billing/meters/{METER}/event_summaries")

    async def price(self, asked: Checked) -> Document:
        return price(asked.parameters["price"], created=self.now())


def _listing(event: Document) -> str:
    return f"{event['event_name']}:{event['payload']['stripe_customer_id']}"


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.removeprefix("-").isdigit()
