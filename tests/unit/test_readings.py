"""Each metric of an alarm, measured of a live state; and when time alone may change a verdict."""

from dataclasses import replace
from datetime import date

import pytest

from actors.domain.admission import CONCURRENCY, MonthUse, local_month
from actors.domain.alarm_rules import DEFAULT_RULES, Metric, Rule, Scope
from actors.domain.alarms import Alarms
from actors.domain.call import (
    LIVE_STATUSES,
    STALE_AFTER_MS,
    Call,
    CallFields,
    CallStatus,
    Observation,
    Source,
)
from actors.domain.commands import Command, Hear, Observe, Tick
from actors.domain.conversation import Conversation, Speech, ToolsFailed
from actors.domain.events import StaleNoted
from actors.domain.judging import Reading
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide, evolve
from actors.domain.policy import Policy
from actors.domain.readings import is_watched, measure, stale_calls
from actors.domain.views import counters_view, feed_entry

AT = 1_790_000_000_000


def call(call_id: str = "a", **values: object) -> Call:
    talking = Call(
        call_id=call_id,
        created_at=AT - 90_000,
        status=CallStatus.IN_PROGRESS,
        last_event_at=AT - 60_000,
        last_event_kind="status-update",
        talking_from=AT - 60_000,
        heard_at=AT - 20_000,
    )
    return replace(talking, **values)  # pyright: ignore[reportArgumentType]


def state(*calls: Call) -> Organization:
    return Organization(
        organization_id="one",
        name="One",
        time_zone="UTC",
        today=DayCounters(day=date(2026, 1, 1)),
        calls={each.call_id: each for each in calls},
    )


ENDED = Observation(
    kind="status-update",
    source=Source.STATUS_UPDATE,
    received_at=AT - 60_000,
    at=AT,
    digest="",
    status=CallStatus.ENDED,
)


def after(before: Organization, command: Command) -> Organization:
    return evolve(before, decide(before, command).events)


def readings(metric: Metric, of: Organization, **values: object) -> dict[str | None, Reading]:
    rule = Rule(name="x", metric=metric, threshold=1, clear=1, **values)  # pyright: ignore[reportArgumentType]
    return dict(measure(of, AT)(rule))


def value(metric: Metric, *calls: Call) -> float | None:
    (reading,) = readings(metric, state(*calls)).values()
    return reading.value


@pytest.mark.parametrize("metric", Metric)
def test_every_metric_is_measured_and_watched_by_a_default(metric: Metric) -> None:
    found = readings(metric, state(call(), call("b")))
    assert found.keys() == ({"a", "b"} if metric.scope is Scope.CALL else {None})
    assert metric in {rule.metric for rule in DEFAULT_RULES}


def test_age_begins_with_the_conversation_by_our_clock() -> None:
    assert value(Metric.AGE_SECONDS, call(fields=CallFields(answered_at=AT + 10**9))) == 60
    assert value(Metric.AGE_SECONDS, call(status=CallStatus.RINGING, talking_from=None)) is None


def test_silence_ends_with_whatever_is_heard() -> None:
    assert value(Metric.SILENCE_SECONDS, call()) == 20
    assert value(Metric.SILENCE_SECONDS, call(last_event_at=AT)) == 20
    assert value(Metric.SILENCE_SECONDS, call(talking_from=AT - 5_000)) == 5


def test_silence_is_not_told_where_nothing_is_ever_heard_or_after_a_transfer() -> None:
    assert value(Metric.SILENCE_SECONDS, call(heard_at=0)) is None
    assert value(Metric.SILENCE_SECONDS, call(status=CallStatus.FORWARDING)) is None
    both = readings(Metric.SILENCE_SECONDS, state(call(heard_at=0), call("b")))
    assert both["a"].value == 60


def test_a_memory_that_just_began_knows_of_no_silence_before() -> None:
    fresh = replace(state(call()), alarms=Alarms(watched_from=AT - 3_000))
    assert readings(Metric.SILENCE_SECONDS, fresh)["a"].value == 3
    assert readings(Metric.WEBHOOK_SILENCE_SECONDS, fresh)[None].value == 3


