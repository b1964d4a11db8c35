"""How each metric of an alarm is measured from the live state. None says nothing: there was nothing to measure."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from actors.domain.admission import MonthUse, Occupancy, holds_slot, is_refusal, local_month
from actors.domain.alarm_rules import Metric, Rule
from actors.domain.alarms import Alarms
from actors.domain.call import Call, CallStatus
from actors.domain.ended_reasons import EndedClass, classify
from actors.domain.judging import Measure, Reading
from actors.domain.metrics import DayCounters
from actors.domain.policy import Policy

_REPEATED: Final = 2


class LiveState(Protocol):
    """What is measured: an organization's state."""

    @property
    def calls(self) -> Mapping[str, Call]: ...

    @property
    def alarms(self) -> Alarms: ...

    @property
    def time_zone(self) -> str: ...

    @property
    def today(self) -> DayCounters: ...

    @property
    def policy(self) -> Policy: ...

    @property
    def used(self) -> MonthUse: ...


def measure(state: LiveState, at: int) -> Measure:
    """The readings of a rule at `at` (ms): one for each live call it is about, or one for the fleet."""
    live = [call for call in state.calls.values() if call.is_live]

    def readings(rule: Rule) -> Iterable[tuple[str | None, Reading]]:
        fleet = _FLEET.get(rule.metric)
        if fleet is not None:
            return ((None, fleet(state, at)),)
        value = _CALL[rule.metric]
        return [
            (call.call_id, Reading(value=value(call, state, at), call_id=call.call_id))
            for call in live
            if rule.assistant_id is None or rule.assistant_id == call.fields.assistant_id
        ]

    return readings


def stale_calls(calls: Iterable[Call], at: int) -> frozenset[str]:
    """Live calls that are stale at `at` (ms), by `Call.stale_at`. Refused ones only ring until they are told so."""
    return frozenset(
        call.call_id
        for call in calls
        if (since := call.stale_at) is not None and since < at and not is_refusal(call.admission)
    )


def is_watched(state: LiveState) -> bool:
    """Whether time alone may change a verdict: a call goes on, a message is owed, an incident or a breach stands."""
    alarms = state.alarms
    return bool(alarms.incidents or alarms.pending) or any(
        call.is_live or _is_owed(call) for call in state.calls.values()
    )


def _age_seconds(call: Call, _state: LiveState, at: int) -> float | None:
    return None if call.talking_from is None else max(0, at - call.talking_from) / 1000


def _silence_seconds(call: Call, state: LiveState, at: int) -> float | None:
    """Since anything was heard of a conversation. After `forwarding` VAPI tells nothing more.

    An organization none of whose calls is ever heard has these messages switched off: no proof of silence.
    """
    if call.talking_from is None or call.status is CallStatus.FORWARDING:
        return None
    if not call.heard_at and not any(each.heard_at for each in state.calls.values()):
        return None
    return max(0, at - max(call.talking_from, call.heard_at, state.alarms.watched_from)) / 1000


def _hangs(call: Call, _state: LiveState, _at: int) -> float:
    return float(call.hangs)


def _unconfirmed(call: Call, _state: LiveState, at: int) -> float:
    return float(call.evidence(at) == "unconfirmed")


def _tools_failed(call: Call, _state: LiveState, _at: int) -> float | None:
    """Tool calls that our door answered with an error. None known says nothing: a restart may have forgotten them."""
    return float(call.tools_failed) if call.tools_failed else None


def _is_owed(call: Call) -> bool:
    """Whether the provider has a message of the call still to send. After `forwarding` it sends none."""
    if call.is_ended:
        return call.report == "pending"
    return call.is_live and call.status is not CallStatus.FORWARDING


def _webhook_silence_seconds(state: LiveState, at: int) -> Reading:
    """Since the last sign of any call, while a message is owed. Otherwise there are just no calls: no reading."""
    last = max((call.evidence_at for call in state.calls.values()), default=0)
    since = max(last, state.alarms.watched_from)
    owed = next((call.call_id for call in state.calls.values() if _is_owed(call)), None)
    return Reading(value=None if owed is None else max(0, at - since) / 1000, call_id=owed)


def _missing_reports(state: LiveState, _at: int) -> Reading:
    """Calls in memory whose report the provider did not have when asked."""
    missing = [call for call in state.calls.values() if call.report == "missing"]
    return Reading(value=len(missing), call_id=_latest(missing))


