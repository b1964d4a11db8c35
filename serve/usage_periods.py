"""Which billing period a request is about."""

from datetime import date

from actors.domain.billing_period import Period, period_of
from actors.domain.local_day import day_bounds
from serve.errors import InvalidParameterError
from serve.usage_schemas import Account


def billing_period(account: Account, day: date | None, *, at: int) -> Period:
    """The period of a day, or of now (`at`, ms). Raises InvalidParameterError for a day that has not begun."""
    if day is not None:
        begins = day_bounds(day, account.time_zone)[0]
        if begins > at:
            detail = "The day has not begun."
            raise InvalidParameterError(detail, [{"at": "query.date", "detail": detail}])
        # Of today the period that goes on, of a day before it the one it began in.
        at = at if at < day_bounds(day, account.time_zone)[1] else begins
    return period_of(at, subscribed=account.subscribed, time_zone=account.time_zone)
