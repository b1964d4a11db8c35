"""A world of in-memory ports. Every call may fail before or after it took effect, as a network's can."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from random import Random

from actors.domain.admission import MonthUse
from actors.domain.alarm_rules import Rule
from actors.domain.alarms import Alarms, Incident
from actors.domain.call import Call
from actors.domain.commands import InboxRow
from actors.domain.effects import Effect
from actors.domain.local_day import local_date
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, recall
from actors.domain.policy import Policy
from actors.domain.views import View
from actors.ports import (
    AlreadyAppliedError,
    Batch,
    CallMark,
    Census,
    Delivery,
    Finding,
    HourCount,
    Lease,
    PendingEffect,
    Ports,
    Profile,
    Snapshot,
    StaleOwnerError,
    Standing,
    UnavailableError,
)
from actors.slots import slot_of
from tests.fakes.incidents import opens_twice, wanted_incidents


class CrashError(BaseException):
    """The process died here."""


@dataclass
class Faults:
    """How often a port call fails, and how."""

    random: Random
    unavailable: float = 0.0
    answer_lost: float = 0.0
    crash: float = 0.0

    def before(self) -> None:
        draw = self.random.random()
        if draw < self.crash:
            raise CrashError
        if draw < self.crash + self.unavailable:
            raise UnavailableError("away")

    def after(self) -> None:
        draw = self.random.random()
        if draw < self.crash:
            raise CrashError
        if draw < self.crash + self.answer_lost:
            raise UnavailableError("the answer was lost")


@dataclass
class FakeClock:
    at: int = 1_790_000_000_000

    def now(self) -> int:
        return self.at


@dataclass
class World:
    """Postgres, Redis and Temporal of one organization, as far as an actor can tell."""

    organization_id: str
    time_zone: str = "UTC"
    policy: Policy = field(default_factory=Policy)
    clock: FakeClock = field(default_factory=FakeClock)
    epoch: int = 1
    rows: dict[int, InboxRow] = field(default_factory=dict[int, InboxRow])
    calls: dict[str, Call] = field(default_factory=dict[str, Call])
    ledger: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    held: Snapshot | None = None
    stream: list[tuple[int, int, Sequence[View]]] = field(default_factory=list[tuple[int, int, Sequence[View]]])
    signals: list[str] = field(default_factory=list[str])
    incidents: dict[str, Incident] = field(default_factory=dict[str, Incident])
    alarm_rules: tuple[Rule, ...] = ()
    refused: int = 0
    accepted: int = 0
    owner: str | None = None
    incarnation: str = ""

    def accept(self, row: InboxRow) -> bool:
        """What the inbox does: a key seen before is a duplicate."""
        if any(held.event_key == row.event_key and held.provider == row.provider for held in self.rows.values()):
            return False
        self.rows[row.id] = row
        return True

    def applied(self) -> list[InboxRow]:
        done = [row for row in self.rows.values() if row.apply_sequence is not None]
        return sorted(done, key=lambda row: row.apply_sequence or 0)

    def lease(self) -> Lease:
        return Lease(slot=slot_of(self.organization_id), epoch=self.epoch)

    def ports(self, faults: Faults) -> Ports:
        return Ports(
            journal=FakeJournal(self, faults),
            effects=FakeEffects(self, faults),
            ownership=FakeOwnership(self),
            snapshots=FakeSnapshots(self, faults),
            feed=FakeFeed(self, faults),
            processing=FakeProcessing(self, faults),
            clock=self.clock,
        )


@dataclass
class FakeJournal:
    world: World
    faults: Faults

    async def profile(self, organization_id: str) -> Profile | None:
        self.faults.before()
        known = organization_id == self.world.organization_id
        world = self.world
        profile = Profile(
            name="An organization", time_zone=world.time_zone, policy=world.policy, alarm_rules=world.alarm_rules
        )
        return profile if known else None

    async def last_sequence(self, organization_id: str) -> int:
        self.faults.before()
        return max((row.apply_sequence or 0 for row in self.world.applied()), default=0)

    async def rows_of_open_calls(self, organization_id: str, *, ended_after: int) -> Sequence[InboxRow]:
        self.faults.before()
        kept = {
            call.call_id for call in self.world.calls.values() if not call.is_ended or call.last_event_at > ended_after
        }
        return [row for row in self.world.applied() if row.call_id in kept]

    async def rows_after(self, organization_id: str, apply_sequence: int) -> Sequence[InboxRow]:
        self.faults.before()
        return [row for row in self.world.applied() if (row.apply_sequence or 0) > apply_sequence]

    async def rows_of_calls(self, organization_id: str, call_ids: Sequence[str]) -> Sequence[InboxRow]:
        self.faults.before()
        return [row for row in self.world.applied() if row.call_id in set(call_ids)]

    async def unapplied(self, organization_id: str, *, limit: int) -> Sequence[InboxRow]:
        self.faults.before()
        return [row for row in self.world.rows.values() if row.apply_sequence is None][:limit]

    async def day(self, organization_id: str, day: date, time_zone: str) -> DayCounters:
        self.faults.before()
        counters = DayCounters.of(day, time_zone, map(measured, self.world.calls.values()))
        return replace(counters, repairs=repairs_of(self.world.applied(), counters))

    async def standing(self, organization_id: str, day: date, time_zone: str) -> Standing:
        return Standing(
            apply_sequence=await self.last_sequence(organization_id),
            open_calls={
                call.call_id: CallMark(call.status, call.version)
                for call in self.world.calls.values()
                if not call.is_ended
            },
            today=await self.day(organization_id, day, time_zone),
        )

    async def note_repairs(
        self, organization_id: str, findings: Sequence[Finding], *, lease: Lease, owner: str, at: int
    ) -> Sequence[InboxRow]:
        self.faults.before()
        if lease.epoch != self.world.epoch:
            self.world.refused += 1
            raise StaleOwnerError
        first = max(self.world.rows, default=0) + 1
        rows = [repair_row(first + place, finding, at) for place, finding in enumerate(findings)]
        self.world.rows |= {row.id: row for row in rows}
        self.faults.after()
        return rows

    async def month(self, organization_id: str, month: date, time_zone: str) -> MonthUse:
        self.faults.before()
        used = MonthUse(month=month)
        for call in self.world.calls.values():
            used = used.replacing(None, call, time_zone)
        return used

    async def incidents(
        self, organization_id: str, *, closed_after: int, muted_after: int, incident_ids: Sequence[str]
    ) -> Sequence[Incident]:
        self.faults.before()
        return wanted_incidents(
            self.world.incidents, closed_after=closed_after, muted_after=muted_after, named=incident_ids
        )

    async def commit(self, batch: Batch) -> None:
        self.faults.before()
        if batch.lease.epoch != self.world.epoch:
            self.world.refused += 1
            raise StaleOwnerError
        done = frozenset(row_id for row_id, _ in batch.marks if self.world.rows[row_id].apply_sequence is not None)
        if done:
            raise AlreadyAppliedError(done)
        if opens_twice(self.world.incidents, batch.incidents):
            raise AlreadyAppliedError(frozenset())
        taken = {row.apply_sequence for row in self.world.applied()}
        for row_id, sequence in batch.marks:
            assert sequence not in taken, "apply_sequence is unique"
            outcome = batch.outcomes.get(row_id)
            self.world.rows[row_id] = replace(self.world.rows[row_id], apply_sequence=sequence, outcome=outcome)
        for call in batch.calls:
            self.world.calls[call.call_id] = call
        for effect in batch.effects:
            self.world.ledger.setdefault((effect.call_id, effect.effect), False)
        self.world.incidents |= {incident.incident_id: incident for incident in batch.incidents}
        self.faults.after()


@dataclass
class FakeEffects:
    world: World
    faults: Faults

    async def due(self, slots: Sequence[int], *, now: int, limit: int) -> Sequence[PendingEffect]:
        return []

    async def confirm(self, organization_id: str, effects: Sequence[Effect], *, at: int) -> None:
        self.faults.before()
        for effect in effects:
            self.world.ledger[effect.call_id, effect.effect] = True

    async def delay(self, organization_id: str, effects: Sequence[Effect], *, retry_at: int) -> None:
        self.faults.before()


@dataclass
class FakeOwnership:
    world: World

    async def beat(
        self, owner: str, *, incarnation: str, first: bool, lease_seconds: float, dedicated: bool = False
    ) -> Census:
        if first:
            self.world.incarnation = incarnation
        elif self.world.incarnation != incarnation:
            raise StaleOwnerError
        return Census(alive=1)

    async def claim(
        self, owner: str, *, held: Sequence[Lease], share: int, lease_seconds: float, dedicated: bool = False
    ) -> Sequence[Lease]:
        slot = slot_of(self.world.organization_id)
        if any(lease.slot == slot for lease in held) or self.world.owner not in {None, owner}:
            return []
        self.world.owner = owner
        self.world.epoch += 1
        return [self.world.lease()]

    async def renew(self, owner: str, leases: Sequence[Lease], *, lease_seconds: float) -> Sequence[Lease]:
        return [lease for lease in leases if self.world.owner == owner and lease.epoch == self.world.epoch]

    async def release(self, owner: str, leases: Sequence[Lease]) -> None:
        if self.world.owner == owner:
            self.world.owner = None

    async def leave(self, owner: str) -> None: ...

    async def owners(self) -> Mapping[int, str]:
        return {}

    async def organizations_with_work(self, slots: Sequence[int]) -> Sequence[str]:
        return [self.world.organization_id]

    async def overdue(self, slots: Sequence[int], *, received_before: int, limit: int) -> Sequence[Delivery]:
        waiting = [
            row for row in self.world.rows.values() if row.apply_sequence is None and row.received_at < received_before
        ]
        return [Delivery(organization_id=self.world.organization_id, item=row) for row in waiting][:limit]


@dataclass
class FakeSnapshots:
    world: World
    faults: Faults

    async def load(self, organization_id: str) -> Snapshot | None:
        self.faults.before()
        return self.world.held

    async def save(self, organization_id: str, snapshot: Snapshot) -> None:
        self.faults.before()
        if self.world.held is not None and self.world.held.epoch > snapshot.epoch:
            self.world.refused += 1
            raise StaleOwnerError
        self.world.held = snapshot
        self.faults.after()

    async def mirror_requests(self, counts: Mapping[str, HourCount]) -> None:
        self.faults.before()


@dataclass
class FakeFeed:
    world: World
    faults: Faults

    async def publish(self, organization_id: str, *, epoch: int, n: int, events: Sequence[View]) -> None:
        self.faults.before()
        last = self.world.stream[-1][:2] if self.world.stream else (0, 0)
        if last > (epoch, n):
            self.world.refused += 1
            raise StaleOwnerError
        if self.world.stream and last == (epoch, n):
            return
        self.world.stream.append((epoch, n, events))
        self.faults.after()


@dataclass
class FakeProcessing:
    world: World
    faults: Faults

    async def signal(self, organization_id: str, call_id: str) -> None:
        self.faults.before()
        self.world.signals.append(call_id)
        self.faults.after()


def reference(world: World, at: int) -> Organization:
    """The judge: the fold over the set of distinct accepted events, in the order Postgres gave them."""
    calls = dict(recall(world.organization_id, world.applied()))
    today = DayCounters.of(local_date(at, world.time_zone), world.time_zone, map(measured, calls.values()))
    today = replace(today, repairs=repairs_of(world.applied(), today))
    return Organization(
        organization_id=world.organization_id,
        name="An organization",
        time_zone=world.time_zone,
        today=today,
        apply_sequence=len(world.applied()),
        calls=calls,
        alarms=Alarms(
            own_rules=world.alarm_rules,
            incidents={each.key: each for each in world.incidents.values() if each.is_open},
        ),
    )


def repair_row(row_id: int, finding: Finding, at: int) -> InboxRow:
    """What the inbox accepts of a finding."""
    return InboxRow(
        id=row_id,
        provider="internal",
        event_key=f"state-repaired:{row_id}",
        type="state-repaired",
        call_id=finding.call_id,
        facts=finding.facts,
        occurred_at=None,
        received_at=at,
    )


def repairs_of(history: Sequence[InboxRow], day: DayCounters) -> int:
    """The day's `state-repaired` rows."""
    return sum(row.type == "state-repaired" and day.covers(row.received_at) for row in history)


async def retried(work: Callable[[], Awaitable[None]], attempts: int = 200) -> None:
    """Repeat until no port is away. Crashes and stale owners pass through."""
    for _ in range(attempts):
        try:
            await work()
        except UnavailableError:
            continue
        return
    raise AssertionError("never available")
