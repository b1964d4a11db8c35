"""The figures against their definitions: whatever changes led to a set of calls, its figures are those of the set."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.capacity import Limits
from actors.domain.concurrency import Concurrency, Span
from actors.domain.day_view import day_view
from actors.domain.histogram import Histogram
from actors.domain.json_types import JSON
from actors.domain.local_day import day_bounds, local_date
from actors.domain.measured import Measured
from actors.domain.metrics import DayCounters

DAY = date(2026, 3, 29)
ZONE = "Europe/Berlin"
OPENS, CLOSES = day_bounds(DAY, ZONE)
MINUTE = 60_000

moments = st.integers(0, 12)
spans = st.none() | st.tuples(moments, st.none() | moments)


def _count(calls: Sequence[Span | None], at: int) -> int:
    return sum(span is not None and span[0] <= at and (span[1] is None or at < span[1]) for span in calls)


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), spans), max_size=4), max_size=12), st.integers(0, 10))
def test_concurrency_is_that_of_the_set_of_spans(rounds: list[list[tuple[int, Span | None]]], until: int) -> None:
    opens, closes = 2, 10
    held: dict[int, Span | None] = {}
    live = Concurrency(opens=opens, closes=closes)
    for each in rounds:
        changes = list(dict(each).items())
        live = live.replacing([(held.get(call), span) for call, span in changes])
        held.update(changes)
    at_once = [(None, span) for span in held.values()]
    assert live == Concurrency(opens=opens, closes=closes).replacing(at_once)
    with patch("actors.domain.concurrency._MANY", 0):
        assert live == Concurrency(opens=opens, closes=closes).replacing(at_once)

    levels = {at: _count(list(held.values()), at) for at in range(opens, closes)}
    highest = max(levels.values())
    assert live.peak == highest
    assert live.peak_at == (min(at for at in levels if levels[at] == highest) if highest else None)
    until = min(closes, max(until, live.known_until))
    if until == opens:
        assert live.average(until) is live.use(Limits.always(1), until).saturated_share is None
    else:
        assert live.average(until) == pytest.approx(sum(levels[at] for at in range(opens, until)) / (until - opens))
        for limit in range(1, 5):
            full = sum(levels[at] >= limit for at in range(opens, until))
            saturated = live.use(Limits.always(limit), until).saturated_share
            assert saturated == pytest.approx(full / (until - opens))


limits = st.lists(st.tuples(st.integers(0, 12), st.none() | st.integers(1, 4)), max_size=6)


@given(st.lists(spans, max_size=10), limits, st.integers(0, 10))
def test_capacity_in_use_is_of_the_limit_of_each_moment(
    calls: list[Span | None], changes: list[tuple[int, int | None]], until: int
) -> None:
    opens, closes = 2, 10
    told = Limits(tuple(sorted(changes, key=lambda change: change[0])))
    live = Concurrency(opens=opens, closes=closes).replacing((None, span) for span in calls)
    until = min(closes, max(until, live.known_until))
    use = live.use(told, until)

    limit, levels = {at: _limit(told, at) for at in range(opens, until)}, {at: _count(calls, at) for at in range(12)}
    limited = {at: most for at, most in limit.items() if most is not None}
    assert use.window_ms == until - opens
    assert use.capacity_ms == sum(limited.values())
    assert use.used_ms == sum(levels[at] for at in limited)
    assert use.saturated_ms == sum(levels[at] >= most for at, most in limited.items())
    if limited:
        assert use.capacity_share == pytest.approx(use.used_ms / sum(limited.values()))
        assert use.saturated_share == pytest.approx(use.saturated_ms / (until - opens))
    else:
        assert use.capacity_share is use.saturated_share is None


def _limit(limits: Limits, at: int) -> int | None:
    held = [limit for since, limit in limits.changes if since <= at] or [limit for _, limit in limits.changes[:1]]
    return held[-1] if held else None


@given(st.lists(st.integers(0, 10**7), max_size=40), st.lists(st.integers(0, 10**7), max_size=10), st.data())
def test_a_histogram_is_that_of_its_values(kept: list[int], gone: list[int], data: st.DataObject) -> None:
    order = data.draw(st.permutations([*kept, *gone]))
    found = Histogram().replacing((), order).replacing(gone, ())
    assert found == Histogram().replacing((), kept)
    assert found.n == len(kept)
    shares = (0.0, 0.5, 0.95, 0.95, 1.0)
    for share, value in zip(shares, found.percentiles(*shares), strict=True):
        if not kept:
            assert value is None
        else:
            exact = next(v for rank, v in enumerate(sorted(kept), 1) if rank >= share * len(kept))
            assert value is not None
            assert abs(value - exact) <= exact / 128 + 1 if exact >= 128 else value == exact


near_the_day = st.integers(OPENS - 3 * MINUTE, CLOSES + 3 * MINUTE)
measures = st.builds(
    Measured,
    created_at=near_the_day,
    is_ended=st.booleans(),
    is_report_missing=st.booleans(),
    is_refused=st.booleans(),
    ended_reason=st.sampled_from([None, "voicemail", "customer-ended-call", "assistant-forwarded-call", "hangup"]),
    success_evaluation=st.sampled_from([None, "true", "False", "8"]),
    reported_at=st.none() | near_the_day,
    direction=st.sampled_from([None, "inbound", "outbound", "web"]),
    queued_at=st.none() | near_the_day,
    ringing_at=st.none() | near_the_day,
    answered_at=st.none() | near_the_day,
    forwarded_at=st.none() | near_the_day,
    ended_at=st.none() | near_the_day,
    live_from=st.none() | near_the_day,
    live_until=st.none() | near_the_day,
    duration_ms=st.none() | st.integers(0, 10**6),
    first_word_at=st.none() | near_the_day,
    turn_latencies_ms=st.lists(st.integers(0, 9_000), max_size=4),
    silence_ms=st.none() | st.integers(0, 10**5),
    tools_called=st.integers(0, 3),
    tool_latencies_ms=st.lists(st.integers(0, 9_000), max_size=3),
    webhook_lags_ms=st.lists(st.integers(-500, 9_000), max_size=4),
    reorders=st.integers(0, 2),
)


@given(st.lists(st.lists(st.tuples(st.integers(0, 5), measures), max_size=4), max_size=8))
def test_the_figures_are_those_of_the_set_of_calls(rounds: list[list[tuple[int, Measured]]]) -> None:
    held: dict[int, Measured] = {}
    figures = DayCounters.of(DAY, ZONE)
    for each in rounds:
        changes = dict(each)
        # When a call was first seen does not change.
        changes = {
            call: new._replace(created_at=held[call].created_at if call in held else new.created_at)
            for call, new in changes.items()
        }
        figures = figures.replacing_all([(held.get(call), new) for call, new in changes.items()])
        held |= changes
    assert figures == DayCounters.of(DAY, ZONE, reversed(held.values()))
    for share in (
        *("service_level", "abandoned_share", "reports_missing_share"),
        *("connected_share", "contained_share", "succeeded_share"),
    ):
        value = getattr(figures, share)
        assert value is None or 0 <= value <= 1


def _view(figures: DayCounters, *, limit: int | None = None, until: int | None = None) -> dict[str, JSON]:
    return day_view(figures, use=figures.concurrency.use(Limits.always(limit), until), until=until)


def _call(**told: int | str | bool | None) -> Measured:
    times = {name: OPENS + at for name, at in told.items() if name.endswith("_at") and isinstance(at, int)}
    return Measured(**{"created_at": OPENS, "is_ended": True, "direction": "inbound", **told, **times})  # pyright: ignore[reportArgumentType]


def test_service_level_counts_who_waited_and_was_not_answered_and_leaves_out_who_did_not_wait() -> None:
    figures = DayCounters.of(
        DAY,
        ZONE,
        [
            _call(ringing_at=0, answered_at=20_000, ended_at=80_000, duration_ms=60_000),
            _call(queued_at=0, ringing_at=5_000, answered_at=20_001, ended_at=50_001, duration_ms=30_000),
            _call(ringing_at=0, ended_at=4_999),
            _call(ringing_at=0, ended_at=5_000),
            _call(ringing_at=0, ended_at=9_000, direction="outbound"),
            _call(answered_at=3, ended_at=10),
            _call(ringing_at=0, is_ended=False),
        ],
    )
    assert (figures.abandoned, figures.short_abandoned, figures.service_level_n) == (2, 1, 3)
    assert figures.service_level == pytest.approx(1 / 3)
    assert figures.average_answer_ms == pytest.approx(20_000.5)
    assert figures.abandoned_share == pytest.approx(1 / 3)


def test_handling_ends_with_the_hand_over_and_holds_no_ringing() -> None:
    handed_over = _call(ringing_at=0, answered_at=9_000, forwarded_at=19_000, ended_at=400_000, duration_ms=391_000)
    ended = _call(ringing_at=0, answered_at=9_000, ended_at=29_000, duration_ms=20_000)
    figures = DayCounters.of(DAY, ZONE, [handed_over, ended, _call(ringing_at=0, answered_at=9_000, is_ended=False)])
    assert (figures.handled, figures.average_handle_ms) == (2, 15_000)


def test_what_has_no_denominator_is_neither_nothing_nor_all() -> None:
    view = _view(DayCounters.of(DAY, ZONE), limit=4)
    empty = {name for name, value in view.items() if value is None}
    assert empty == {
        *(name for name in view if name.endswith(("_share", "_p50_ms", "_p95_ms", "_per_1000"))),
        *("answer_seconds", "handle_seconds", "average_live", "average_until", "peak_at"),
    }


def test_outbound_calls_are_connected_when_somebody_answered_and_no_machine() -> None:
    outbound = {"direction": "outbound", "ringing_at": 0}
    figures = DayCounters.of(
        DAY,
        ZONE,
        [
            _call(**outbound, answered_at=9_000, ended_at=20_000, ended_reason="customer-ended-call"),
            _call(**outbound, answered_at=9_000, ended_at=20_000, ended_reason="voicemail"),
            _call(**outbound, ended_at=20_000, ended_reason="customer-did-not-answer"),
            _call(**outbound, ended_at=20_000, is_refused=True),
            _call(**outbound, answered_at=9_000, is_ended=False),
            _call(ringing_at=0, answered_at=9_000, ended_at=20_000, ended_reason="customer-ended-call"),
        ],
    )
    assert (figures.attempted, figures.connected, figures.voicemails) == (3, 1, 1)
    assert figures.outcomes == {"completed": 1, "voicemail": 1, "not-reached": 1}
    assert figures.connected_share == pytest.approx(1 / 3)


def test_a_call_is_contained_when_nobody_else_was_needed_and_the_caller_did_not_give_up() -> None:
    answered = {"answered_at": 1_000, "ended_at": 61_000, "duration_ms": 60_000}
    figures = DayCounters.of(
        DAY,
        ZONE,
        [
            _call(**answered, ended_reason="customer-ended-call"),
            _call(**{**answered, "duration_ms": 10_000}, ended_reason="customer-ended-call"),
            _call(**{**answered, "duration_ms": 9_999}, ended_reason="assistant-ended-call"),
            _call(**answered),
            _call(**{**answered, "duration_ms": 9_999}, ended_reason="customer-ended-call"),
            _call(**answered, forwarded_at=30_000),
            _call(**answered, ended_reason="assistant-forwarded-call"),
            _call(**answered, ended_reason="customer-ended-call-during-transfer"),
            _call(answered_at=1_000, is_ended=False),
            _call(ended_at=61_000),
        ],
    )
    assert (figures.contained, figures.concluded) == (4, 8)
    assert figures.contained_share == pytest.approx(0.5)


def test_success_is_what_was_evaluated_true_of_what_was_evaluated_true_or_false() -> None:
    verdicts = ["true", "True", "false", "Good", "8", None]
    figures = DayCounters.of(DAY, ZONE, [_call(ended_at=9_000, success_evaluation=each) for each in verdicts])
    assert (figures.succeeded, figures.evaluated, figures.ended) == (2, 3, 6)
    assert figures.succeeded_share == pytest.approx(2 / 3)
    view = _view(figures)
    assert (view["succeeded_share"], view["evaluated"], view["not_evaluated"]) == (0.6667, 3, 3)


def test_processing_lasts_from_the_end_to_the_receipt_of_the_report_and_no_clock_makes_it_negative() -> None:
    calls = [_call(ended_at=9_000, reported_at=at) for at in (9_100, 9_120, 8_000)]
    figures = DayCounters.of(DAY, ZONE, [*calls, _call(ended_at=9_000), _call(reported_at=9_000)])
    assert (figures.report_delay.n, figures.report_delay.percentiles(0.5, 1.0)) == (2, [100, 120])


def test_tools_latencies_are_those_of_their_results() -> None:
    figures = DayCounters.of(DAY, ZONE, [_call()._replace(tool_latencies_ms=(5, 90)), _call()])
    assert figures.tool_latency.percentiles(0.5, 0.95) == [5, 90]


def test_what_went_wrong_is_told_of_a_thousand_webhooks() -> None:
    call = _call()._replace(webhook_lags_ms=(10,) * 40, reorders=2)
    view = _view(DayCounters.of(DAY, ZONE, [call], duplicates=1, repairs=3))
    assert (view["webhooks"], view["duplicates_per_1000"], view["reorders_per_1000"]) == (40, 25.0, 50.0)
    assert view["repairs_per_1000"] == 75.0


def test_capacity_in_use_is_the_average_of_the_limit() -> None:
    call = Measured(created_at=OPENS, is_ended=True, live_from=OPENS, live_until=OPENS + MINUTE)
    figures = DayCounters.of(DAY, ZONE, [call])
    view = _view(figures, limit=2, until=OPENS + 4 * MINUTE)
    assert (view["average_live"], view["capacity_share"], view["saturated_share"]) == (0.25, 0.125, 0.0)
    assert _view(figures)["capacity_share"] is None


def test_a_limit_that_changed_is_counted_for_as_long_as_it_held() -> None:
    lasting = [
        Measured(created_at=OPENS, is_ended=True, live_from=OPENS, live_until=OPENS + minutes * MINUTE)
        for minutes in (4, 3, 1)
    ]
    figures = DayCounters.of(DAY, ZONE, lasting)
    raised = Limits(((OPENS - MINUTE, 2), (OPENS + 2 * MINUTE, 4), (OPENS + 3 * MINUTE, None)))
    until = OPENS + 8 * MINUTE
    view = day_view(figures, use=figures.concurrency.use(raised, until), until=until)
    # 3, 2, 2 and 1 calls in these minutes, 2, 2 and 4 permitted, then any number.
    assert (view["average_live"], view["capacity_share"], view["saturated_share"]) == (1.0, 0.875, 0.25)


def test_a_clock_that_is_ahead_is_flagged_and_no_lag() -> None:
    figures = DayCounters.of(DAY, ZONE, [_call()._replace(webhook_lags_ms=(-40, 10, 20))])
    assert (figures.webhooks, figures.clock_skewed, figures.webhook_lag.n) == (3, 1, 2)


def test_a_call_over_midnight_counts_on_both_days_for_its_part() -> None:
    hour = 60 * MINUTE
    call = Measured(created_at=CLOSES - hour, is_ended=True, live_from=CLOSES - hour, live_until=CLOSES + 2 * hour)
    first = DayCounters.of(DAY, ZONE, [call])
    second = DayCounters.of(date(2026, 3, 30), ZONE, [call])
    assert (first.calls, second.calls) == (1, 0)
    assert first.concurrency.average(CLOSES) == pytest.approx(1 / 23)
    assert second.concurrency.average(CLOSES + 24 * hour) == pytest.approx(2 / 24)
    assert (second.concurrency.peak, second.concurrency.peak_at) == (1, CLOSES)


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from(
    ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "America/Havana", "Asia/Kolkata"]
))  # fmt: skip
def test_days_follow_each_other_without_gap_and_hold_their_own_moments(day: date, zone: str) -> None:
    opens, closes = day_bounds(day, zone)
    assert closes == day_bounds(date.fromordinal(day.toordinal() + 1), zone)[0]
    assert local_date(opens, zone) == local_date(closes - 1, zone) == day
    assert local_date(opens - 1, zone) == date.fromordinal(day.toordinal() - 1)
    assert (closes - opens) / 3_600_000 in {23, 23.5, 24, 24.5, 25}


def test_levels_add_up_to_the_time_that_calls_took() -> None:
    live = Concurrency(opens=0, closes=100).replacing([(None, (10, 40)), (None, (30, 60)), (None, (30, None))])
    assert sum(level * ms for level, ms in live.level_ms.items()) == 30 + 30 + 70
    assert live.known_until == 60
    assert [b - a for a, b in pairwise([10, 30, 40, 60])] == [20, 10, 20]
    assert live.average() == pytest.approx((30 + 30 + 30) / 60)
