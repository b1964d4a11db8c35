"""Figures of a day and of a range of days, as the live board has them."""

from datetime import date

from pydantic import ConfigDict, Field

from actors.domain.capacity import CapacityUse
from actors.domain.day_view import day_view
from actors.domain.metrics import DayCounters
from serve.schemas import Schema, Timestamp
from storage.calls import DaySoFar


class DayFigures(Schema):
    """One day of the organization's time zone. Shares lie in 0 to 1; null where nothing was there to be measured."""

    date: date
    calls: int = Field(description="First seen on the day.")
    offered: int = Field(description="Inbound.")
    answered: int
    refused: int
    refused_share: float | None = Field(description="refused / calls")
    abandoned: int = Field(description="Inbound, ended, never answered; the short ones among them.")
    short_abandoned: int = Field(description="Within 5 s: in no numerator and no denominator.")
    abandoned_share: float | None = Field(description="(abandoned - short_abandoned) / service_level_n")
    ended: int
    talk_seconds: float
    cost_usd: float
    peak_live: int = Field(description="Most calls live at one moment, exactly; calls over midnight count.")
    peak_at: Timestamp | None
    average_live: float | None = Field(description="Seconds of live calls / seconds of the day up to average_until.")
    average_until: Timestamp | None
    saturated_share: float | None = Field(
        description="Seconds at or above the limit of calls at once that held then / seconds of the day up to"
        " average_until; null if there was none all the time."
    )
    capacity_share: float | None = Field(
        description="Seconds of live calls / the limit that held then, summed over those seconds; time without a limit"
        " is in neither, and null if there was none all the time."
    )
    service_level_share: float | None = Field(description="Answered within service_level_seconds / service_level_n")
    service_level_n: int = Field(description="Answered + abandoned - short_abandoned, inbound.")
    service_level_seconds: float
    answer_seconds: float | None = Field(description="Offered to answered, mean, inbound (ASA).")
    answer_n: int
    handle_seconds: float | None = Field(description="Answered to ended or handed over, mean (AHT).")
    handle_n: int
    first_word_p50_ms: int | None = Field(description="Answered to the assistant's first audio.")
    first_word_p95_ms: int | None
    first_word_n: int
    turn_latency_p50_ms: int | None = Field(description="End of the caller's words to the start of the answer.")
    turn_latency_p95_ms: int | None
    turn_latency_n: int
    post_processing_p50_ms: int | None = Field(description="Ended to our receipt of the report.")
    post_processing_p95_ms: int | None
    post_processing_n: int
    attempted: int = Field(description="Outbound calls that were placed and are over.")
    connected_share: float | None = Field(description="Answered, voicemail apart / attempted")
    voicemails: int
    # With a default, as an owner of the release before does not tell it.
    attempted_outcomes: dict[str, int] = Field(
        default={}, description="How many of the attempted ended for a reason of each class; voicemail is apart."
    )
    contained_share: float | None = Field(
        description="Without a transfer, and the caller did not hang up within 10 s of the answer / contained_n"
    )
    contained_n: int = Field(description="Answered and ended.")
    succeeded_share: float | None = Field(description="Evaluated true / evaluated")
    evaluated: int = Field(description="Calls that the provider evaluated as true or false.")
    not_evaluated: int = Field(description="Ended calls without such a verdict.")
    silence_share: float | None = Field(description="Pauses over 2 s / talk.")
    tool_calls: int
    tool_error_share: float | None = Field(description="Failed or without result / tool_calls")
    tool_latency_p50_ms: int | None = Field(description="Call of a tool to its result.")
    tool_latency_p95_ms: int | None
    tool_latency_n: int
    interruptions: int
    webhook_lag_p50_ms: int | None = Field(description="Received minus occurred.")
    webhook_lag_p95_ms: int | None
    webhook_lag_n: int
    clock_skewed: int = Field(description="Webhooks received before they occurred.")
    reports_missing: int
    reports_missing_share: float | None = Field(description="reports_missing / ended")
    webhooks: int = Field(description="That told when they occurred.")
    duplicates: int
    duplicates_per_1000: float | None = Field(description="1000 * duplicates / webhooks")
    reorders: int
    reorders_per_1000: float | None
    repairs: int = Field(description="Times when memory and Postgres differed, and were made one again.")
    repairs_per_1000: float | None

    @classmethod
    def of(cls, day: DayCounters, *, use: CapacityUse, until: int | None = None) -> "DayFigures":
        return cls.model_validate(day_view(day, use=use, until=until))


class Figures(Schema):
    """The live feed's `counters`."""

    live: int
    stale: int | None = Field(
        default=None,
        description="Of the live ones, those without any sign for a quarter of an hour, and those of which their"
        " provider, asked, knew nothing. Null while the owner is away: Postgres does not know of every sign.",
    )
    waiting: int
    today: DayFigures

    @classmethod
    def of(cls, told: DaySoFar) -> "Figures":
        today = DayFigures.of(told.day, use=told.day.concurrency.use(told.limits))
        return cls(live=told.live, waiting=told.waiting, today=today)


class Stats(Schema):
    """Figures of the days [`from`, `to`]. `total` is of `days`, the closed ones; `today` goes on and stands apart."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    since: date = Field(alias="from")
    until: date = Field(alias="to")
    time_zone: str
    today: DayFigures | None
    days: list[DayFigures]
    total: DayFigures | None = Field(description="Its `date` is the first day's.")
    missing: list[date] = Field(description="Closed days that are not added up yet.")
