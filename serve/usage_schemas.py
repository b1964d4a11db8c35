"""What the REST API shows of usage: whole seconds and millionths of the currency, minutes rounded once, for reading."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from pydantic import Field

from actors.domain.billing_period import Period
from actors.domain.local_day import local_date
from actors.domain.projection import Basis, Course, course
from actors.domain.usage import MARKS_PERCENT, mark, overage
from serve.schemas import Schema, Timestamp
from storage.calls import Row
from storage.times import milliseconds, moment
from storage.usage_ledger import PeriodUsage

_MINUTE_SECONDS = 60


class Plan(Schema):
    plan_id: str
    name: str
    monthly_price_micros: int
    included_minutes: int
    minute_price_micros: int = Field(description="Of a minute beyond the included ones.")
    currency: str


class OfferedPlan(Plan):
    concurrency_limit: int | None = Field(description="Calls at once; null: no limit.")
    features: list[str]

    @classmethod
    def of(cls, row: Row) -> "OfferedPlan":
        return cls.model_validate({**row, "plan_id": row["id"]})


class PlanList(Schema):
    """The plans there are to choose from, the cheapest first."""

    plans: list[OfferedPlan]


class Account(Schema):
    """By what an organization's usage is billed."""

    time_zone: str
    plan: Plan | None
    minutes_cap: int | None
    billing_period_start: Timestamp | None
    billing_period_end: Timestamp | None

    @classmethod
    def of(cls, row: Row) -> "Account":
        plan = {**row, "name": row["plan_name"]} if row["plan_id"] is not None else None
        return cls.model_validate({**row, "plan": plan})

    @property
    def subscribed(self) -> Period | None:
        if self.billing_period_start is None or self.billing_period_end is None:
            return None
        return Period(start=milliseconds(self.billing_period_start), end=milliseconds(self.billing_period_end))

    @property
    def limit_minutes(self) -> int | None:
        """What marks are of: the plan's minutes, or, where it includes none, the organization's own cap."""
        included = self.plan.included_minutes if self.plan is not None else 0
        return included or self.minutes_cap


class UsageDay(Schema):
    """A whole day of the organization's time zone."""

    date: date
    calls: int | None = Field(description="First seen on the day; null until the day is added up.")
    seconds: int
    cost_micros: int


class DayBefore(Schema):
    """What a closed day brought."""

    date: date
    seconds: int
    cost_micros: int


class Used(Schema):
    """A period as it was read from the ledger, at `as_of`, and the kept days before that."""

    as_of: Timestamp
    seconds: int
    cost_micros: int
    days: list[UsageDay]
    warnings: dict[int, Timestamp]
    history: list[DayBefore] = Field(default_factory=list[DayBefore])

    @classmethod
    def of(cls, told: PeriodUsage, *, first: date, last: date, as_of: datetime) -> "Used":
        days: Mapping[date, Row] = {row["date"]: row for row in told.days}
        every = [first + timedelta(days=each) for each in range((last - first).days + 1)]
        empty: dict[str, Any] = {"calls": None, "seconds": 0, "cost_micros": 0}
        return cls(
            as_of=as_of,
            seconds=told.total["seconds"],
            cost_micros=told.total["cost_micros"],
            days=[UsageDay.model_validate({**empty, **days.get(day, {}), "date": day}) for day in every],
            warnings={row["percent"]: row["raised_at"] for row in told.warnings},
            history=[DayBefore.model_validate(row) for row in told.history],
        )


class UsageMark(Schema):
    """A share of the limit that somebody is told of."""

    percent: int
    seconds: int = Field(description="The least usage that reaches it.")
    reached: bool
    told_at: Timestamp | None = Field(description="When somebody was told.")
    expected_at: Timestamp | None = Field(description="When the projection reaches it; null: not in this period.")


class Projection(Schema):
    """The period's end, to the nearest whole second and micro-unit."""

    basis: Basis = Field(
        description="`weekday_means`: used, and for each day that remains the mean of its weekday over the last 28 "
        "closed days. `straight_line`, while a weekday is missing among those: used / time passed · length of the "
        "period."
    )
    used_seconds: int
    used_minutes: float
    overage_seconds: int | None
    cost_micros: int


