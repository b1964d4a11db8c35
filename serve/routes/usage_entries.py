"""The ledger line by line, and minutes granted beyond a cap."""

import csv
import io
from collections.abc import AsyncGenerator
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import uuid4

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from actors.domain.billing_period import Period
from actors.slots import slot_of
from serve.auth import Caller, GuardedRoute, permits
from serve.billing_schemas import GrantedMinutes, MinuteGrant
from serve.cached_reads import CachedReads
from serve.changes import Asked, Made, found
from serve.list_cursor import Limit
from serve.local_day import CalendarDate
from serve.services import Given, Services
from serve.usage_entry_schemas import EntryCursor, EntryCursorText, UsageEntryPage
from serve.usage_periods import billing_period
from storage import cache_keys
from storage.principals import Principal
from storage.tenant_rows import TenantRows
from storage.times import milliseconds, moment

router = APIRouter(route_class=GuardedRoute, tags=["usage"], prefix="/v1/organizations/{organization_id}/usage")

COLUMNS: Final = (
    "charged_at", "call_id", "entry", "kind", "seconds", "amount_micros", "currency", "reason", "booked_at",
)  # fmt: skip
_PAGE: Final = 1_000


@router.get(
    "/export",
    dependencies=[permits("usage:read")],
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}, "description": "The file"}},
)
async def export_usage(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    day: Annotated[CalendarDate | None, Query(alias="date", description="A day of the period. Default: today.")] = None,
) -> StreamingResponse:
    """Every entry of a billing period as CSV: a charge for each call, and corrections. Their sums are the period's.

    Of one moment: the ledger is only added to, and what is booked later is left out.
    """
    account = await CachedReads(services, caller).account()
    as_of = services.now()
    period = billing_period(account, day, at=milliseconds(as_of))
    first = await _entries(services, caller, period, as_of, None)
    return StreamingResponse(
        _chunks(services, caller, period, as_of, first),
        media_type="text/csv; charset=utf-8; header=present",
        headers={"Content-Disposition": f'attachment; filename="usage-{_date(period)}.csv"'},
    )


@router.get("/entries", dependencies=[permits("usage:read")])
async def list_usage_entries(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    day: Annotated[CalendarDate | None, Query(alias="date", description="A day of the period. Default: today.")] = None,
    cursor: EntryCursorText = None,
    limit: Limit = 50,
) -> UsageEntryPage:
    """Entries of a billing period, the latest charge first: what the export has, page by page."""
    account = await CachedReads(services, caller).account()
    period = billing_period(account, day, at=milliseconds(services.now()))
    owner = (organization_id, "usage-entries", period)
    after = EntryCursor.decode(cursor, *owner) if cursor is not None else None
    place = (after.charged_at, after.call_id, after.entry) if after is not None else (None, None, None)
    async with services.viewing(caller) as rows:
        told = await rows.all("usage_entries_page", moment(period.start), moment(period.end), *place, limit + 1)
    return UsageEntryPage.of(told, limit, owner)


@router.post(
    "/extra-minutes",
    dependencies=[permits("organization:write")],
    status_code=HTTPStatus.CREATED,
    response_model=GrantedMinutes,
)
async def grant_minutes(change: Asked, asked: MinuteGrant) -> Response:
    """Grant minutes beyond the cap, for the calendar month that goes on. In force at once; the audit log says why.

    The next month begins with its cap alone.
    """
    organization_id = change.caller.organization_id

    async def make(rows: TenantRows) -> Made:
        now = change.services.now()
        granted = found(await rows.one("minutes_grant", uuid4(), now, asked.minutes, asked.reason), "organization")
        await rows.audit(
            "minutes-granted", granted["month"].isoformat(), reason=asked.reason, result=str(asked.minutes)
        )
        await rows.one("configured_tell", slot_of(organization_id))
        told = found(await rows.one("minutes_of_month", granted["month"]), "organization")
        shown = GrantedMinutes.model_validate({**told, "month": granted["month"].isoformat()})
        return Made(
            shown=shown, status=HTTPStatus.CREATED, tagged=False, stale=[cache_keys.organization(organization_id)]
        )

    return await change.answer(make)


async def _chunks(
    services: Services, caller: Principal, period: Period, as_of: datetime, first: list[dict[str, Any]]
) -> AsyncGenerator[bytes]:
    yield _csv([dict(zip(COLUMNS, COLUMNS, strict=True))])
    rows = first
    while rows:
        yield _csv(rows)
        if len(rows) < _PAGE:
            return
        rows = await _entries(services, caller, period, as_of, rows[-1])


async def _entries(
    services: Services, caller: Principal, period: Period, as_of: datetime, last: dict[str, Any] | None
) -> list[dict[str, Any]]:
    place = (None, None, None) if last is None else (last["charged_at"], last["call_id"], last["entry"])
    async with services.viewing(caller) as rows:
        found_rows = await rows.all("usage_entries", moment(period.start), moment(period.end), as_of, *place, _PAGE)
    return [dict(row) for row in found_rows]


def _csv(rows: list[dict[str, Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([[_cell(row[name]) for name in COLUMNS] for row in rows])
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    """Times in ISO 8601; a text that a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, datetime):
        return value.isoformat()
    return f"'{value}" if isinstance(value, str) and value[:1] in set("=+-@\t\r") else value


def _date(period: Period) -> date:
    return moment(period.start).date()