def _unknown_ended_reasons(state: LiveState, _at: int) -> Reading:
    """Calls in memory that ended for a reason of no known class; the latest one's is the evidence."""
    unknown = [
        call
        for call in state.calls.values()
        if call.fields.ended_reason is not None
        and classify(call.fields.ended_reason).ended_class is EndedClass.UNKNOWN
    ]  # fmt: skip
    latest = _latest(unknown)
    detail = state.calls[latest].fields.ended_reason if latest is not None else None
    return Reading(value=len(unknown), call_id=latest, detail=detail)


def _slots_used_percent(state: LiveState, at: int) -> Reading:
    """Calls that hold a slot, of the organization's limit; without one there is nothing to fill."""
    limit = state.policy.concurrency_limit
    held = sum(holds_slot(call, at) for call in state.calls.values())
    return Reading(value=None if limit is None else 100 * held / limit, detail=f"{held} of {limit}")


def _refused_calls(state: LiveState, _at: int) -> Reading:
    """Calls in memory that were refused; the latest one's outcome is the evidence."""
    refused = [call for call in state.calls.values() if is_refusal(call.admission)]
    latest = _latest(refused)
    return Reading(
        value=len(refused), call_id=latest, detail=state.calls[latest].admission if latest is not None else None
    )


def _minutes_used_percent(state: LiveState, at: int) -> Reading:
    """Minutes booked this month and reserved by calls going on, of the plan's; without a cap there is no share."""
    cap = state.policy.minutes_cap
    if not cap:
        return Reading(value=None)
    booked = state.used.minutes if state.used.month == local_month(at, state.time_zone) else 0
    used = booked + Occupancy.of(state.calls.values(), at).reserved_minutes(at)
    return Reading(value=100 * used / cap, detail=f"{used} of {cap}")


def _repairs(state: LiveState, _at: int) -> Reading:
    """Differences between memory and Postgres that were repaired today."""
    return Reading(value=state.today.repairs)


def _service_level_percent(state: LiveState, _at: int) -> Reading:
    """Today's, out of how many; see `DayCounters.service_level`."""
    share = state.today.service_level
    return Reading(value=None if share is None else 100 * share, n=state.today.service_level_n)


def _calls_with_tool_errors(state: LiveState, _at: int) -> Reading:
    """Calls in memory of which two tool calls or more failed, by the report: what other servers answered is in it too.

    `TOOLS_FAILED` is earlier, but knows only of those that our door asked for.
    """
    failing = [
        call
        for call in state.calls.values()
        if call.fields.conversation is not None and call.fields.conversation.tools_failed >= _REPEATED
    ]
    return Reading(value=len(failing), call_id=_latest(failing))


def _wiring_differences(state: LiveState, _at: int) -> Reading:
    """Assistants and numbers that the provider keeps otherwise than they must be."""
    return Reading(value=state.policy.wiring_differences)


def _latest(calls: Iterable[Call]) -> str | None:
    found = max(calls, key=lambda call: (call.last_event_at, call.call_id), default=None)
    return found.call_id if found is not None else None


_CALL: Mapping[Metric, Callable[[Call, LiveState, int], float | None]] = {
    Metric.AGE_SECONDS: _age_seconds,
    Metric.SILENCE_SECONDS: _silence_seconds,
    Metric.HANGS: _hangs,
    Metric.UNCONFIRMED: _unconfirmed,
    Metric.TOOLS_FAILED: _tools_failed,
}
_FLEET: Mapping[Metric, Callable[[LiveState, int], Reading]] = {
    Metric.WEBHOOK_SILENCE_SECONDS: _webhook_silence_seconds,
    Metric.MISSING_REPORTS: _missing_reports,
    Metric.UNKNOWN_ENDED_REASONS: _unknown_ended_reasons,
    Metric.SLOTS_USED_PERCENT: _slots_used_percent,
    Metric.REFUSED_CALLS: _refused_calls,
    Metric.MINUTES_USED_PERCENT: _minutes_used_percent,
    Metric.REPAIRS: _repairs,
    Metric.SERVICE_LEVEL_PERCENT: _service_level_percent,
    Metric.CALLS_WITH_TOOL_ERRORS: _calls_with_tool_errors,
    Metric.WIRING_DIFFERENCES: _wiring_differences,
}
