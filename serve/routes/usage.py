"""Usage of a billing period: used, included, over, what it costs, and what it will come to."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response

from actors.domain.billing_period import periods
from actors.domain.local_day import day_bounds
from serve.auth import Caller, GuardedRoute, permits
from serve.cached_reads import CachedReads, server_timing
from serve.errors import InvalidParameterError
from serve.local_day import CalendarDate, local_day
from serve.services import Given
from serve.usage_periods import billing_period
from serve.usage_schemas import Usage, UsageHistory, UsageOfPeriod
from serve.usage_share_schemas import UsageShares
from storage.times import milliseconds
from storage.usage_ledger import UsageReader

router = APIRouter(
    route_class=GuardedRoute,
    tags=["usage"],
    prefix="/v1/organizations/{organization_id}/usage",
    dependencies=[permits("usage:read")],
)

LONGEST_DAYS = 1_200
"""Of a range of periods: three years and what a first and a last period stick out."""
_DEFAULT_DAYS = 365


@router.get("")
async def get_usage(
    *,
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    response: Response,
    day: Annotated[CalendarDate | None, Query(alias="date", description="A day of the period. Default: today.")] = None,
) -> Usage:
    """What was used in the billing period of a day, what that costs, and what it comes to by the period's end.

    The projection adds to what was used, for each day that remains, the mean of its weekday over the last 28 closed
    days; while some of those are missing it is a straight line. `projection.basis` tells which.

    The period is the subscription's, or the calendar month where the organization is while there is no subscription.
    Sums are the ledger's, at most a minute old. Days are those kept, never added up from calls here; today and a day
    that is not kept yet are the ledger's too. A correction that comes more than three days late is in the sum at
    once, and in its day when that is added up anew.
    """
    reads = CachedReads(services, caller)
    account = await reads.account()
    period = billing_period(account, day, at=milliseconds(services.now()))
    used = await reads.used(account, period)
    response.headers["Server-Timing"] = server_timing(reads.provenance)
    return Usage.of(account, period, used)


@router.get("/shares")
async def get_usage_shares(
    *,
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    response: Response,
    day: Annotated[CalendarDate | None, Query(alias="date", description="A day of the period. Default: today.")] = None,
) -> UsageShares:
    """Whose the usage of the billing period of a day is: by assistant and by number, out of the ledger's entries.

    Of the moment `as_of`, which is also that of the period's usage from then on, for a minute at most.

    An assistant is known as soon as a webhook tells it, and what was used before goes over to it then.
    """
    reads = CachedReads(services, caller)
    account = await reads.account()
    shares = await reads.shares(account, billing_period(account, day, at=milliseconds(services.now())))
    response.headers["Server-Timing"] = server_timing(reads.provenance)
    return shares


@router.get("/periods")
async def list_usage_periods(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    since: Annotated[CalendarDate | None, Query(alias="from", description="Default: a year before `to`.")] = None,
    until: Annotated[CalendarDate | None, Query(alias="to", description="Inclusive. Default: today.")] = None,
) -> UsageHistory:
    """The sums of past periods and the present one. Those before the subscription's are counted back from it."""
    account = await CachedReads(services, caller).account()
    zone = account.time_zone
    today = local_day(services.now(), zone).date
    last = min(until or today, today)
    first = since or date.fromordinal(last.toordinal() - _DEFAULT_DAYS)
    if not 0 <= (last - first).days < LONGEST_DAYS:
        detail = f"`from` must not lie after `to` or today, nor {LONGEST_DAYS} days before it."
        raise InvalidParameterError(detail, [{"at": "query.from", "detail": detail}])
    bounds = day_bounds(first, zone)[0], min(day_bounds(last, zone)[1] - 1, milliseconds(services.now()))
    found = list(periods(*bounds, subscribed=account.subscribed, time_zone=zone))
    async with services.reading(caller) as reading:
        rows = await UsageReader(reading.connection, organization_id).of_periods(found)
    return UsageHistory(time_zone=zone, periods=[UsageOfPeriod.of(row) for row in rows])
