"""What of the ledger the payment provider was told: an outbox, each event with one identifier for ever."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from storage.postgres import Pool, fetch
from storage.times import milliseconds, moment

RESENT_FOR_MS: Final = 20 * 3_600_000
"""So long an unanswered event is sent again under its identifier: the provider remembers those for a day at least.

After it what became of the event is looked up, and it is never sent again.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterAccount:
    """The provider's customer, and the price its usage is metered by."""

    customer: str
    price: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterEvent:
    """Seconds of an entry that the provider is to count at `charged_at` (ms). `attempts` were made before."""

    call_id: str
    entry: int
    identifier: str
    quantity: int
    attempts: int
    sent_at: int | None
    charged_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfirmed:
    """Events of one minute (ms) that the provider may have or not, and their sum."""

    minute: int
    quantity: int
    call_ids: Sequence[str]
    entries: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSums:
    """Seconds of a span of time: charged, of which the provider has `told`, is not told `pending`, and lacks `refused`.

    A pending one may have been sent without an answer. Entries without seconds are no events. `fresh` events were first
    sent a moment ago: the provider may not count them yet.
    """

    charged: int
    told: int
    pending: int
    refused: int
    fresh: int = 0


class MeterOutbox:
    """Events of one organization at a time. Times are ms; every change is safe to repeat.

    Raises StorageUnavailableError.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def organizations(self, *, at: int) -> Sequence[str]:
        """Those with something to send, or to look up."""
        return [str(row["organization_id"]) for row in await fetch(self._pool, "meter_organizations", moment(at))]

    async def account(self, organization_id: str) -> MeterAccount | None:
        """None while the provider does not know the organization, or its plan is not metered there."""
        rows = await fetch(self._pool, "meter_account", organization_id)
        return MeterAccount(customer=rows[0]["customer"], price=rows[0]["price"]) if rows else None

    async def due(self, organization_id: str, *, at: int, limit: int) -> Sequence[MeterEvent]:
        rows = await fetch(self._pool, "meter_due", organization_id, moment(at), limit, moment(at - RESENT_FOR_MS))
        return [
            MeterEvent(
                call_id=row["call_id"],
                entry=row["entry"],
                identifier=row["identifier"],
                quantity=row["quantity"],
                attempts=row["attempts"],
                sent_at=milliseconds(row["sent_at"]) if row["sent_at"] is not None else None,
                charged_at=milliseconds(row["charged_at"]),
            )
            for row in rows
        ]

    async def begin(self, organization_id: str, event: MeterEvent, *, at: int) -> bool:
        """Note that the event is about to be sent; False when it must not be any more. Durable before it is sent."""
        forgotten = moment(at - RESENT_FOR_MS)
        return bool(await self._of(organization_id, event, "meter_begin", moment(at), forgotten))

    async def sent(self, organization_id: str, event: MeterEvent) -> None:
        """The provider took it, now or before."""
        await self._of(organization_id, event, "meter_sent")

    async def delay(
        self, organization_id: str, event: MeterEvent, *, retry_at: int, error: str, was_sent: bool
    ) -> None:
        """The attempt failed. `was_sent`: the provider may have it all the same."""
        before = None if event.sent_at is None else moment(event.sent_at)
        await self._of(organization_id, event, "meter_delay", moment(retry_at), error, was_sent, before)

    async def refuse(self, organization_id: str, event: MeterEvent, *, error: str, at: int) -> None:
        """The provider will not take it, whatever is done."""
        await self._of(organization_id, event, "meter_refuse", error, moment(at))

    async def refuse_told(self, organization_id: str, identifier: str, *, error: str, at: int) -> None:
        """The provider tells later that it did not take an event."""
        await fetch(self._pool, "meter_refuse_told", organization_id, identifier, error, moment(at))

    async def unconfirmed(self, organization_id: str, *, at: int, limit: int) -> Sequence[Unconfirmed]:
        """What was sent too long ago to be sent again, and never answered."""
        rows = await fetch(self._pool, "meter_unconfirmed", organization_id, moment(at - RESENT_FOR_MS), limit)
        return [
            Unconfirmed(
                minute=milliseconds(row["minute"]),
                quantity=row["quantity"],
                call_ids=row["call_ids"],
                entries=row["entries"],
            )
            for row in rows
        ]

    async def compare(self, organization_id: str, events: Unconfirmed, *, error: str | None, at: int) -> None:
        """Settle them: the provider has them, or `error` says how it does not."""
        call_ids, entries = list(events.call_ids), list(events.entries)
        await fetch(self._pool, "meter_compare", organization_id, call_ids, entries, moment(at), error)

    async def send_again(self, organization_id: str, call_id: str, *, actor: str, reason: str) -> Mapping[str, int]:
        """Make due what the provider refused, or lacked when it was compared; its seconds by identifier.

        Only a person may say so, who looked at the provider's account: it remembers identifiers for a day, so that what
        it has after all would count twice. Noted in the audit log by the same statement; a second time it is nothing.
        """
        rows = await fetch(self._pool, "meter_send_again", organization_id, call_id, actor, reason)
        return {row["identifier"]: row["quantity"] for row in rows}

    async def sums(self, organization_id: str, *, start: int, end: int, fresh_since: int | None = None) -> MeterSums:
        """What was charged in [start, end), and what became of it; by default nothing is fresh."""
        since = moment(fresh_since) if fresh_since is not None else None
        (row,) = await fetch(self._pool, "meter_sums", organization_id, moment(start), moment(end), since)
        return MeterSums(**dict(row))

    async def confirm(self, organization_id: str, *, start: int, end: int, at: int) -> None:
        """The provider's sum of [start, end) is ours."""
        await fetch(self._pool, "meter_confirm", organization_id, moment(start), moment(end), moment(at))

    async def _of(self, organization_id: str, event: MeterEvent, name: str, *told: object) -> Sequence[object]:
        return await fetch(self._pool, name, organization_id, event.call_id, event.entry, *told)
