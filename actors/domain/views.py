"""What clients see of the live state: JSON-ready values with units in their names, ISO times in UTC."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from actors.domain.admission import is_refusal
from actors.domain.alarms import Incident
from actors.domain.call import LIVE_STATUSES, WAITING_STATUSES, Call, Utterance
from actors.domain.conversation import Conversation, Speech
from actors.domain.day_view import day_view
from actors.domain.ended_reasons import classify
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
)
from actors.domain.histogram import nearest_rank
from actors.domain.iso_time import iso
from actors.domain.json_types import JSON
from actors.domain.organization import Organization

View: TypeAlias = "dict[str, JSON]"


def utterance_view(said: Utterance) -> View:
    return {"role": said.role, "text": said.text, "final": said.final, "at": iso(said.at)}


def call_view(call: Call) -> View:
    """One call. Evidence carries its time, not an age: the client's clock ticks, the server's value does not."""
    fields = call.fields
    reason = classify(fields.ended_reason) if fields.ended_reason is not None else None
    duration_ms = call.duration_ms
    return {
        "call_id": call.call_id,
        "status": str(call.status),
        "type": fields.type,
        "direction": fields.direction,
        "assistant_id": fields.assistant_id,
        "assistant_name": fields.assistant_name,
        "from_number": fields.from_number,
        "to_number": fields.to_number,
        "customer_name": fields.customer_name,
        "campaign_id": fields.campaign_id,
        "transferred_to": fields.transferred_to,
        "created_at": iso(call.created_at),
        "ringing_at": iso(fields.ringing_at),
        "answered_at": iso(fields.answered_at),
        "ended_at": iso(fields.ended_at),
        "ended_reason": fields.ended_reason,
        "ended_class": str(reason.ended_class) if reason else None,
        "fault_owner": str(reason.fault_owner) if reason else None,
        "duration_seconds": duration_ms / 1000 if duration_ms is not None else None,
        "cost_usd": fields.cost_micros / 1_000_000 if fields.cost_micros is not None else None,
        "tool_calls": len(call.tool_call_ids),
        "hangs": call.hangs,
        "conversation": conversation_view(call),
        "report": call.report,
        "processed_at": iso(call.processed_at),
        "evidence_at": iso(call.evidence_at),
        "evidence_kind": call.last_event_kind if call.last_event_at >= call.heard_at else "speech",
        "absent_at": iso(call.absent_at),
        "admission": call.admission,
        "released_at": iso(call.released_at),
        "tags": list(call.tags),
        "version": call.version,
    }


def conversation_view(call: Call) -> View:
    """How the call is talked: live from speech as it is heard, exact once the report came (`exact`)."""
    told = call.fields.conversation
    said: Conversation | Speech = told if told is not None else call.speech
    latencies = sorted(said.turn_latencies_ms)
    return {
        "exact": told is not None,
        "first_word_at": iso(said.first_word_at),
        "turns": len(latencies),
        "turn_latency_p50_ms": nearest_rank(latencies, 50),
        "turn_latency_p95_ms": nearest_rank(latencies, 95),
        "turn_latency_max_ms": latencies[-1] if latencies else None,
        "silence_seconds": said.silence_ms / 1000 if said.silence_ms is not None else None,
        "interruptions": said.interruptions,
        "tools_failed": said.tools_failed,
    }


def incident_view(incident: Incident) -> View:
    """One incident. Open ones have neither `recovered_at` nor `resolved_at`; `lasted_seconds` is told at the end."""
    evidence, lasted_ms = incident.evidence, incident.lasted_ms
    return {
        "incident_id": incident.incident_id,
        "rule": incident.rule,
        "metric": str(incident.metric),
        "scope": str(incident.metric.scope),
        "severity": str(incident.severity),
        "threshold": incident.threshold,
        "call_id": incident.call_id,
        "evidence": {
            "value": evidence.value,
            "since": iso(evidence.since),
            "call_id": evidence.call_id,
            "detail": evidence.detail,
        },
        "opened_at": iso(incident.opened_at),
        "acknowledged_at": iso(incident.acknowledged_at),
        "acknowledged_by": incident.acknowledged_by,
        "muted_until": iso(incident.muted_until),
        "recovered_at": iso(incident.recovered_at),
        "resolved_at": iso(incident.resolved_at),
        "resolved_by": incident.resolved_by,
        "lasted_seconds": lasted_ms / 1000 if lasted_ms is not None else None,
    }


def counters_view(state: Organization) -> View:
    """Figures over the whole organization: live, stale and waiting calls now, and those of the day.

    `stale` are among the live ones, see `Call.stale_at`; no sign of them, or none that their provider knows of.
    """
    # A refused call rings until it is told so: it is shown with its reason, and is not live.
    statuses = Counter(call.status for call in state.calls.values() if not is_refusal(call.admission))
    return {
        "live": sum(statuses[status] for status in LIVE_STATUSES),
        "stale": len(state.stale),
        "waiting": sum(statuses[status] for status in WAITING_STATUSES),
        "today": day_view(state.today, use=state.today.concurrency.use(state.policy.limits)),
    }


def counters_update(state: Organization) -> View:
    """The event that carries the figures."""
    return {"type": "counters", "counters": counters_view(state)}


def state_view(state: Organization) -> View:
    """The whole board: what a `snapshot` frame carries."""
    calls = sorted(state.calls.values(), key=lambda call: (call.created_at, call.call_id))
    return {
        "organization": {"organization_id": state.organization_id, "name": state.name, "time_zone": state.time_zone},
        "calls": [
            {**call_view(call), "utterances": [utterance_view(said) for said in call.utterances]} for call in calls
        ],
        "counters": counters_view(state),
        "incidents": [incident_view(incident) for incident in state.alarms.open],
    }


def event_view(event: Event) -> "View | None":
    """One event of an `events` frame; None when nobody is told. Upserts carry the whole, so a client counts nothing."""
    match event:
        case CallChanged():
            return {"type": "call", "kind": event.kind, "call": call_view(event.call)}
        case CallProcessed():
            return {"type": "call-completed", "kind": "call-processed", "call": call_view(event.call)}
        case CallHeard():
            evidence: View = {"call_id": event.call.call_id, "evidence_at": iso(event.call.evidence_at)}
            if event.utterance is None:
                return {"type": "evidence", **evidence, "conversation": conversation_view(event.call)}
            return {"type": "utterance", **evidence, "utterance": utterance_view(event.utterance)}
        case CallForgotten():
            return {"type": "call-removed", "call_id": event.call_id}
        case StateRepaired():
            return {"type": "state-repaired", "repairs": event.repairs}
        case OrganizationConfigured():
            return {"type": "organization", "name": event.name, "time_zone": event.time_zone}
        case IncidentChanged():
            return {"type": "incident", "kind": event.kind, "incident": incident_view(event.incident)}
        case AlarmRulesConfigured() | BreachesNoted() | StaleNoted():
            return None
        case _:
            assert_never(event)


def feed_entry(events: Sequence[Event], state: Organization) -> list[View]:
    """The views of one round. Of several values of one thing the last stands; figures follow when one of them changed.

    A call stands where it was first told, so that what is heard of it comes after it. What was heard before it changed
    is part of what it changed to. Whatever carries a call carries its last record: none is told after a newer one.
    """
    last = {event.call.call_id: event.call for event in events if isinstance(event, CallChanged | CallProcessed)}
    views: dict[tuple[JSON, ...], View] = {}
    for place, event in enumerate(events):
        told = replace(event, call=last[event.call.call_id]) if isinstance(event, CallProcessed) else event
        view = event_view(told)
        if view is None:
            continue
        key: tuple[JSON, ...] = (view["type"], _call_id(event)) if view["type"] in {"call", "evidence"} else (place,)
        if isinstance(event, CallForgotten):
            # Should it be seen again in this round, it stands where that was told, after its removal.
            views.pop(("call", event.call_id), None)
        if isinstance(event, CallChanged | CallProcessed):
            views.pop(("evidence", event.call.call_id), None)
        views[key] = view
    entry = list(views.values())
    is_counted = any(view["type"] not in {"evidence", "utterance", "incident"} for view in entry)
    if is_counted or any(isinstance(event, StaleNoted) for event in events):
        entry.append(counters_update(state))
    return entry


def _call_id(event: Event) -> str | None:
    match event:
        case CallForgotten():
            return event.call_id
        case CallChanged() | CallHeard() | CallProcessed():
            return event.call.call_id
        case _:
            return None
