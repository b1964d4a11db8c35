"""Figures of a range of days: closed ones as they were kept, today as it goes."""

import datetime as dt
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query

from serve.auth import Caller, GuardedRoute, permits
from serve.cached_reads import CachedReads
from serve.errors import InvalidParameterError
from serve.figure_schemas import DayFigures, Stats
from serve.local_day import CalendarDate, local_day
from serve.services import Given
from storage.usage import KeptDay, kept_days, total

router = APIRouter(route_class=GuardedRoute, tags=["figures"], prefix="/v1/organizations/{organization_id}/stats")

LONGEST_DAYS: Final = 400
_DAYS: Final = {"today": 1, "7d": 7, "30d": 30, "90d": 90}


@router.get("", dependencies=[permits("calls:read")])
async def get_stats(
    *,
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    days: Annotated[
        Literal["today", "7d", "30d", "90d"], Query(alias="range", description="So many days up to today.")
    ] = "today",
    since: Annotated[CalendarDate | None, Query(alias="from", description="Instead of `range`: the first day.")] = None,
    until: Annotated[
        CalendarDate | None, Query(alias="to", description="The last day, inclusive. Default: today.")
    ] = None,
) -> Stats:
    """The figures of each day of a range, and of all its closed days together, in the organization's time zone.

    Today comes from the live owner and stands apart: it goes on. Closed days are read as they were kept, never from
    calls; `missing` names those not kept yet.
    """
    reads = CachedReads(services, caller)
    organization = await reads.organization()
    zone = organization.time_zone
    today = local_day(services.now(), zone).date
    last = until or today
    first = since or last - dt.timedelta(days=_DAYS[days] - 1)
    if not dt.timedelta(0) <= last - first < dt.timedelta(days=LONGEST_DAYS):
        detail = f"`from` must not lie after `to`, nor {LONGEST_DAYS} days before it."
        raise InvalidParameterError(detail, [{"at": "query.from", "detail": detail}])
    closed_to = min(last, today - dt.timedelta(days=1))
    async with services.reading(caller) as reading:
        kept = await kept_days(reading.connection, caller.organization_id, first, closed_to)
    known = {each.figures.day for each in kept}
    closed = [first + dt.timedelta(days=each) for each in range((closed_to - first).days + 1)]
    return Stats.model_validate(
        {
            "from": first,
            "to": last,
            "time_zone": zone,
            "today": (await reads.figures(organization)).today if first <= today <= last else None,
            "days": [_figures(each) for each in kept],
            "total": _figures(total(kept)) if kept else None,
            "missing": [day for day in closed if day not in known],
        }
    )


def _figures(kept: KeptDay) -> DayFigures:
    return DayFigures.of(kept.figures, use=kept.use, until=kept.until)
