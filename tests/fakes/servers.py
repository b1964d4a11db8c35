"""Postgres, Redis and Temporal of many organizations in memory, with the semantics of storage/sql and of Redis."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from actors.domain.admission import MonthUse
from actors.domain.alarm_rules import Rule
from actors.domain.alarms import Alarms, Incident
from actors.domain.call import Call
from actors.domain.commands import InboxRow
from actors.domain.effects import Effect, SignalProcessing
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, without_figures
from actors.domain.policy import Policy
from actors.domain.replacing import replaced
from actors.domain.views import View
from actors.ports import (
    AlreadyAppliedError,
    Batch,
    CallMark,
    Census,
    Delivery,
    Finding,
    Lease,
    PendingEffect,
    Profile,
    Snapshot,
    StaleOwnerError,
    Standing,
    UnavailableError,
)
from actors.slots import slot_of
from tests.fakes.incidents import opens_twice, wanted_incidents
from tests.fakes.world import repair_row, repairs_of

NAME = "An organization"
FIRST_RETRY_MS = 2_000
NOTHING = Organization(organization_id="", name=NAME, time_zone="UTC", today=DayCounters(day=date.min))
FIRST_REPAIR = 1_000_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a feed."""

    epoch: int
    n: int
    events: Sequence[View]


@dataclass(slots=True, kw_only=True)
class PendingRecord:
    """A row of `effects`."""

    retry_at: int
    attempts: int = 0
    confirmed: bool = False


@dataclass(slots=True, kw_only=True)
class Tenant:
    """What the servers hold of one organization."""

    organization_id: str
    time_zone: str
    policy: Policy = field(default_factory=Policy)
    slot: int = 0
    waiting: dict[int, InboxRow] = field(default_factory=dict[int, InboxRow])
    history: list[InboxRow] = field(default_factory=list[InboxRow])
    keys: set[str] = field(default_factory=set[str])
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    ledger: dict[Effect, PendingRecord] = field(default_factory=dict[Effect, PendingRecord])
    signals: Counter[str] = field(default_factory=Counter[str])
    incidents: dict[str, Incident] = field(default_factory=dict[str, Incident])
    alarm_rules: tuple[Rule, ...] = ()
    snapshot: Snapshot | None = None
    stream: list[Entry] = field(default_factory=list[Entry])
    followers: list[Callable[[Entry], None]] = field(default_factory=list[Callable[[Entry], None]])
    _folds: dict[int, Organization] = field(default_factory=dict[int, Organization])
    _figures: dict[tuple[date, int], DayCounters] = field(default_factory=dict[tuple[date, int], DayCounters])

    def __post_init__(self) -> None:
        self.slot = slot_of(self.organization_id)

    def accept(self, row: InboxRow) -> bool:
        """What the inbox does: a key seen before is a duplicate."""
        if row.event_key in self.keys:
            return False
        self.keys.add(row.event_key)
        self.waiting[row.id] = row
        return True

    def fold(self, day: date) -> Organization:
        """The judge: the fold over the set of distinct accepted events, in the order Postgres gave them."""
        calls, seen = self.recalled(len(self.history)), (day, len(self.history))
        if seen not in self._figures:
            self._figures[seen] = self.sums(day, calls)
        return Organization(
            organization_id=self.organization_id,
            name=NAME,
            time_zone=self.time_zone,
            today=self._figures[seen],
            policy=self.policy,
            apply_sequence=len(self.history),
            calls=calls,
            alarms=Alarms(
                own_rules=self.alarm_rules,
                incidents={each.key: each for each in self.incidents.values() if each.is_open},
            ),
        )

    def stored(self, event_key: str) -> InboxRow:
        """The row of an accepted key as it is now: one that was applied has its outcome."""
        return next(row for row in (*self.waiting.values(), *self.history) if row.event_key == event_key)

    def recalled(self, apply_sequence: int) -> Mapping[str, Call]:
        """The calls that the history up to there amounts to."""
        return self.fold_at(apply_sequence).calls

    def fold_at(self, apply_sequence: int) -> Organization:
        """The calls, and no figures, after so much of the history. It only grows: hardly a row is folded twice."""
        folds = self._folds
        if not folds:
            folds[0] = replace(NOTHING, organization_id=self.organization_id)
        if apply_sequence in folds:
            return folds[apply_sequence]
        before = max(place for place in folds if place < apply_sequence)
        # Judges ask what a request was decided by, and for the whole.
        asked = [
            place for place in range(before + 1, apply_sequence) if self.history[place].type == "assistant-request"
        ]
        for place in (*asked, apply_sequence):
            folds[place] = without_figures(folds[before], self.history[before:place])
            before = place
        return folds[apply_sequence]

    def sums(self, day: date, calls: Mapping[str, Call]) -> DayCounters:
        counters = DayCounters.of(day, self.time_zone, map(measured, calls.values()))
        repairs = repairs_of(self.history, counters)
        return replace(counters, repairs=repairs) if repairs else counters


