"""May another call begin? Decided from sets of call ids, never from counters: nothing can drift."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

from actors.domain.call import Call
from actors.domain.local_day import local_date
from actors.domain.policy import Policy, is_open

RESERVATION_MS: Final = 60_000
"""How long an admitted call may take to begin; its slot is free again afterwards."""

DEADLINE_MS: Final = 900
"""So old a request nobody waits for any more: the door has let the call through, and the owner only records it."""

ACCEPTED: Final = "accepted"
UNCHECKED: Final = "accepted:unchecked"
"""Let through by the door while the owner was away, or begun before it was asked."""
OVER_MINUTES: Final = "accepted:over-minutes"
"""An outbound call that never asked, begun after the minutes of the plan were used up: nothing hangs it up."""
REFUSED: Final = "refused:"
CLOSED: Final = REFUSED + "closed"
MINUTES: Final = REFUSED + "minutes"
CONCURRENCY: Final = REFUSED + "concurrency"
ASSISTANT_CONCURRENCY: Final = REFUSED + "assistant-concurrency"
CAMPAIGN_CONCURRENCY: Final = REFUSED + "campaign-concurrency"
NO_ASSISTANT: Final = REFUSED + "no-assistant"

_MINUTE_MS: Final = 60_000


def is_refusal(admission: str | None) -> bool:
    """Whether an outcome, `Call.admission`, tells that the call was refused."""
    return admission is not None and admission.startswith(REFUSED)


def holds_slot(call: Call, now: int) -> bool:
    """Whether a call takes up a slot at `now`.

    It does from the first sign that it goes on until it ends, and for `RESERVATION_MS` from its request until then. A
    waiting call holds none, nor does a refused one, however long it takes to be told so. A released one holds none
    until it gives another sign of life.
    """
    if not call.is_live or is_refusal(call.admission):
        return False
    if call.released_at is not None and max(call.held_at, call.heard_at) <= call.released_at:
        return False
    return bool(call.held_at) or is_reserved(call, now)


def is_reserved(call: Call, now: int) -> bool:
    """Whether the call was requested within `RESERVATION_MS` and has shown no sign of going on yet."""
    return not call.held_at and call.requested_at is not None and now < call.requested_at + RESERVATION_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupancy:
    """The calls that hold a slot at one moment: of the organization, and of each assistant and campaign."""

    calls: Mapping[str, Call]
    assistants: Mapping[str, frozenset[str]]
    campaigns: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, calls: Iterable[Call], now: int) -> Self:
        held = {call.call_id: call for call in calls if holds_slot(call, now)}
        return cls(
            calls=held,
            assistants=_grouped((call.fields.assistant_id, call.call_id) for call in held.values()),
            campaigns=_grouped((call.fields.campaign_id, call.call_id) for call in held.values()),
        )

    def reserved_minutes(self, now: int) -> int:
        """Minutes that the calls going on have used of the plan, each with the one it has begun."""
        return sum(max(0, now - held_since(call)) // _MINUTE_MS + 1 for call in self.calls.values())


def held_since(call: Call) -> int:
    """Since when a call holds its slot, by our clock."""
    return call.held_since or call.requested_at or call.created_at


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthUse:
    """Billable minutes of the calls first seen in the month that begins on `month`; see `billable_minutes`."""

    month: date = field(default=date.min)
    minutes: int = 0

    def replacing(self, before: Call | None, after: Call, time_zone: str) -> Self:
        """The use once `after` stands where `before` stood. Exact, because both are recomputed."""
        if local_month(after.created_at, time_zone) != self.month:
            return self
        old = billable_minutes(before) if before is not None else 0
        return type(self)(month=self.month, minutes=self.minutes - old + billable_minutes(after))


def billable_minutes(call: Call) -> int:
    """Talk time in begun minutes: ceil(max(0, ended - answered) / 60 s)."""
    return -(-(call.duration_ms or 0) // _MINUTE_MS)


def local_month(at: int, time_zone: str) -> date:
    """The first day of the month of `at` (ms since the epoch) where the organization is."""
    return local_date(at, time_zone).replace(day=1)


def admit(  # the order of the checks is that in which a caller would want to know
    policy: Policy, occupancy: Occupancy, used: MonthUse, asking: Call, *, now: int, time_zone: str
) -> str:
    """The outcome for a call that asks to begin at `now` and holds no slot yet."""
    fields = asking.fields
    if not is_open(policy.opening_hours, now, time_zone):
        return CLOSED
    if _stops(policy, asking) and is_used_up(policy, occupancy, used, now=now, time_zone=time_zone):
        return MINUTES
    if policy.concurrency_limit is not None and len(occupancy.calls) >= policy.concurrency_limit:
        return CONCURRENCY
    if _is_full(policy.assistant_limits, occupancy.assistants, fields.assistant_id):
        return ASSISTANT_CONCURRENCY
    if _is_full(policy.campaign_limits, occupancy.campaigns, fields.campaign_id):
        return CAMPAIGN_CONCURRENCY
    return ACCEPTED


def unasked(
    policy: Policy, occupancy: Occupancy, used: MonthUse, begun: Call, *, now: int, time_zone: str
) -> str | None:
    """What is to be said of a call that begins without having asked; None when nothing is."""
    if begun.fields.direction != "outbound" or not _stops(policy, begun):
        return None
    return OVER_MINUTES if is_used_up(policy, occupancy, used, now=now, time_zone=time_zone) else None


def is_used_up(policy: Policy, occupancy: Occupancy, used: MonthUse, *, now: int, time_zone: str) -> bool:
    """Whether the plan has no minute left for another call, beside those used and those of the calls going on."""
    if policy.minutes_cap is None:
        return False
    month = local_month(now, time_zone)
    this_month = used.minutes if used.month == month else 0
    cap = policy.minutes_cap + policy.extra_minutes.get(month.isoformat(), 0)
    return this_month + occupancy.reserved_minutes(now) + 1 > cap


def _stops(policy: Policy, call: Call) -> bool:
    """Whether a call of this direction is one that used up minutes stop."""
    match policy.minutes_policy:
        case "notify":
            return False
        case "block-outbound":
            return call.fields.direction == "outbound"
        case "block":
            return True


def _is_full(limits: Mapping[str, int], held: Mapping[str, frozenset[str]], name: str | None) -> bool:
    limit = limits.get(name or "")
    return limit is not None and len(held.get(name or "", ())) >= limit


def _grouped(pairs: Iterable[tuple[str | None, str]]) -> Mapping[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for name, call_id in pairs:
        if name is not None:
            groups.setdefault(name, set()).add(call_id)
    return {name: frozenset(call_ids) for name, call_ids in groups.items()}
