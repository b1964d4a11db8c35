"""The dates of what went out, asked for by date or by call."""

from datetime import datetime, timedelta
from typing import Annotated, Final, TypeAlias

from fastapi import Query
from pydantic import AwareDatetime

from serve.call_pages import DateRange
from storage.tenant_rows import TenantRows

Since: TypeAlias = Annotated[
    AwareDatetime | None,
    Query(alias="from", description="7 days before `to` unless told; about a call: when it was first seen."),
]
Until: TypeAlias = Annotated[AwareDatetime | None, Query(alias="to", description="Now unless told.")]

_CLOCKS: Final = timedelta(minutes=1)
"""How far the clock that saw the call first and the database's may lie apart."""


async def dates_of(
    rows: TenantRows, call_id: str | None, since: datetime | None, until: datetime | None, *, now: datetime
) -> tuple[datetime, datetime]:
    """The range that is asked for: of at most 93 days, or of a call, without dates, all since it was first seen.

    An index on the call finds what is about it, so that months cost little; without a call it would be all of them.
    Raises InvalidParameterError.
    """
    if call_id is not None and since is None and until is None:
        key = await rows.one("call_key", call_id)
        if key is not None:
            return key["created_at"] - _CLOCKS, now + _CLOCKS
    dates = DateRange.asked(since, until, now=now)
    return dates.since, dates.until
