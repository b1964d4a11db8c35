"""An organization's live state and the two functions that move it: `decide` and `evolve`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import assert_never

from actors.domain.admission import NO_ASSISTANT, UNCHECKED, MonthUse, Occupancy, admit, unasked
from actors.domain.alarm_rules import rules_from
from actors.domain.alarms import Alarms, Incident, Key
from actors.domain.call import Call, Observation, Source
from actors.domain.commands import (
    CALL_TAGGED,
    Command,
    Configure,
    ConfigureAlarms,
    Forget,
    HandleIncident,
    Hear,
    InboxRow,
    NoteAbsent,
    NoteProcessed,
    NoteReleased,
    NoteRepair,
    NoteReportMissing,
    NoteTags,
    Observe,
    Pass,
    Request,
    RequestPlacement,
    Tick,
    command_from,
)
from actors.domain.effects import Effect, SignalProcessing
from actors.domain.events import (
    AlarmRulesConfigured,
    BreachesNoted,
    CallChanged,
    CallForgotten,
    CallHeard,
    CallProcessed,
    Event,
    IncidentChanged,
    OrganizationConfigured,
    StaleNoted,
    StateRepaired,
    at_version,
)
from actors.domain.judging import acknowledge, judge, mute, resolve
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.placement import placement_outcome
from actors.domain.policy import Policy, policy_from
from actors.domain.readings import measure, stale_calls
from actors.domain.replacing import replaced


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """Calls that are not ended or ended within the hour, and today's figures.

    Sources in Postgres: `name`, `time_zone`, `policy`: organizations and assistants. `calls`: the fold of the inbox
    rows of each call in order of `apply_sequence`. `today`: the rows of `calls` first seen today or live today
    (`journal_day`), and the inbox for its duplicates and `state-repaired` rows; `used`: sums over the calls of this
    month, while the plan has a cap. `apply_sequence`: the greatest in the inbox. `alarms` names its own. Volatile:
    `stale`, the ids of `stale_calls` as of the last tick, without those that gave a sign since.
    """

    organization_id: str
    name: str
    time_zone: str
    today: DayCounters
    policy: Policy = field(default_factory=Policy)
    used: MonthUse = field(default_factory=MonthUse)
    apply_sequence: int = 0
    calls: Mapping[str, Call] = field(default_factory=dict[str, Call])
    alarms: Alarms = field(default_factory=Alarms)
    stale: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a command makes happen. The caller commits to Postgres, then evolves, then runs the effects.

    `outcome` is what a request was decided to be.
    """

    events: Sequence[Event] = ()
    effects: Sequence[Effect] = ()
    outcome: str | None = None


def decide(state: Organization, command: Command) -> Decision:
    """What `command` makes happen to `state`. Pure and total; the caller has loaded the call if it is known at all."""
    decision = _decide(state, command)
    if state.stale and (revived := state.stale & _revived(state, decision.events)):
        return replace(decision, events=(*decision.events, StaleNoted(call_ids=state.stale - revived)))
    return decision


def _decide(state: Organization, command: Command) -> Decision:
    match command:
        case Observe(call_id=call_id, observation=observation):
            outcome = _unasked(state, command)
            seen = observation if outcome is None else replace(observation, outcome=outcome)
            return _observe(state.calls.get(call_id), call_id, seen, outcome)
        case Request() | RequestPlacement():
            return _answer(state, command)
        case Hear():
            call = state.calls.get(command.call_id)
            if call is None:
                return Decision()
            return Decision(
                (CallHeard(call=call.hear(command.at, command.utterance, command.sign), utterance=command.utterance),)
            )
        case NoteAbsent() | NoteReportMissing() | NoteProcessed() | NoteReleased() | NoteTags():
            # Who tells these has read of the call in Postgres, so it is known by now.
            call = state.calls.get(command.call_id)
            return Decision() if call is None else Decision((_note(call, command),))
        case NoteRepair():
            return _note_repair(state, command)
        case Configure():
            policy = policy_from(command.policy) if command.policy is not None else state.policy
            name = command.name if command.name is not None else state.name
            time_zone = command.time_zone if command.time_zone is not None else state.time_zone
            return Decision((OrganizationConfigured(name=name, time_zone=time_zone, policy=policy),))
        case Pass():
            return Decision()
        case Forget():
            gone = [
                call.call_id for call in state.calls.values() if call.is_ended and call.evidence_at < command.before
            ]
            return Decision(tuple(CallForgotten(call_id=call_id) for call_id in gone))
        case Tick() | HandleIncident() | ConfigureAlarms():
            return Decision(_watch(state, command))
        case _:
            assert_never(command)


def _answer(state: Organization, command: Request | RequestPlacement) -> Decision:
    if isinstance(command, RequestPlacement):
        outcome = placement_outcome(state.calls, state.policy, state.used, command, time_zone=state.time_zone)
        return Decision(outcome=outcome)
    outcome = _outcome(state, command)
    observation = replace(command.observation, outcome=outcome)
    return _observe(state.calls.get(command.call_id), command.call_id, observation, outcome)


