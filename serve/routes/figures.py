"""The figures of any day: the same numbers, by the same code, as the live board shows or showed."""

import datetime as dt
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import Field

from actors.domain.local_day import day_bounds
from serve.auth import Caller, GuardedRoute, permits
from serve.errors import NotFoundError
from serve.figure_schemas import DayFigures
from serve.local_day import local_day
from serve.services import Given

router = APIRouter(
    route_class=GuardedRoute,
    tags=["figures"],
    prefix="/v1/organizations/{organization_id}/figures",
    dependencies=[permits("calls:read")],
)

# Days whose midnights every zone and every database can tell.
_FIRST: Final = dt.date(1970, 1, 2)
_LAST: Final = dt.date(9998, 12, 31)


@router.get("")
async def get_figures(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    date: Annotated[dt.date | None, Field(ge=_FIRST, le=_LAST), Query()] = None,
) -> DayFigures:
    """The figures of a day of the organization's time zone, today by default. A closed day is averaged to its end."""
    async with services.reading(caller) as reads:
        organization = await reads.organization()
        if organization is None:
            raise NotFoundError("There is nothing here.")
        zone = organization["time_zone"]
        today = local_day(services.now(), zone).date
        day = date or today
        figures, limits = await reads.day(day, zone), await reads.limits(day, zone)
    until = day_bounds(day, zone)[1] if day < today else None
    return DayFigures.of(figures, use=figures.concurrency.use(limits, until), until=until)