@dataclass(slots=True)
class _Slot:
    owner: str | None = None
    epoch: int = 0
    lease_until: float = 0.0
    claimed_at: float = 0.0
    pinned_to: str | None = None


@dataclass(frozen=True, slots=True)
class _Bearer:
    """A row of `shards`."""

    incarnation: str
    alive_until: float
    dedicated: bool


class Servers:
    """Every method takes effect at once, and raises what a port may. `time` is the servers' clock in seconds."""

    def __init__(
        self, tenants: Sequence[Tenant], *, slots: int, time: Callable[[], float], happened: "Counter[str]"
    ) -> None:
        self.tenants = {tenant.organization_id: tenant for tenant in tenants}
        self.slots = {number: _Slot() for number in range(slots)}
        self.shards: dict[str, _Bearer] = {}
        self.temporal_away = False
        self._time = time
        self._happened = happened

    # Journal

    def profile(self, organization_id: str) -> Profile | None:
        tenant = self.tenants.get(organization_id)
        if tenant is None:
            return None
        return Profile(name=NAME, time_zone=tenant.time_zone, policy=tenant.policy, alarm_rules=tenant.alarm_rules)

    def last_sequence(self, organization_id: str) -> int:
        return len(self.tenants[organization_id].history)

    def rows_of_open_calls(self, organization_id: str, *, ended_after: int) -> Sequence[InboxRow]:
        tenant = self.tenants[organization_id]
        kept = {call.call_id for call in tenant.calls.values() if not call.is_ended or call.last_event_at > ended_after}
        return [row for row in tenant.history if row.call_id in kept]

    def rows_after(self, organization_id: str, apply_sequence: int) -> Sequence[InboxRow]:
        return self.tenants[organization_id].history[apply_sequence:]

    def rows_of_calls(self, organization_id: str, call_ids: Sequence[str]) -> Sequence[InboxRow]:
        return [row for row in self.tenants[organization_id].history if row.call_id in call_ids]

    def unapplied(self, organization_id: str, *, limit: int) -> Sequence[InboxRow]:
        return list(self.tenants[organization_id].waiting.values())[:limit]

    def day(self, organization_id: str, day: date, time_zone: str) -> DayCounters:
        tenant = self.tenants[organization_id]
        return tenant.sums(day, tenant.calls)

    def month(self, organization_id: str, month: date, time_zone: str) -> MonthUse:
        used = MonthUse(month=month)
        for call in self.tenants[organization_id].calls.values():
            used = used.replacing(None, call, time_zone)
        return used

    def standing(self, organization_id: str, day: date, time_zone: str) -> Standing:
        calls = self.tenants[organization_id].calls.values()
        return Standing(
            apply_sequence=self.last_sequence(organization_id),
            open_calls={call.call_id: CallMark(call.status, call.version) for call in calls if not call.is_ended},
            today=self.day(organization_id, day, time_zone),
        )

    def note_repairs(
        self, organization_id: str, findings: Sequence[Finding], *, lease: Lease, owner: str, at: int
    ) -> Sequence[InboxRow]:
        if not self._holds(owner, lease):
            self._happened["Postgres refuses a stale owner"] += 1
            raise StaleOwnerError
        tenant = self.tenants[organization_id]
        first = FIRST_REPAIR + len(tenant.history) + len(tenant.waiting)
        rows = [repair_row(first + place, finding, at) for place, finding in enumerate(findings)]
        tenant.waiting |= {row.id: row for row in rows}
        return rows

    def incidents(
        self, organization_id: str, *, closed_after: int, muted_after: int, incident_ids: Sequence[str]
    ) -> Sequence[Incident]:
        return wanted_incidents(
            self.tenants[organization_id].incidents,
            closed_after=closed_after,
            muted_after=muted_after,
            named=incident_ids,
        )

    def commit(self, batch: Batch) -> None:
        """As `journal_commit`. What no fence may let through fails the simulation."""
        tenant, slot = self.tenants[batch.organization_id], self.slots[batch.lease.slot]
        if not self._holds(batch.owner, batch.lease):
            self._happened["Postgres refuses a stale owner"] += 1
            raise StaleOwnerError
        done = frozenset(row_id for row_id, _ in batch.marks if row_id not in tenant.waiting)
        if done:
            self._happened["rows were applied before"] += 1
            raise AlreadyAppliedError(done)
        if any(sequence <= len(tenant.history) for _, sequence in batch.marks):
            self._happened["a position in the history is taken"] += 1
            raise AlreadyAppliedError(frozenset())
        if opens_twice(tenant.incidents, batch.incidents):
            self._happened["an incident is open already"] += 1
            raise AlreadyAppliedError(frozenset())
        assert (slot.owner, slot.epoch) == (batch.owner, batch.lease.epoch), "a stale owner's batch was accepted"
        for row_id, sequence in batch.marks:
            assert sequence == len(tenant.history) + 1, "apply_sequence has a hole"
            applied = replaced(tenant.waiting.pop(row_id), apply_sequence=sequence, outcome=batch.outcomes.get(row_id))
            tenant.history.append(applied)
        for call in batch.calls:
            tenant.calls[call.call_id] = call
        for effect in batch.effects:
            tenant.ledger.setdefault(effect, PendingRecord(retry_at=batch.at + FIRST_RETRY_MS))
        tenant.incidents |= {incident.incident_id: incident for incident in batch.incidents}

    # Effects

    def due(self, slots: Sequence[int], *, now: int, limit: int) -> Sequence[PendingEffect]:
        found = [
            (record.retry_at, PendingEffect(organization_id=organization_id, effect=effect, attempts=record.attempts))
            for organization_id, tenant in self.tenants.items()
            if tenant.slot in slots
            for effect, record in tenant.ledger.items()
            if not record.confirmed and record.retry_at <= now
        ]
        return [pending for _, pending in sorted(found, key=lambda each: each[0])[:limit]]

    def confirm(self, organization_id: str, effects: Sequence[Effect], *, at: int) -> None:
        for effect in effects:
            self.tenants[organization_id].ledger[effect].confirmed = True

    def delay(self, organization_id: str, effects: Sequence[Effect], *, retry_at: int) -> None:
        for effect in effects:
            record = self.tenants[organization_id].ledger[effect]
            record.attempts, record.retry_at = record.attempts + 1, retry_at

    # Ownership

    def beat(
        self, owner: str, *, incarnation: str, first: bool, lease_seconds: float, dedicated: bool = False
    ) -> Census:
        held = self.shards.get(owner)
        if held is not None and held.incarnation != incarnation and not first:
            self._happened["a shard finds its name taken"] += 1
            raise StaleOwnerError
        now = self._time()
        self.shards[owner] = _Bearer(incarnation, now + lease_seconds, dedicated)
        others = sum(
            name != owner and each.alive_until > now and not each.dedicated for name, each in self.shards.items()
        )
        misplaced = (
            number
            for number, slot in self.slots.items()
            if slot.owner == owner and slot.pinned_to != owner and (dedicated or self._lives(slot.pinned_to))
        )
        return Census(alive=1 + others, misplaced=frozenset(misplaced))

    def claim(
        self, owner: str, *, held: Sequence[Lease], share: int, lease_seconds: float, dedicated: bool = False
    ) -> Sequence[Lease]:
        now, kept = self._time(), {lease.slot for lease in held}
        others = [(number, slot) for number, slot in self.slots.items() if number not in kept]
        own = [(number, slot) for number, slot in others if slot.owner == owner]
        free = [
            (number, slot)
            for number, slot in others
            if (slot.owner is None or (slot.owner != owner and slot.lease_until < now))
            and (slot.pinned_to == owner or not (dedicated or self._lives(slot.pinned_to)))
        ]
        claimed = own + free[: max(0, share - len(held) - len(own))]
        for _, slot in claimed:
            slot.owner, slot.epoch, slot.claimed_at, slot.lease_until = owner, slot.epoch + 1, now, now + lease_seconds
        return [Lease(slot=number, epoch=slot.epoch) for number, slot in claimed]

    def _lives(self, name: str | None) -> bool:
        return name in self.shards and self.shards[name].alive_until > self._time()

    def renew(self, owner: str, leases: Sequence[Lease], *, lease_seconds: float) -> Sequence[Lease]:
        kept = [lease for lease in leases if self._holds(owner, lease)]
        for lease in kept:
            self.slots[lease.slot].lease_until = self._time() + lease_seconds
        return kept

    def release(self, owner: str, leases: Sequence[Lease]) -> None:
        for lease in leases:
            if self._holds(owner, lease):
                self.slots[lease.slot].owner = None

    def leave(self, owner: str) -> None:
        if owner in self.shards:
            self.shards[owner] = replace(self.shards[owner], alive_until=self._time())

    def owners(self) -> Mapping[int, str]:
        now = self._time()
        return {number: slot.owner for number, slot in self.slots.items() if slot.owner and slot.lease_until > now}

    def organizations_with_work(self, slots: Sequence[int]) -> Sequence[str]:
        return [
            tenant.organization_id
            for tenant in self.tenants.values()
            if tenant.slot in slots
            and (
                tenant.waiting
                or any(not call.is_ended for call in tenant.calls.values())
                or any(incident.is_open for incident in tenant.incidents.values())
            )
        ]  # fmt: skip

    def overdue(self, slots: Sequence[int], *, received_before: int, limit: int) -> Sequence[Delivery]:
        waiting = [
            Delivery(organization_id=tenant.organization_id, item=row)
            for tenant in self.tenants.values()
            if tenant.slot in slots
            for row in tenant.waiting.values()
            if row.received_at < received_before
        ]
        return waiting[:limit]

    def _holds(self, owner: str, lease: Lease) -> bool:
        slot = self.slots[lease.slot]
        return (slot.owner, slot.epoch) == (owner, lease.epoch)

    # Redis

    def load(self, organization_id: str) -> Snapshot | None:
        return self.tenants[organization_id].snapshot

    def save(self, organization_id: str, snapshot: Snapshot) -> None:
        tenant = self.tenants[organization_id]
        if tenant.snapshot is not None and tenant.snapshot.epoch > snapshot.epoch:
            self._happened["Redis refuses a stale snapshot"] += 1
            raise StaleOwnerError
        tenant.snapshot = snapshot

    def publish(self, organization_id: str, *, epoch: int, n: int, events: Sequence[View]) -> None:
        tenant = self.tenants[organization_id]
        if tenant.stream:
            last = (tenant.stream[-1].epoch, tenant.stream[-1].n)
            if last > (epoch, n):
                self._happened["the feed refuses a stale owner"] += 1
                raise StaleOwnerError
            if last == (epoch, n):
                return
        entry = Entry(epoch, n, events)
        tenant.stream.append(entry)
        for follower in tenant.followers:
            follower(entry)

    def flush(self) -> None:
        """Redis forgets everything."""
        for tenant in self.tenants.values():
            tenant.snapshot = None
            tenant.stream.clear()

    # Temporal

    def signal(self, organization_id: str, call_id: str) -> None:
        if self.temporal_away:
            raise UnavailableError("Temporal is away")
        tenant = self.tenants[organization_id]
        assert any(effect.call_id == call_id for effect in tenant.ledger), "signalled before Postgres accepted it"
        tenant.signals[call_id] += 1


def pending(tenant: Tenant) -> list[SignalProcessing]:
    """Effects the world does not have yet."""
    return [effect for effect, record in tenant.ledger.items() if not record.confirmed]