def test_ended_and_waiting_calls_are_not_measured() -> None:
    calls = state(call(status=CallStatus.ENDED), call("b", status=CallStatus.SCHEDULED))
    assert readings(Metric.AGE_SECONDS, calls) == {}


def test_a_rule_may_watch_one_assistants_calls() -> None:
    calls = state(call(fields=CallFields(assistant_id="x")), call("b"))
    assert readings(Metric.HANGS, calls, assistant_id="x").keys() == {"a"}


def test_a_call_the_provider_does_not_know_is_unconfirmed() -> None:
    assert value(Metric.UNCONFIRMED, call(absent_at=AT)) == 1
    assert value(Metric.UNCONFIRMED, call(absent_at=AT - 50_000)) == 0


def test_a_call_is_stale_after_a_quarter_of_an_hour_of_silence_or_once_its_provider_does_not_know_it() -> None:
    silent = call(heard_at=AT - STALE_AFTER_MS, last_event_at=AT - STALE_AFTER_MS)
    assert stale_calls([silent], AT) == frozenset()
    assert stale_calls([silent], AT + 1) == {"a"}
    assert stale_calls([replace(silent, heard_at=AT)], AT + 1) == frozenset()
    unknown = call(absent_at=AT - 1)
    assert (stale_calls([unknown], AT), value(Metric.UNCONFIRMED, unknown)) == ({"a"}, 1)
    # It spoke since.
    assert stale_calls([replace(unknown, heard_at=AT)], AT + 1) == frozenset()
    others = [replace(silent, status=status) for status in CallStatus if status not in LIVE_STATUSES] + [
        replace(silent, admission=CONCURRENCY)
    ]
    assert stale_calls(others, AT + 1) == frozenset()


def test_a_tick_counts_what_is_stale_and_the_next_sign_counts_it_no_more() -> None:
    calls = state(call("a", absent_at=AT - 1), call("b"))
    ticked = after(calls, Tick(at=AT))
    assert (counters_view(ticked)["live"], counters_view(ticked)["stale"]) == (2, 1)
    assert not any(isinstance(event, StaleNoted) for event in decide(ticked, Tick(at=AT + 1)).events)
    assert counters_view(after(ticked, Hear(call_id="b", at=AT + 1)))["stale"] == 1
    heard = decide(ticked, Hear(call_id="a", at=AT + 1))
    spoke = evolve(ticked, heard.events)
    assert counters_view(spoke)["stale"] == 0
    assert [view["type"] for view in feed_entry(heard.events, spoke)] == ["evidence", "counters"]
    over = after(ticked, Observe(call_id="a", observation=ENDED))
    assert counters_view(over)["stale"] == 0


def test_webhook_silence_is_told_apart_from_no_calls() -> None:
    ended = call(status=CallStatus.ENDED, reported_at=AT - 60_000)
    assert value(Metric.WEBHOOK_SILENCE_SECONDS) is None
    assert value(Metric.WEBHOOK_SILENCE_SECONDS, ended) is None
    assert value(Metric.WEBHOOK_SILENCE_SECONDS, call(status=CallStatus.FORWARDING)) is None
    assert value(Metric.WEBHOOK_SILENCE_SECONDS, ended, call("b", heard_at=AT - 30_000)) == 20
    owed = replace(ended, reported_at=None)
    assert value(Metric.WEBHOOK_SILENCE_SECONDS, owed) == 20
    assert value(Metric.WEBHOOK_SILENCE_SECONDS, replace(owed, report_missing=True)) is None


