"""The usage ledger as it is written: a charge for each call, corrections when more is known, warnings at the marks."""

import asyncio
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from weakref import WeakValueDictionary

from actors.domain.billing_period import Period, period_of
from actors.domain.call import Call
from actors.domain.charging import Terms, added_worth, billable_seconds, charged_moment
from actors.domain.commands import InboxRow, Observe, Request, command_from
from actors.domain.usage import MARKS_PERCENT, mark
from storage.inbox_rows import inbox_row
from storage.postgres import Connection, Pool, transaction
from storage.statements import statement
from storage.times import milliseconds, moment

CHARGE: Final = "call"
CORRECTION: Final = "duration"
"""Why a call is corrected: what is known of its duration by now is another."""

_MINUTE_SECONDS: Final = 60
# The payment provider takes identifiers of up to 100 characters.
_PLAIN_CALL_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,50}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """An entry that was written. `seconds` is what it adds; `alerts` are the marks (percent) first reached by it."""

    entry: int
    seconds: int
    amount_micros: int
    alerts: Sequence[int]


def meter_identifier(organization_id: str, call_id: str, entry: int) -> str:
    """What makes an entry one event at the payment provider: it follows from the entry, and no other has it."""
    told = call_id if _PLAIN_CALL_ID.fullmatch(call_id) else f"~{hashlib.sha256(call_id.encode()).hexdigest()[:48]}"
    return f"call:{organization_id}:{told}" + (f":{entry}" if entry > 1 else "")


class Ledger:
    """Books calls. One object per process: bookings of an organization wait for each other, not for connections."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def book(self, organization_id: str, call_id: str, *, at: int) -> Booked | None:
        """Bring the ledger to what the call's accepted rows say of its duration; durable on return.

        The first time that is the call's charge, later a correction; None when the ledger says so already, or the call
        did not end. Safe to repeat, and at once. `at` (ms) is now. Raises StorageUnavailableError.
        """
        turn = self._turns.setdefault(organization_id, asyncio.Lock())
        async with turn, transaction(self._pool) as connection:
            await connection.execute(statement("ledger_lock"), organization_id)
            return await _book(connection, organization_id, call_id, at)

    async def notice(self, organization_id: str, *, at: int) -> Sequence[int]:
        """Notice the marks that the period of `at` (ms) has reached, as for a cap that was lowered since the last call.

        Those noticed now and never before. Safe to repeat. Raises StorageUnavailableError.
        """
        async with transaction(self._pool) as connection:
            row = await connection.fetchrow(statement("ledger_account"), organization_id)
            if row is None:
                return []
            period = _period(dict(row), moment(at))
            used = await _used(connection, organization_id, period)
            limit = _limit_seconds(dict(row))
            return await _raise_alerts(connection, organization_id, period, used=used, limit=limit, at=at)


async def _book(connection: Connection, organization_id: str, call_id: str, at: int) -> Booked | None:
    rows = await connection.fetch(statement("ledger_rows_of_call"), organization_id, call_id)
    known = _known([inbox_row(row) for row in rows])
    row = await connection.fetchrow(statement("ledger_account"), organization_id)
    if known is None or row is None:
        return None
    account = dict(row)
    call, told_at = known
    held = await connection.fetchrow(statement("ledger_entries_of_call"), organization_id, call_id)
    if held is None:
        raise AssertionError("ledger_entries_of_call aggregates, so it always answers one row")
    seconds = billable_seconds(call.duration_ms) - held["seconds"]
    if held["entries"] and not seconds:
        return None
    charged_at = held["charged_at"] or moment(charged_moment(call.fields.ended_at, told_at))
    if account["closed_until"] is not None and charged_at < account["closed_until"]:
        # Its period's invoice is written: what is found out later belongs to the period that goes on.
        charged_at = moment(at)
    period = _period(account, charged_at)
    used = await _used(connection, organization_id, period)
    terms = Terms(
        included_seconds=account["included_minutes"] * _MINUTE_SECONDS,
        minute_price_micros=account["minute_price_micros"],
    )
    entry = held["entries"] + 1
    amount = added_worth(used, seconds, terms)
    await connection.execute(
        statement("ledger_add"),
        organization_id,
        call_id,
        entry,
        seconds,
        amount,
        account["currency"],
        CHARGE if entry == 1 else CORRECTION,
        charged_at,
        moment(at),
        meter_identifier(organization_id, call_id, entry),
    )
    alerts = await _raise_alerts(
        connection, organization_id, period, used=used + seconds, limit=_limit_seconds(account), at=at
    )
    return Booked(entry=entry, seconds=seconds, amount_micros=amount, alerts=alerts)


def _known(rows: Iterable[InboxRow]) -> tuple[Call, int] | None:
    """The call as all its rows tell it, and when its end was first told (ms); None when it did not end.

    The same merge as its owner's, over what the owner has not applied yet, too.
    """
    call: Call | None = None
    told_at: int | None = None
    for row in rows:
        command = command_from(row)
        if not isinstance(command, Observe | Request):
            continue
        call = (call or Call(call_id=command.call_id, created_at=row.received_at)).merge(command.observation)
        if call.is_ended and told_at is None:
            told_at = row.received_at
    return (call, told_at) if call is not None and told_at is not None else None


async def _raise_alerts(
    connection: Connection, organization_id: str, period: Period, *, used: int, limit: int, at: int
) -> Sequence[int]:
    """The marks of the limit that were reached now and never before in the period."""
    reached = [percent for percent in MARKS_PERCENT if limit and used >= mark(limit, percent)]
    raised = [
        await connection.fetchval(
            statement("ledger_raise_alert"), organization_id, moment(period.start), percent, used, limit, moment(at)
        )
        for percent in reached
    ]
    return [percent for percent in raised if percent is not None]


async def _used(connection: Connection, organization_id: str, period: Period) -> int:
    start, end = moment(period.start), moment(period.end)
    used: int = await connection.fetchval(statement("ledger_seconds"), organization_id, start, end)
    return used


def _limit_seconds(account: Mapping[str, Any]) -> int:
    """What marks are of; 0 for no limit."""
    return (account["included_minutes"] or account["minutes_cap"] or 0) * _MINUTE_SECONDS


def _period(account: Mapping[str, Any], charged_at: datetime) -> Period:
    start, end = account["billing_period_start"], account["billing_period_end"]
    subscribed = (
        Period(start=milliseconds(start), end=milliseconds(end)) if start is not None and end is not None else None
    )
    return period_of(milliseconds(charged_at), subscribed=subscribed, time_zone=account["time_zone"])
