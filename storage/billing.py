"""An organization's account at the payment provider: what it told, the subscription, the periods."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
import structlog

from actors.domain.billing_period import Period
from actors.domain.json_types import JSON
from actors.domain.usage import overage
from storage import cache_keys
from storage.bodies import unpacked
from storage.cache import Cache
from storage.postgres import Connection, Pool, fetch, transaction
from storage.statements import statement
from storage.times import milliseconds, moment

PERIOD_RESET: Final = "period-reset"
"""A new period began, or none will; the event's own period is the one that is over."""
PERIOD_CLOSED: Final = "period-closed"
"""The period's invoice is written: what is found out later counts in the one that goes on."""
METER_DIFFERENCE: Final = "meter-difference"
METERING_STOPPED: Final = "metering-stopped"
"""The provider refuses usage for the account's sake: it waits until somebody has mended that."""
SUBSCRIPTION_MISSING: Final = "subscription-missing"
"""The provider has no such subscription: none of its periods will follow."""

CANCELED: Final = "canceled"
MISSING: Final = "missing"
"""As the status of a subscription: ours alone, where the provider knows none of this id."""
ENDED: Final = frozenset({CANCELED, "incomplete_expired", MISSING})
"""Statuses of a subscription that is followed by no further period."""

_MINUTE_SECONDS: Final = 60

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeRow:
    """Something the payment provider told. `body` is what it sent, while that is kept."""

    key: str
    type: str
    facts: Mapping[str, JSON]
    body: Mapping[str, Any] | None
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingAccount:
    """As whom the provider knows an organization, and its period as it last told (None without a subscription)."""

    name: str
    email: str | None
    customer: str | None
    subscription: str | None
    status: str | None
    period: Period | None
    time_zone: str
    plan_id: str | None
    included_seconds: int
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """A subscription as the provider tells it now."""

    id: str
    status: str
    item_id: str
    customer: str
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingNote:
    """Something that happened to the account. `key` makes it one however often it is told."""

    event: str
    key: str
    occurred_at: datetime
    period: Period | None = None
    seconds: int | None = None
    amount_micros: int | None = None
    currency: str | None = None
    details: Mapping[str, JSON] | None = None


