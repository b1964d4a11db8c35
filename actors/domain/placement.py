"""May we place a call? As for one that comes in, counting those that are being placed and have no id yet."""

from collections.abc import Mapping
from dataclasses import replace

from actors.domain.admission import MonthUse, Occupancy, admit
from actors.domain.call import Call, CallFields, CallStatus
from actors.domain.commands import RequestPlacement
from actors.domain.policy import Policy


def placement_outcome(
    calls: Mapping[str, Call], policy: Policy, used: MonthUse, asked: RequestPlacement, *, time_zone: str
) -> str:
    """The outcome for a call that shall be placed: a `Call.admission`. It changes nothing: the call is not there yet.

    `asked.pending` are the calls being placed that were decided before; each holds a slot for `RESERVATION_MS`.
    """
    counted = dict(calls)
    for pending in asked.pending:
        known = calls.get(pending.name)
        if known is None:
            known = Call(call_id=pending.name, created_at=pending.since, fields=_fields(pending.assistant_id))
        # One that VAPI knows already may still wait to ring, which alone would hold no slot.
        counted[pending.name] = replace(
            known,
            status=max(known.status, CallStatus.RINGING, key=lambda each: each.rank),
            requested_at=max(known.requested_at or 0, pending.since),
        )
    asking = Call(call_id="", created_at=asked.at, fields=_fields(asked.assistant_id))
    occupancy = Occupancy.of(counted.values(), asked.at)
    return admit(policy, occupancy, used, asking, now=asked.at, time_zone=time_zone)


def _fields(assistant_id: str | None) -> CallFields:
    return CallFields(direction="outbound", assistant_id=assistant_id)
