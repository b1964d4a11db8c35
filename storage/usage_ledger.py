"""What the ledger says of periods, for the organization that asks: sums of charges and corrections, never of calls."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from actors.domain.billing_period import Period
from storage.calls import Row
from storage.postgres import Connection
from storage.statements import statement
from storage.times import moment
from storage.usage_shares import Shares, windows


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodUsage:
    """Whole seconds and micro-units of a period. `days` have no row where nothing was used and nothing kept.

    `history` holds the kept days that a projection goes by.
    """

    total: Row
    days: Sequence[Row]
    warnings: Sequence[Row]
    history: Sequence[Row]


class UsageReader:
    """Reads of one organization on one connection of `tenant_reads`, all of its one moment."""

    def __init__(self, connection: Connection, organization_id: str) -> None:
        self._connection = connection
        self._organization_id = UUID(organization_id)

    async def account(self) -> Row | None:
        """By what usage is billed; None when there is no such organization."""
        row = await self._connection.fetchrow(statement("usage_account"), self._organization_id)
        return dict(row) if row is not None else None

    async def of_period(
        self, period: Period, *, first: date, last: date, time_zone: str, history: tuple[date, date]
    ) -> PeriodUsage:
        """A period's sums, its days [first, last] of `time_zone`, the marks somebody was told of, days before."""
        start, end = moment(period.start), moment(period.end)
        (total,) = await self._rows("usage_total", start, end)
        return PeriodUsage(
            total=total,
            days=await self._rows("usage_by_day", first, last, time_zone),
            warnings=await self._rows("usage_warnings", start),
            history=await self._rows("usage_history", *history),
        )

    async def of_periods(self, periods: Sequence[Period]) -> Sequence[Row]:
        """The sums of several periods, in their order."""
        starts, ends = [moment(each.start) for each in periods], [moment(each.end) for each in periods]
        return await self._rows("usage_totals", starts, ends)

    async def shares(self, period: Period) -> Shares:
        """Whose a period's sums are."""
        shares = Shares()
        for since, until in windows(period.start, period.end):
            shares.add(await self._rows("usage_shares", moment(since), moment(until)))
        return shares

    async def _rows(self, name: str, *arguments: object) -> Sequence[Row]:
        return [dict(row) for row in await self._connection.fetch(statement(name), self._organization_id, *arguments)]
