"""What holds each slot, since when and on what evidence: a limit that seems reached for no reason shows its reason."""

from collections.abc import Mapping

from actors.domain.admission import Occupancy, held_since, holds_slot, is_refusal, is_reserved
from actors.domain.call import Call
from actors.domain.json_types import JSON
from actors.domain.organization import Organization
from actors.domain.views import View, iso


def slots_view(state: Organization, now: int) -> View:
    """The ledger at `now`, oldest slot first; `released` are calls not ended whose slot an operator freed."""
    occupancy = Occupancy.of(state.calls.values(), now)
    held = sorted(occupancy.calls.values(), key=lambda call: (held_since(call), call.call_id))
    released = [
        call
        for call in state.calls.values()
        if call.is_live and call.released_at is not None and not holds_slot(call, now)
    ]
    policy = state.policy
    return {
        "as_of": iso(now),
        "limit": policy.concurrency_limit,
        "in_use": len(held),
        "reserved": sum(is_reserved(call, now) for call in held),
        "assistants": _groups(policy.assistant_limits, occupancy.assistants, "assistant_id"),
        "campaigns": _groups(policy.campaign_limits, occupancy.campaigns, "campaign_id"),
        "minutes": {
            "cap": policy.minutes_cap,
            "policy": policy.minutes_policy,
            "used": state.used.minutes if policy.minutes_cap is not None else None,
            "reserved": occupancy.reserved_minutes(now),
        },
        "slots": [_slot(call, now) for call in held],
        "released": [_slot(call, now) for call in released if not is_refusal(call.admission)],
    }


def _slot(call: Call, now: int) -> View:
    return {
        "call_id": call.call_id,
        "state": "reserved" if is_reserved(call, now) else "live",
        "assistant_id": call.fields.assistant_id,
        "campaign_id": call.fields.campaign_id,
        "since": iso(held_since(call)),
        "admission": call.admission,
        "evidence_at": iso(call.evidence_at),
        "evidence_kind": call.last_event_kind if call.last_event_at >= call.heard_at else "speech",
        "evidence": call.evidence(now),
        "released_at": iso(call.released_at),
    }


def _groups(limits: Mapping[str, int], held: Mapping[str, frozenset[str]], name: str) -> list[JSON]:
    return [
        {name: each, "limit": limits.get(each), "in_use": len(held.get(each, ()))}
        for each in sorted(limits.keys() | held.keys())
    ]
