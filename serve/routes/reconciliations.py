"""What webhooks did not bring: how far calls were held against the provider's own, and what that brought in."""

from datetime import timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from serve.auth import Caller, GuardedRoute, permits
from serve.call_pages import DateRange
from serve.changes import found
from serve.list_cursor import CursorText, Limit, after_numbered, page_of
from serve.reconciliation_schemas import LastDay, Reconciliations
from serve.services import Given
from storage.tenant_rows import TenantRows

router = APIRouter(route_class=GuardedRoute, tags=["calls"], prefix="/v1/organizations/{organization_id}")

_DAY: Final = timedelta(hours=24)


@router.get("/reconciliations", dependencies=[permits("calls:read")])
async def list_reconciliations(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    since: Annotated[AwareDatetime | None, Query(alias="from", description="7 days before `to` unless told.")] = None,
    until: Annotated[AwareDatetime | None, Query(alias="to", description="Now unless told.")] = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> Reconciliations:
    """How far calls are reconciled with the provider's own list, and what of a range that brought in, newest first.

    Every five minutes the calls that the provider changed are compared with what webhooks told; what differs enters as
    a webhook would have. A cursor belongs to the range it was made with.
    """
    now = services.now()
    dates = DateRange.asked(since, until, now=now)
    owner = (organization_id, "reconciliations", since, until)
    place = after_numbered(cursor, *owner)
    async with services.reading(caller) as reads:
        rows = TenantRows(reads.connection, organization_id)
        state = await rows.one("reconciliation")
        received = await reads.webhook_figures(now - _DAY)
        refused = found(await rows.one("refusals_since", now - _DAY), "organization")
        repaired = await rows.all("repairs_by_kind", now - _DAY, now)
        by_kind = await rows.all("repairs_by_kind", dates.since, dates.until)
        told = await rows.all("repairs_page", *place, dates.since, dates.until, limit + 1)
    # The inbox counts its rows: a number in the place of an id.
    page, following = page_of([{**row, "id": UUID(int=row["id"])} for row in told], limit, *owner)
    return Reconciliations.of(
        state=state,
        last_day=LastDay(
            received=received["received"],
            duplicates=received["duplicates"],
            last_received_at=received["last_received_at"],
            refused=refused["refused"],
            last_refused_at=refused["last_refused_at"],
            repaired=sum(row["count"] for row in repaired),
        ),
        by_kind=by_kind,
        repairs=page,
        since=dates.since,
        until=dates.until,
        next_cursor=following,
    )
