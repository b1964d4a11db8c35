"""Alarms: rules in examples, and any readings at any times against what must never be."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from actors.domain.alarm_rules import DEFAULT_RULES, Metric, Rule, effective_rules, rule_facts, rules_from
from actors.domain.alarms import MUTED_FOR_MS, Alarms, Evidence, Incident, Key, open_incident
from actors.domain.events import BreachesNoted, Event, IncidentChanged
from actors.domain.judging import Measure, Reading, acknowledge, incidents_changed, judge, mute, resolve

AT = 1_790_000_000_000
RULE = Rule(
    name="call-silent", metric=Metric.SILENCE_SECONDS, threshold=15, clear=5, pending_ms=2_000, cooldown_ms=30_000
)
ONLY = tuple(replace(each, enabled=False) for each in DEFAULT_RULES if each.name != RULE.name)


def measuring(values: Mapping[str, float | None]) -> Measure:
    def measure(_rule: Rule) -> Iterable[tuple[str | None, Reading]]:
        return [(call_id, Reading(value=value, call_id=call_id)) for call_id, value in values.items()]

    return measure


def after(alarms: Alarms, events: Iterable[Event]) -> Alarms:
    for event in events:
        match event:
            case IncidentChanged():
                alarms = alarms.with_changes({event.incident.key: event.incident})
            case BreachesNoted():
                alarms = alarms.noting(event.pending, event.cooled)
            case _:
                raise AssertionError(event)
    return alarms


class Watch:
    """Alarms over one rule, and the kinds of what happened."""

    def __init__(self, rule: Rule = RULE) -> None:
        self.alarms = Alarms(own_rules=(*ONLY, rule))

    def at(self, ms: int, value: float | None) -> list[str]:
        events = judge(self.alarms, measuring({"a": value}), organization_id="one", at=AT + ms)
        self.alarms = after(self.alarms, events)
        return [event.kind for event in events if isinstance(event, IncidentChanged)]

    @property
    def incident(self) -> Incident:
        (incident,) = self.alarms.incidents.values()
        return incident


def test_a_breach_that_lasts_opens_one_incident_with_its_evidence() -> None:
    watch = Watch()
    assert [watch.at(ms, 15 + ms / 1000) for ms in (0, 1_000, 2_000, 3_000)] == [[], [], ["opened"], []]
    assert watch.incident.evidence == Evidence(value=17, since=AT, call_id="a")
    assert (watch.incident.opened_at, watch.incident.threshold) == (AT + 2_000, 15)


def test_a_breach_that_does_not_last_opens_none() -> None:
    watch = Watch()
    assert [watch.at(ms, value) for ms, value in ((0, 20), (1_000, 14), (2_000, 20), (3_000, 20))] == [[]] * 4


def test_between_the_thresholds_nothing_changes() -> None:
    watch = Watch(replace(RULE, pending_ms=0))
    assert [watch.at(ms, value) for ms, value in ((0, 15), (1_000, 5), (2_000, 14), (3_000, 4.9))] == [
        ["opened"], [], [], ["recovered"],
    ]  # fmt: skip
    assert watch.incident.lasted_ms == 3_000


def test_no_other_opens_until_the_rule_has_cooled() -> None:
    watch = Watch(replace(RULE, pending_ms=0))
    told = [watch.at(ms, value) for ms, value in ((0, 15), (1_000, 0), (2_000, 20), (30_999, 20), (31_000, 20))]
    assert told == [["opened"], ["recovered"], [], [], ["opened"]]


def test_a_value_below_a_floor_breaches_from_a_minimum_of_cases() -> None:
    floor = replace(RULE, comparison="below", threshold=80, clear=90, pending_ms=0, minimum_n=5)

    def judged(alarms: Alarms, value: float, n: int) -> Alarms:
        reading = Reading(value=value, n=n)
        return after(alarms, judge(alarms, lambda _: [(None, reading)], organization_id="one", at=AT))

    start = Alarms(own_rules=(*ONLY, floor))
    assert not judged(start, 10, 4).open
    opened = judged(start, 79.9, 5)
    assert opened.open
    assert judged(opened, 95, 4).open
    assert judged(opened, 89.9, 5).open
    assert not judged(opened, 90, 5).open


def test_nothing_measured_neither_opens_nor_ends() -> None:
    watch = Watch(replace(RULE, pending_ms=0))
    assert [watch.at(0, None), watch.at(1, 20), watch.at(2, None)] == [[], ["opened"], []]


@pytest.mark.parametrize("gone", ["call", "rule"])
def test_what_is_no_longer_watched_recovers(gone: str) -> None:
    watch = Watch(replace(RULE, pending_ms=0))
    watch.at(0, 20)
    if gone == "rule":
        watch.alarms = replace(watch.alarms, own_rules=(*ONLY, replace(RULE, enabled=False)))
    events = judge(watch.alarms, measuring({}), organization_id="one", at=AT + 1)
    assert not after(watch.alarms, events).open


def test_the_first_to_acknowledge_stands() -> None:
    watch = Watch(replace(RULE, pending_ms=0))
    watch.at(0, 20)
    one = watch.incident.incident_id
    watch.alarms = after(watch.alarms, acknowledge(watch.alarms, one, by="Ada", at=AT + 5))
    assert acknowledge(watch.alarms, one, by="Bob", at=AT + 6) == ()
    assert (watch.incident.acknowledged_by, watch.incident.acknowledged_at) == ("Ada", AT + 5)


def test_a_resolved_incident_ends_and_its_rule_cools() -> None:
    watch = Watch(replace(RULE, pending_ms=0))
    watch.at(0, 20)
    watch.alarms = after(watch.alarms, resolve(watch.alarms, watch.incident.incident_id, by="Ada", at=AT + 5))
    assert [watch.at(6, 20), watch.at(30_005, 20)] == [[], ["opened"]]


def test_muting_lasts_into_the_next_incident() -> None:
    watch = Watch(replace(RULE, pending_ms=0, cooldown_ms=0))
    watch.at(0, 20)
    watch.alarms = after(watch.alarms, mute(watch.alarms, watch.incident.incident_id, at=AT))
    watch.at(1, 0)
    watch.at(2, 20)
    assert watch.incident.is_open
    assert watch.incident.muted_until == AT + MUTED_FOR_MS


def test_whoever_knew_the_alarms_before_is_told_what_differs() -> None:
    watch = Watch(replace(RULE, pending_ms=0))
    before = watch.alarms
    watch.at(0, 20)
    opened = watch.alarms
    watch.at(1, 0)
    assert [each.kind for each in incidents_changed(before, opened)] == ["opened"]
    assert [each.kind for each in incidents_changed(opened, watch.alarms)] == ["recovered"]
    assert incidents_changed(opened, opened) == ()


def test_an_organizations_rules_replace_defaults_by_name_and_survive_the_way_through_json() -> None:
    own = (replace(RULE, threshold=40), Rule(name="mine", metric=Metric.HANGS, threshold=3, clear=2))
    assert rules_from([rule_facts(each) for each in own]) == own
    assert rules_from([{"name": "x", "metric": "of the future", "threshold": 1, "clear": 1}, 7, None]) == ()
    named = {each.name: each for each in effective_rules(own)}
    assert named["call-silent"].threshold == 40
    assert named.keys() == {each.name for each in DEFAULT_RULES} | {"mine"}


def test_an_incidents_id_follows_from_what_it_is() -> None:
    evidence = Evidence(value=1, since=AT)

    def made(call_id: str, at: int, before: Incident | None = None) -> Incident:
        return open_incident(RULE, evidence, organization_id="one", call_id=call_id, at=at, before=before)

    assert made("a", AT) == made("a", AT)
    others = [made("b", AT), made("a", AT + 1), made("a", AT, made("a", AT))]
    assert made("a", AT).incident_id not in {each.incident_id for each in others}


CALLS = st.sampled_from(["a", "b"])
VALUES = st.none() | st.sampled_from([0.0, 4.0, 5.0, 14.0, 15.0, 99.0])


class Judging(RuleBasedStateMachine):
    """Any readings, on a clock that also jumps. `spans` keeps each incident's life in order of what happened."""

    def __init__(self) -> None:
        super().__init__()
        self.alarms = Alarms(own_rules=(*ONLY, RULE))
        self.now = AT
        self.values: dict[str, float | None] = {"a": None, "b": None}
        self.ids: set[str] = set()
        self.ended: dict[Key, int] = {}
        self.breached_since: dict[str, int] = {}

    @rule(call=CALLS, value=VALUES)
    def read(self, call: str, value: float | None) -> None:
        self.values[call] = value

    @rule(step=st.sampled_from([0, 1, 500, 1_000, 2_000, 30_000, 3_600_000, -1_000, -3_600_000]))
    def move(self, step: int) -> None:
        self.now += step

    @rule(call=CALLS)
    def end(self, call: str) -> None:
        self.values.pop(call, None)
        self.judge()
        assert not any(each.call_id == call for each in self.alarms.open), "an ended call has no alarm"
        self.values[call] = None

    @rule(call=CALLS)
    def resolve(self, call: str) -> None:
        held = self.alarms.incidents.get((RULE.name, call))
        if held is not None:
            self.take(resolve(self.alarms, held.incident_id, by="Ada", at=self.now))

    @rule()
    def judge(self) -> None:
        for call in ("a", "b"):
            value = self.values.get(call, 0.0)
            if value is not None and value < RULE.threshold:
                self.breached_since.pop(call, None)
            elif value is not None:
                self.breached_since[call] = min(self.breached_since.get(call, self.now), self.now)
        events = judge(self.alarms, measuring(self.values), organization_id="one", at=self.now)
        self.take(events)
        again = judge(self.alarms, measuring(self.values), organization_id="one", at=self.now)
        assert not any(isinstance(event, IncidentChanged) and event.kind == "opened" for event in again), "judged twice"

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, IncidentChanged):
                incident, call = event.incident, str(event.incident.call_id)
                if event.kind == "opened":
                    assert incident.incident_id not in self.ids, "an id is used once"
                    self.ids.add(incident.incident_id)
                    value = self.values[call]
                    assert value is not None
                    assert value >= RULE.threshold
                    assert self.now - self.breached_since[call] >= RULE.pending_ms, "opened too soon"
                    ended = self.ended.get(incident.key)
                    assert ended is None or not 0 <= self.now - ended < RULE.cooldown_ms, "opened while cooling"
                elif event.kind == "recovered":
                    value = self.values.get(call, 0.0)
                    assert value is not None, "nothing was measured"
                    assert value < RULE.clear, "recovered without being clear"
                if incident.closed_at is not None:
                    self.ended[incident.key] = incident.closed_at
                    assert (incident.lasted_ms or 0) >= 0
            self.alarms = after(self.alarms, [event])

    @invariant()
    def one_open_incident_for_a_rule_and_a_call(self) -> None:
        opened = [incident.key for incident in self.alarms.open]
        assert len(opened) == len(set(opened))
        assert len(self.alarms.incidents) <= 2

    @invariant()
    def what_is_open_and_breached_is_not_pending(self) -> None:
        assert not {incident.key for incident in self.alarms.open} & self.alarms.pending.keys()


Judging.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, database=None)
TestJudging = Judging.TestCase