def _outcome(state: Organization, command: Request) -> str:
    """A call is decided once; one that goes on already, or is over, is not refused any more."""
    seen, before = command.observation, state.calls.get(command.call_id)
    if before is not None and before.admission is not None:
        return before.admission
    if before is not None and (before.is_ended or before.held_at or before.released_at is not None):
        return UNCHECKED
    if not command.is_answerable:
        return NO_ASSISTANT
    asking = (before or Call(call_id=command.call_id, created_at=seen.received_at)).merge(seen)
    occupancy = Occupancy.of(state.calls.values(), seen.received_at)
    return admit(state.policy, occupancy, state.used, asking, now=seen.received_at, time_zone=state.time_zone)


def _unasked(state: Organization, command: Observe) -> str | None:
    """What is decided of a call with its first sign, when that is no request."""
    seen, policy = command.observation, state.policy
    if command.is_replay or seen.outcome is not None or command.call_id in state.calls or policy.minutes_cap is None:
        return None
    begun = Call(call_id=command.call_id, created_at=seen.received_at).merge(seen)
    if begun.is_ended:
        return None
    occupancy = Occupancy.of(state.calls.values(), seen.received_at)
    return unasked(policy, occupancy, state.used, begun, now=seen.received_at, time_zone=state.time_zone)


def _observe(before: Call | None, call_id: str, observation: Observation, outcome: str | None) -> Decision:
    known = before or Call(call_id=call_id, created_at=observation.received_at)
    after = known.merge(observation)
    effects: list[Effect] = []
    if before is None:
        effects.append(SignalProcessing(call_id=call_id, effect="processing:seen"))
    if after.is_ended and not (before is not None and before.is_ended):
        effects.append(SignalProcessing(call_id=call_id, effect="processing:ended"))
    if observation.source is Source.REPORT:
        effects.append(SignalProcessing(call_id=call_id, effect=f"processing:report:{observation.digest}"))
    return Decision((CallChanged(call=after, kind=observation.kind),), tuple(effects), outcome)


def _revived(state: Organization, events: Sequence[Event]) -> frozenset[str]:
    """Calls that gave a sign, or are over."""
    return frozenset(
        event.call.call_id
        for event in events
        if isinstance(event, CallChanged | CallHeard | CallProcessed)
        and not (
            event.call.is_live
            and event.call.call_id in state.calls
            and event.call.evidence_at == state.calls[event.call.call_id].evidence_at
        )
    )


def _note_repair(state: Organization, command: NoteRepair) -> Decision:
    counted = StateRepaired(repairs=state.today.repairs + state.today.covers(command.at))
    call = state.calls.get(command.call_id) if command.call_id is not None else None
    return Decision((CallChanged(call=call, kind="state-repaired"), counted) if call is not None else (counted,))


def _note(call: Call, command: NoteAbsent | NoteReportMissing | NoteProcessed | NoteReleased | NoteTags) -> Event:
    match command:
        case NoteAbsent():
            return CallChanged(
                call=replace(call, absent_at=max(call.absent_at or 0, command.at)), kind="provider-absent"
            )
        case NoteReportMissing():
            return CallChanged(call=replace(call, report_missing=True), kind="report-missing")
        case NoteProcessed():
            return CallProcessed(call=replace(call, processed_at=max(call.processed_at or 0, command.at)))
        case NoteReleased():
            return CallChanged(
                call=replace(call, released_at=max(call.released_at or 0, command.at)), kind="slot-released"
            )
        case NoteTags(tags=tags, row_id=row_id):
            told = replace(call, tags=tags, tagged_by=row_id) if row_id > call.tagged_by else call
            return CallChanged(call=told, kind=CALL_TAGGED)
        case _:
            assert_never(command)


def _watch(state: Organization, command: Tick | HandleIncident | ConfigureAlarms) -> Sequence[Event]:
    match command:
        case Tick(at=at):
            judged = judge(state.alarms, measure(state, at), organization_id=state.organization_id, at=at)
            stale = stale_calls(state.calls.values(), at)
            return judged if stale == state.stale else (*judged, StaleNoted(call_ids=stale))
        case HandleIncident():
            return _handle(state.alarms, command)
        case ConfigureAlarms(rules=rules):
            return (AlarmRulesConfigured(rules=rules_from(rules)),)
        case _:
            assert_never(command)


def _handle(alarms: Alarms, command: HandleIncident) -> Sequence[Event]:
    match command.action:
        case "acknowledge":
            return acknowledge(alarms, command.incident_id, by=command.by, at=command.at)
        case "resolve":
            return resolve(alarms, command.incident_id, by=command.by, at=command.at)
        case "mute":
            return mute(alarms, command.incident_id, at=command.at)
        case _:
            assert_never(command.action)