class Billing:
    """Every change is safe to repeat, and leaves no copy of the account in `cache`. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool, cache: Cache | None = None) -> None:
        self._pool = pool
        self._cache = cache

    async def told_organizations(self) -> Sequence[str]:
        """Those of whom the provider told something that nobody read yet."""
        return [str(row["organization_id"]) for row in await fetch(self._pool, "billing_stripe_organizations")]

    async def told(self, organization_id: str, *, limit: int) -> Sequence[StripeRow]:
        """What the provider told of the organization and nobody read yet, the oldest first."""
        return [
            StripeRow(
                key=row["event_key"],
                type=row["type"],
                facts=row["facts"],
                body=orjson.loads(unpacked(row["packed"])) if row["packed"] is not None else None,
                occurred_at=row["occurred_at"],
            )
            for row in await fetch(self._pool, "billing_stripe_rows", organization_id, limit)
        ]

    async def account(self, organization_id: str) -> BillingAccount | None:
        rows = await fetch(self._pool, "billing_account", organization_id)
        return _account(rows[0]) if rows else None

    async def note(self, organization_id: str, note: BillingNote) -> bool:
        """Note it once; False when it is noted already."""
        async with transaction(self._pool) as connection:
            return await _note(connection, organization_id, note)

    async def subscribe(
        self, organization_id: str, told: Subscribed, *, at: int, replaces: bool, note: BillingNote | None = None
    ) -> None:
        """Take over what the provider says of a subscription, with the `note` that goes with it.

        One that is not the organization's own is taken over only where there is none, or `replaces`. A period that
        moved on is noted as over.
        """
        async with transaction(self._pool) as connection:
            await connection.execute(statement("billing_lock"), organization_id)
            row = await connection.fetchrow(statement("billing_account"), organization_id)
            if row is not None:
                account = _account(row)
                if account.subscription in {None, told.id} or replaces:
                    await _subscribe(connection, organization_id, account, told, at)
            if note is not None:
                await _note(connection, organization_id, note)
        if self._cache is not None:
            await self._cache.invalidate(cache_keys.organization(organization_id))

    async def lose(self, organization_id: str, subscription: str, *, at: int, note: BillingNote | None = None) -> None:
        """The provider has no such subscription: if it is the organization's own, it is at its end, and that is noted.

        With it the `note` of what was told. A later word of the provider's, or another subscription, begins anew.
        """
        async with transaction(self._pool) as connection:
            lost = await connection.fetchval(statement("billing_lose"), organization_id, subscription, MISSING)
            if lost:
                missing = BillingNote(
                    event=SUBSCRIPTION_MISSING,
                    key=f"{SUBSCRIPTION_MISSING}:{subscription}:{at}",
                    occurred_at=moment(at),
                    details={"subscription": subscription},
                )
                await _note(connection, organization_id, missing)
                _log.error("a subscription is missing at Stripe", organization_id=organization_id)
            if note is not None:
                await _note(connection, organization_id, note)
        if self._cache is not None:
            await self._cache.invalidate(cache_keys.organization(organization_id))

    async def due_cycles(self, *, at: int) -> Sequence[str]:
        """Organizations with a period that is over."""
        rows = await fetch(self._pool, "billing_due_cycles", moment(at), sorted(ENDED))
        return [str(row["organization_id"]) for row in rows]

    async def end_last_period(self, organization_id: str, period: Period, *, at: int) -> None:
        """Note that a period is over which no other follows, so that it is closed."""
        await self.note(organization_id, _reset(period, at))

    async def open_period(self, organization_id: str) -> Period | None:
        """The oldest period that is over and not closed."""
        rows = await fetch(self._pool, "billing_open_period", organization_id)
        if not rows:
            return None
        return Period(start=milliseconds(rows[0]["period_start"]), end=milliseconds(rows[0]["period_end"]))

    async def untold(self, organization_id: str, period: Period) -> int:
        """Seconds of a period that the provider was not told of."""
        (row,) = await fetch(
            self._pool, "billing_period_sums", organization_id, moment(period.start), moment(period.end)
        )
        return int(row["untold"])

    async def close(self, organization_id: str, period: Period, *, at: int) -> None:
        """Close a period by the ledger's sums: no entry comes into it from here on."""
        start, end = moment(period.start), moment(period.end)
        async with transaction(self._pool) as connection:
            # Of bookings: what was booked before is in the sums, what comes after is in the next period.
            await connection.execute(statement("ledger_lock"), organization_id)
            row = await connection.fetchrow(statement("billing_account"), organization_id)
            sums = await connection.fetchrow(statement("billing_period_sums"), organization_id, start, end)
            if row is None or sums is None:
                return
            account = _account(row)
            over = overage(sums["seconds"], account.included_seconds)
            details: dict[str, JSON] = {
                "plan": account.plan_id,
                "included_seconds": account.included_seconds,
                "overage_seconds": over,
                "untold_seconds": sums["untold"],
            }
            note = BillingNote(
                event=PERIOD_CLOSED,
                key=f"{PERIOD_CLOSED}:{period.start}",
                occurred_at=moment(at),
                period=period,
                seconds=sums["seconds"],
                amount_micros=sums["amount_micros"],
                currency=account.currency,
                details=details,
            )
            await _note(connection, organization_id, note)

    async def metered(self, *, after: str | None, limit: int) -> Sequence[str]:
        """Organizations that the provider meters, in order, after one."""
        last = UUID(after) if after is not None else None
        return [str(row["organization_id"]) for row in await fetch(self._pool, "billing_metered", last, limit)]


async def _subscribe(
    connection: Connection, organization_id: str, account: BillingAccount, told: Subscribed, at: int
) -> None:
    held = account.period
    if held is not None and account.subscription == told.id and told.period.start < held.start:
        # An answer that was on its way while a newer one was written.
        return
    await connection.execute(
        statement("billing_subscribe"),
        organization_id,
        told.customer,
        told.id,
        told.status,
        told.item_id,
        moment(told.period.start),
        moment(told.period.end),
    )
    if held is not None and told.period.start >= held.end:
        await _note(connection, organization_id, _reset(held, at))


def _reset(over: Period, at: int) -> BillingNote:
    return BillingNote(event=PERIOD_RESET, key=f"{PERIOD_RESET}:{over.start}", occurred_at=moment(at), period=over)


async def _note(connection: Connection, organization_id: str, note: BillingNote) -> bool:
    return bool(
        await connection.fetchval(
            statement("billing_note"),
            organization_id,
            note.event,
            note.key,
            note.occurred_at,
            moment(note.period.start) if note.period is not None else None,
            moment(note.period.end) if note.period is not None else None,
            note.seconds,
            note.amount_micros,
            note.currency,
            dict(note.details or {}),
        )
    )


def _account(row: Any) -> BillingAccount:
    start, end = row["period_start"], row["period_end"]
    period = Period(start=milliseconds(start), end=milliseconds(end)) if start is not None and end is not None else None
    return BillingAccount(
        name=row["name"],
        email=row["billing_email"],
        customer=row["customer"],
        subscription=row["subscription"],
        status=row["status"],
        period=period,
        time_zone=row["time_zone"],
        plan_id=row["plan_id"],
        included_seconds=row["included_minutes"] * _MINUTE_SECONDS,
        currency=row["currency"],
    )