class Usage(Schema):
    """One billing period. The time of a call counts where it ended, in whole seconds, each call's rounded up."""

    period_start: Timestamp
    period_end: Timestamp
    time_zone: str
    as_of: Timestamp = Field(description="At most a minute ago.")
    plan: Plan | None
    used_seconds: int
    used_minutes: float = Field(description="used_seconds / 60, rounded once.")
    included_minutes: int | None = Field(description="Of the plan; null without one.")
    overage_seconds: int | None = Field(description="Beyond the included minutes; null without a plan.")
    overage_minutes: float | None
    limit_minutes: int | None = Field(description="The included minutes, else the organization's `minutes_cap`.")
    used_share: float | None = Field(description="used / limit; above 1 where there is more.")
    cost_micros: int = Field(description="What the calls are charged, corrections included.")
    currency: str | None
    marks: list[UsageMark] = Field(description="80 and 100 % of the limit; none without a limit.")
    projection: Projection | None = Field(
        description="Null once the period is over, and on its first day while there are no days before to go by."
    )
    days: list[UsageDay] = Field(description="Up to today, from the day that holds the period's start, oldest first.")

    @classmethod
    def of(cls, account: Account, period: Period, used: Used) -> "Usage":
        at = milliseconds(used.as_of)
        plan, limit = account.plan, account.limit_minutes
        seconds = _course(used.seconds, {day.date: day.seconds for day in used.history}, account, period, at)
        cost = _course(used.cost_micros, {day.date: day.cost_micros for day in used.history}, account, period, at)
        over = overage(used.seconds, plan.included_minutes * _MINUTE_SECONDS) if plan is not None else None
        return cls(
            period_start=moment(period.start),
            period_end=moment(period.end),
            time_zone=account.time_zone,
            as_of=used.as_of,
            plan=plan,
            used_seconds=used.seconds,
            used_minutes=minutes(used.seconds),
            included_minutes=plan.included_minutes if plan is not None else None,
            overage_seconds=over,
            overage_minutes=minutes(over) if over is not None else None,
            limit_minutes=limit,
            used_share=round(used.seconds / (limit * _MINUTE_SECONDS), 4) if limit else None,
            cost_micros=used.cost_micros,
            currency=plan.currency if plan is not None else None,
            marks=[_mark(limit * _MINUTE_SECONDS, each, used, seconds) for each in MARKS_PERCENT] if limit else [],
            projection=_projection(plan, seconds, cost),
            days=used.days,
        )


class UsageOfPeriod(Schema):
    period_start: Timestamp
    period_end: Timestamp
    used_seconds: int
    used_minutes: float
    cost_micros: int

    @classmethod
    def of(cls, row: Row) -> "UsageOfPeriod":
        told = {"period_start": row["start"], "period_end": row["end"], "used_seconds": row["seconds"]}
        return cls.model_validate({**row, **told, "used_minutes": minutes(row["seconds"])})


class UsageHistory(Schema):
    """The billing periods that hold a day of the range, the newest first."""

    time_zone: str
    periods: list[UsageOfPeriod]


def days_of(period: Period, time_zone: str, until: datetime) -> tuple[date, date]:
    """The first and the last day of a period, no later than `until`."""
    last = min(period.end - 1, max(milliseconds(until), period.start))
    return local_date(period.start, time_zone), local_date(last, time_zone)


def _course(used: int, history: Mapping[date, int], account: Account, period: Period, at: int) -> Course | None:
    return course(used, period, at, history=history, time_zone=account.time_zone)


def _mark(limit: int, percent: int, used: Used, goes_on: Course | None) -> UsageMark:
    level = mark(limit, percent)
    expected = goes_on.reaches(level) if goes_on is not None else None
    return UsageMark(
        percent=percent,
        seconds=level,
        reached=used.seconds >= level,
        told_at=used.warnings.get(percent),
        expected_at=moment(expected) if expected is not None else None,
    )


def _projection(plan: Plan | None, seconds: Course | None, cost: Course | None) -> Projection | None:
    if seconds is None or cost is None:
        return None
    return Projection(
        basis=seconds.basis,
        used_seconds=seconds.total,
        used_minutes=minutes(seconds.total),
        overage_seconds=overage(seconds.total, plan.included_minutes * _MINUTE_SECONDS) if plan is not None else None,
        cost_micros=cost.total,
    )


def minutes(seconds: int) -> float:
    """Of whole seconds, rounded once, for reading."""
    return round(seconds / _MINUTE_SECONDS, 2)