def evolve(state: Organization, events: Sequence[Event]) -> Organization:
    """The state after `events`. Each carries values, so applying one again changes nothing."""
    calls = dict(state.calls)
    return _counted(_evolve(replace(state, calls=calls), calls, events, state.apply_sequence), state, events)


def _evolve(state: Organization, calls: dict[str, Call], events: Sequence[Event], apply_sequence: int) -> Organization:
    # `calls` is the dict inside `state`, private to the caller: a batch copies it once, not once per event.
    name, time_zone, policy, today, used = state.name, state.time_zone, state.policy, state.today, state.used
    alarms, incidents, stale = state.alarms, dict[Key, Incident](), state.stale
    for event in events:
        match event:
            case CallChanged(call=call) | CallProcessed(call=call):
                used = used.replacing(calls.get(call.call_id), call, time_zone)
                calls[call.call_id] = call
            case CallHeard(call=call):
                calls[call.call_id] = call
            case CallForgotten(call_id=call_id):
                calls.pop(call_id, None)
            case StateRepaired(repairs=repairs):
                today = replace(today, repairs=repairs)
            case OrganizationConfigured():
                name, time_zone, policy = event.name, event.time_zone, event.policy
            case IncidentChanged(incident=incident):
                incidents[incident.key] = incident
            case AlarmRulesConfigured(rules=rules):
                alarms = replace(alarms, own_rules=rules)
            case BreachesNoted():
                alarms = alarms.noting(event.pending, event.cooled)
            case StaleNoted(call_ids=call_ids):
                stale = call_ids
            case _:
                assert_never(event)
    return replaced(
        state,
        name=name,
        time_zone=time_zone,
        policy=policy,
        today=today,
        used=used,
        apply_sequence=apply_sequence,
        alarms=alarms.with_changes(incidents),
        stale=stale,
    )


def _counted(state: Organization, before: Organization, events: Sequence[Event]) -> Organization:
    """The figures follow each changed call once, however many events of it a batch brought."""
    changed = {event.call.call_id: event.call for event in events if isinstance(event, CallChanged | CallProcessed)}
    if not changed:
        return state
    held = before.calls
    changes = (
        (measured(held[call_id]) if call_id in held else None, measured(call)) for call_id, call in changed.items()
    )
    return replaced(state, today=state.today.replacing_all(changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A batch decided on a copy: the state to swap in once Postgres has accepted the rest.

    `outcomes` holds, by row id, what requests were decided to be.
    """

    state: Organization
    events: Sequence[Event]
    effects: Sequence[Effect]
    marks: Sequence[tuple[int, int]]
    outcomes: Mapping[int, str]


def decide_all(state: Organization, items: Sequence[InboxRow | Hear | Forget | Tick]) -> Round:
    """Decide a batch in order. Rows get the next positions of the organization's history, nothing else does.

    A row that has a position already (a replay) keeps it and must follow in order.
    """
    decided = _in_order(state, items)
    return replaced(decided, state=_counted(decided.state, state, decided.events))


def without_figures(state: Organization, rows: Sequence[InboxRow]) -> Organization:
    """The state after `rows` by `decide_all`, but for the day's figures, which stay as they are."""
    return _in_order(state, rows).state


def _in_order(state: Organization, items: Sequence[InboxRow | Hear | Forget | Tick]) -> Round:
    calls = dict(state.calls)
    working = replaced(state, calls=calls)
    events: list[Event] = []
    effects: list[Effect] = []
    marks: list[tuple[int, int]] = []
    outcomes: dict[int, str] = {}
    for item in items:
        sequence = working.apply_sequence
        if not isinstance(item, InboxRow):
            decision = decide(working, item)
            happened = tuple(decision.events)
        else:
            sequence = item.apply_sequence or sequence + 1
            decision = decide(working, command_from(item))
            happened = at_version(decision.events, sequence)
            marks.append((item.id, sequence))
            if outcome := decision.outcome or item.outcome:
                outcomes[item.id] = outcome
        working = _evolve(working, calls, happened, sequence)
        events.extend(happened)
        effects.extend(decision.effects)
    return Round(state=working, events=events, effects=effects, marks=marks, outcomes=outcomes)


def recall(organization_id: str, rows: Sequence[InboxRow]) -> Mapping[str, Call]:
    """The calls that `rows`, complete histories in order of apply_sequence, amount to."""
    if not rows:
        return {}
    blank = Organization(organization_id=organization_id, name="", time_zone="UTC", today=DayCounters(day=date.min))
    return without_figures(blank, rows).calls


def changes_between(before: Organization, after: Organization) -> Sequence[Event]:
    """What makes the calls of one state those of another."""
    changed = [
        CallChanged(call=call, kind=call.last_event_kind)
        for call_id, call in after.calls.items()
        if before.calls.get(call_id) != call
    ]
    return [*changed, *(CallForgotten(call_id=call_id) for call_id in before.calls if call_id not in after.calls)]
