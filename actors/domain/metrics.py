"""Figures of one day in the organization's time zone. One definition for live and history.

Every figure is a sum over calls of what one call adds (`Measured`), taken from its record in memory or from its row in
Postgres, and replaced when the record changes: duplicates and disorder cannot make it drift. A call belongs to the day
it was first seen on. What has no denominator is None, never 0 and never all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from operator import add, sub
from typing import Any, NamedTuple, Self

from actors.domain.call import Call
from actors.domain.concurrency import Concurrency, Span
from actors.domain.histogram import Histogram, recounted
from actors.domain.local_day import day_bounds
from actors.domain.measured import Measured, measured
from actors.domain.replacing import replaced

SERVICE_LEVEL_MS = 20_000
"""T of the service level: an inbound call is answered in time within this."""


class Sums(NamedTuple):
    """What one call adds to the plain sums of its day, under their names in `DayCounters`."""

    calls: int = 0
    offered: int = 0
    refused: int = 0
    answered: int = 0
    answered_waits: int = 0
    answered_in_time: int = 0
    answer_wait_ms: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    ended: int = 0
    handled: int = 0
    handle_ms: int = 0
    talk_ms: int = 0
    cost_micros: int = 0
    listened_ms: int = 0
    silence_ms: int = 0
    tools_called: int = 0
    tools_failed: int = 0
    interruptions: int = 0
    reports_missing: int = 0
    attempted: int = 0
    connected: int = 0
    voicemails: int = 0
    concluded: int = 0
    contained: int = 0
    evaluated: int = 0
    succeeded: int = 0
    webhooks: int = 0
    clock_skewed: int = 0
    reorders: int = 0


_NOTHING = Sums()


def sums_of(call: Measured) -> Sums:
    """What one call adds. Each name is explained at `DayCounters`."""
    wait_ms, handle_ms, succeeded = call.answer_wait_ms, call.handle_ms, call.succeeded
    return Sums(
        calls=1,
        offered=call.direction == "inbound",
        refused=call.is_refused,
        answered=call.answered_at is not None,
        answered_waits=wait_ms is not None,
        answered_in_time=wait_ms is not None and wait_ms <= SERVICE_LEVEL_MS,
        answer_wait_ms=wait_ms or 0,
        abandoned=call.is_abandoned,
        short_abandoned=call.is_short_abandoned,
        ended=call.is_ended,
        handled=handle_ms is not None,
        handle_ms=handle_ms or 0,
        talk_ms=call.duration_ms or 0,
        cost_micros=call.cost_micros or 0,
        listened_ms=(call.duration_ms or 0) if call.silence_ms is not None else 0,
        silence_ms=call.silence_ms or 0,
        tools_called=call.tools_called,
        tools_failed=call.tools_failed,
        interruptions=call.interruptions,
        reports_missing=call.is_ended and call.is_report_missing,
        attempted=call.is_attempted,
        connected=call.is_connected,
        voicemails=call.is_voicemail,
        concluded=call.is_concluded,
        contained=call.is_contained,
        evaluated=succeeded is not None,
        succeeded=succeeded is True,
        webhooks=len(call.webhook_lags_ms),
        clock_skewed=sum(lag < 0 for lag in call.webhook_lags_ms),
        reorders=call.reorders,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounters:
    """The figures of `day`. Sums, histograms and `concurrency` are over calls; see `Measured` for each term.

    Sums are over the calls first seen on the day: `calls` all, `offered` the inbound ones, `refused` those that
    admission refused, `answered` those with an answer; `answered_waits` inbound answers whose wait is known,
    `answer_wait_ms` those waits, `answered_in_time` those within `SERVICE_LEVEL_MS`; `abandoned` with `short_abandoned`
    among them; `handled` answered and ended, for `handle_ms`; `talk_ms` answered to ended; `silence_ms` of
    `listened_ms`, the talk of calls whose silence is known; `reports_missing` ended calls of which the provider was
    asked for the report, minutes after the end, and had none; `attempted` outbound calls that are over, `connected` and
    `voicemails` among them, `outcomes` how many of each `Measured.outcome`; `concluded` answered and ended, `contained`
    those among them that needed no human; `evaluated` with a verdict of true or false, `succeeded` those with true;
    `webhooks` that told their time, `clock_skewed` those received before they occurred, `reorders` those overtaken.

    `concurrency` is over every call live on the day, whenever it began. `duplicates` (deliveries beyond the first, as
    of the last reading of Postgres) and `repairs` (when memory and Postgres had differed: the day's `state-repaired`
    rows) are counted by rows of their own.
    """

    day: date
    calls: int = 0
    offered: int = 0
    refused: int = 0
    answered: int = 0
    answered_waits: int = 0
    answered_in_time: int = 0
    answer_wait_ms: int = 0
    abandoned: int = 0
    short_abandoned: int = 0
    ended: int = 0
    handled: int = 0
    handle_ms: int = 0
    talk_ms: int = 0
    cost_micros: int = 0
    listened_ms: int = 0
    silence_ms: int = 0
    tools_called: int = 0
    tools_failed: int = 0
    interruptions: int = 0
    reports_missing: int = 0
    attempted: int = 0
    connected: int = 0
    voicemails: int = 0
    concluded: int = 0
    contained: int = 0
    evaluated: int = 0
    succeeded: int = 0
    webhooks: int = 0
    clock_skewed: int = 0
    reorders: int = 0
    duplicates: int = 0
    repairs: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict[str, int])
    first_word: Histogram = field(default_factory=Histogram)
    turn_latency: Histogram = field(default_factory=Histogram)
    webhook_lag: Histogram = field(default_factory=Histogram)
    report_delay: Histogram = field(default_factory=Histogram)
    tool_latency: Histogram = field(default_factory=Histogram)
    concurrency: Concurrency = field(default_factory=lambda: Concurrency(opens=0, closes=0))

    @classmethod
    def of(
        cls, day: date, time_zone: str, calls: Iterable[Measured] = (), *, duplicates: int = 0, repairs: int = 0
    ) -> Self:
        """The figures of a day of that zone, from all calls that may concern it."""
        opens, closes = day_bounds(day, time_zone)
        blank = cls(
            day=day, duplicates=duplicates, repairs=repairs, concurrency=Concurrency(opens=opens, closes=closes)
        )
        return blank.replacing_all((None, call) for call in calls)

    def covers(self, at: int) -> bool:
        """Whether a moment of our clock lies on this day."""
        return self.concurrency.opens <= at < self.concurrency.closes

    def replacing(self, before: Call | None, after: Call) -> Self:
        """The figures once `after` stands where `before` stood. Exact, because both contributions are recomputed."""
        return self.replacing_all([(measured(before) if before is not None else None, measured(after))])

    def replacing_all(self, changes: Iterable[tuple[Measured | None, Measured]]) -> Self:
        """The same for many calls at once; no call may stand in it twice. Its cost is that of the changes."""
        window = self.concurrency
        sums: Iterable[int] = _NOTHING
        spans: list[tuple[Span | None, Span | None]] = []
        gone, new = _Values(), _Values()
        for before, after in changes:
            if before == after:
                continue
            spans.append((before.span if before is not None else None, after.span))
            if not self.covers(after.created_at):
                continue
            old = _NOTHING
            if before is not None:
                old = sums_of(before)
                gone.take(before)
            new.take(after)
            sums = tuple(map(add, sums, map(sub, sums_of(after), old)))
        if not spans:
            return self
        changed: dict[str, Any] = {
            name: getattr(self, name) + change for name, change in zip(Sums._fields, sums, strict=True) if change
        }
        if gone.outcomes != new.outcomes:
            changed["outcomes"] = recounted(self.outcomes, gone.outcomes, new.outcomes)
        return replaced(
            self,
            **changed,
            first_word=self.first_word.replacing(gone.first_words, new.first_words),
            turn_latency=self.turn_latency.replacing(gone.latencies, new.latencies),
            webhook_lag=self.webhook_lag.replacing(gone.lags, new.lags),
            report_delay=self.report_delay.replacing(gone.report_delays, new.report_delays),
            tool_latency=self.tool_latency.replacing(gone.tool_latencies, new.tool_latencies),
            concurrency=window.replacing(spans),
        )

    @property
    def service_level_n(self) -> int:
        """Answered + abandoned - short abandoned: whoever waited, inbound. An unknown wait is left out."""
        return self.answered_waits + self.abandoned - self.short_abandoned

    @property
    def service_level(self) -> float | None:
        """Answered within `SERVICE_LEVEL_MS` / (answered + abandoned - short abandoned)."""
        return _share(self.answered_in_time, self.service_level_n)

    @property
    def average_answer_ms(self) -> float | None:
        """ASA: sum of waits / answered, inbound."""
        return _share(self.answer_wait_ms, self.answered_waits)

    @property
    def average_handle_ms(self) -> float | None:
        """AHT: sum of (ended - answered, until hand-over) / handled. Processing after the call is no part of it."""
        return _share(self.handle_ms, self.handled)

    @property
    def abandoned_share(self) -> float | None:
        """(Abandoned - short) / (answered + abandoned - short)."""
        return _share(self.abandoned - self.short_abandoned, self.service_level_n)

    @property
    def refused_share(self) -> float | None:
        """Refused / (refused + accepted), all calls; one that waited and was then served counts as accepted."""
        return _share(self.refused, self.calls)

    @property
    def silence_share(self) -> float | None:
        """Time in which nobody spoke for more than 2 s / talk, of the calls whose report told."""
        return _share(self.silence_ms, self.listened_ms)

    @property
    def tool_error_share(self) -> float | None:
        """Tool calls that failed or had no result / tool calls, as the reports tell."""
        return _share(self.tools_failed, self.tools_called)

    @property
    def reports_missing_share(self) -> float | None:
        """Ended calls whose report is missing / ended."""
        return _share(self.reports_missing, self.ended)

    @property
    def connected_share(self) -> float | None:
        """Connect rate: attempted calls that somebody answered / attempted; voicemail counts as not connected."""
        return _share(self.connected, self.attempted)

    @property
    def contained_share(self) -> float | None:
        """Containment: concluded without a transfer, by no caller who gave up within `GAVE_UP_MS` / concluded."""
        return _share(self.contained, self.concluded)

    @property
    def succeeded_share(self) -> float | None:
        """Success rate: evaluated true / evaluated. Calls without a verdict are in neither."""
        return _share(self.succeeded, self.evaluated)

    def per_thousand_webhooks(self, count: int) -> float | None:
        """How many of them there were in a thousand webhooks: of `duplicates`, `reorders` and `repairs`."""
        return _share(1_000 * count, self.webhooks)


@dataclass(slots=True)
class _Values:
    """What goes into the histograms."""

    first_words: list[int] = field(default_factory=list[int])
    latencies: list[int] = field(default_factory=list[int])
    lags: list[int] = field(default_factory=list[int])
    report_delays: list[int] = field(default_factory=list[int])
    tool_latencies: list[int] = field(default_factory=list[int])
    outcomes: list[str] = field(default_factory=list[str])

    def take(self, call: Measured) -> None:
        if (first_word_ms := call.first_word_ms) is not None:
            self.first_words.append(first_word_ms)
        self.latencies.extend(call.turn_latencies_ms)
        # A negative lag is a clock that is wrong, no lag: counted apart.
        self.lags.extend(lag for lag in call.webhook_lags_ms if lag >= 0)
        if (delay_ms := call.report_delay_ms) is not None and delay_ms >= 0:
            self.report_delays.append(delay_ms)
        self.tool_latencies.extend(call.tool_latencies_ms)
        if (outcome := call.outcome) is not None:
            self.outcomes.append(outcome)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