def test_missing_reports_and_unknown_reasons_name_the_latest_call() -> None:
    strange = CallFields(ended_reason="of-the-future")
    known = CallFields(ended_reason="customer-ended-call")
    calls = state(
        call("a", status=CallStatus.ENDED, fields=strange, report_missing=True, last_event_at=AT),
        call("b", status=CallStatus.ENDED, fields=strange),
        call("c", status=CallStatus.ENDED, fields=known),
    )
    assert readings(Metric.MISSING_REPORTS, calls)[None] == Reading(value=1, call_id="a")
    unknown = readings(Metric.UNKNOWN_ENDED_REASONS, calls)[None]
    assert unknown == Reading(value=2, call_id="a", detail="of-the-future")


def test_time_alone_changes_nothing_once_calls_are_over_and_reported() -> None:
    done = call(status=CallStatus.ENDED, reported_at=AT - 60_000)
    assert is_watched(state(call()))
    assert is_watched(state(replace(done, reported_at=None)))
    assert is_watched(replace(state(done), alarms=Alarms(pending={("x", None): AT})))
    assert not is_watched(state(done))


def test_slots_and_minutes_are_shares_of_what_the_plan_allows() -> None:
    busy = state(call("a", held_at=AT, held_since=AT - 60_000), call("b", held_at=AT, held_since=AT - 60_000))
    assert readings(Metric.SLOTS_USED_PERCENT, busy)[None].value is None
    assert readings(Metric.MINUTES_USED_PERCENT, busy)[None].value is None
    used = MonthUse(month=local_month(AT, "UTC"), minutes=76)
    bounded = replace(busy, policy=Policy(concurrency_limit=4, minutes_cap=100), used=used)
    assert readings(Metric.SLOTS_USED_PERCENT, bounded)[None] == Reading(value=50, detail="2 of 4")
    assert readings(Metric.MINUTES_USED_PERCENT, bounded)[None] == Reading(value=80, detail="80 of 100")


def test_refusals_and_repairs_are_counted() -> None:
    refused = state(call("a"), call("b", status=CallStatus.ENDED, admission=CONCURRENCY))
    assert readings(Metric.REFUSED_CALLS, refused)[None] == Reading(value=1, call_id="b", detail=CONCURRENCY)
    repaired = replace(refused, today=DayCounters(day=date(2026, 1, 1), repairs=2))
    assert readings(Metric.REPAIRS, repaired)[None].value == 2


def test_the_service_level_is_todays_out_of_those_who_waited() -> None:
    today = DayCounters(day=date(2026, 1, 1), answered_waits=30, answered_in_time=24, abandoned=4, short_abandoned=2)
    busy = replace(state(), today=today)
    assert readings(Metric.SERVICE_LEVEL_PERCENT, busy)[None] == Reading(value=75, n=32)
    assert readings(Metric.SERVICE_LEVEL_PERCENT, state())[None] == Reading(value=None, n=0)


def test_tools_that_the_door_saw_fail_count_until_the_report_tells_exactly() -> None:
    seen = call(speech=Speech(failed_tool_calls=frozenset({"a", "b"})))
    assert value(Metric.TOOLS_FAILED, call()) is None
    assert value(Metric.TOOLS_FAILED, seen) == 2
    assert value(Metric.TOOLS_FAILED, replace(seen, fields=CallFields(conversation=Conversation(tools_failed=3)))) == 3
    assert readings(Metric.CALLS_WITH_TOOL_ERRORS, state(seen))[None].value == 0


def test_a_failed_tool_is_no_voice() -> None:
    failed = ToolsFailed(ids=frozenset({"a"}))
    assert value(Metric.SILENCE_SECONDS, call().hear(AT, None, failed)) == 20
    assert value(Metric.SILENCE_SECONDS, call(heard_at=0).hear(AT, None, failed)) is None


def test_a_call_whose_tools_failed_twice_counts() -> None:
    def told(call_id: str, failed: int) -> Call:
        return call(call_id, fields=CallFields(conversation=Conversation(tools_failed=failed)))

    assert readings(Metric.CALLS_WITH_TOOL_ERRORS, state(told("a", 1), told("b", 2)))[None] == Reading(
        value=1, call_id="b"
    )
