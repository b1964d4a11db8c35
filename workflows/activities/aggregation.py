"""Closed days are added up, page by page."""

from collections.abc import Callable
from datetime import date
from typing import Final

from temporalio import activity

from storage.ledger import Ledger
from storage.postgres import Pool
from storage.usage import ClosedDay, aggregate_day, days_of_range, due_days
from workflows.billing_contracts import AGGREGATE_DAYS, TELL_USAGE_ALERTS, Aggregated, AggregationSpan

_PAGE: Final = 25


class Aggregation:
    """An activity of the billing queue. `nudge` is told which organization has people to be told something."""

    def __init__(
        self, pool: Pool, ledger: Ledger, *, now: Callable[[], int], nudge: Callable[[str, str], object]
    ) -> None:
        self._pool = pool
        self._ledger = ledger
        self._now = now
        self._nudge = nudge

    @activity.defn(name=AGGREGATE_DAYS)
    async def aggregate_days(self, span: AggregationSpan) -> Aggregated:
        """Add up one page of days, and notice what marks their organizations have reached. Safe to repeat."""
        days = await self._days(span)
        for each in days:
            await aggregate_day(self._pool, each.organization_id, each.day, each.time_zone)
            activity.heartbeat()
        for organization_id in {each.organization_id for each in days}:
            if await self._ledger.notice(organization_id, at=self._now()):
                self._nudge(organization_id, TELL_USAGE_ALERTS)
        if len(days) < _PAGE:
            return Aggregated(days=len(days))
        last = days[-1]
        return Aggregated(
            days=len(days), more=True, after_organization=last.organization_id, after=last.day.isoformat()
        )

    async def _days(self, span: AggregationSpan) -> "list[ClosedDay]":
        if span.since is None or span.until is None:
            return [*await due_days(self._pool, limit=_PAGE)]
        after = None
        if span.after_organization is not None and span.after is not None:
            after = (span.after_organization, date.fromisoformat(span.after))
        since, until = date.fromisoformat(span.since), date.fromisoformat(span.until)
        return [*await days_of_range(self._pool, since, until, span.organization_id, after=after, limit=_PAGE)]
