"""What the live state needs of the world, as protocols, and what those may fail with.

PortError
├── UnavailableError          a server is away or too slow; the same call may succeed later
├── StaleOwnerError           another owner claimed the slot; what was decided must be dropped
├── AlreadyAppliedError       rows of the batch were applied before; nothing of the batch was written
└── UnknownOrganizationError  Postgres knows no such organization, or it was deleted
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple, Protocol

from actors.domain.admission import MonthUse
from actors.domain.alarm_rules import Rule
from actors.domain.alarms import Incident
from actors.domain.call import Call
from actors.domain.commands import Hear, InboxRow
from actors.domain.effects import Effect
from actors.domain.json_types import Facts
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization
from actors.domain.policy import Policy
from actors.domain.views import View


class PortError(Exception):
    """Root of what a port raises. The cause is kept."""


class UnavailableError(PortError):
    """A server is away or did not answer in time; nothing is known to be written."""


class OverloadedError(UnavailableError):
    """It answers, but has more to do than it can take on: asking again at once only adds to that."""


class StaleOwnerError(PortError):
    """Another owner has claimed the slot since; the writer must drop what it decided and retire."""


class UnknownOrganizationError(PortError):
    """Postgres knows no such organization."""


class AlreadyAppliedError(PortError):
    """Some rows were applied before. Nothing of the batch was written."""

    def __init__(self, row_ids: frozenset[int]) -> None:
        super().__init__(f"{len(row_ids)} rows were applied before")
        self.row_ids = row_ids


@dataclass(frozen=True, slots=True)
class Watch:
    """Somebody looks at the organization's board. Holds for a minute and a half unless told again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One thing handed to an organization: an accepted row (a hint: Postgres has it), chatter or a look (only here)."""

    organization_id: str
    item: InboxRow | Hear | Watch


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to decide for the organizations of a slot. A claim raises the epoch; a renewal keeps it."""

    slot: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """`alive`: owners that share the slots that are not pinned. `misplaced`: slots of the asker that are another's."""

    alive: int
    misplaced: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the state needs to know of an organization's settings."""

    name: str
    time_zone: str
    policy: Policy = field(default_factory=Policy)
    alarm_rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one decision round writes, all or nothing. `marks` pairs inbox row ids with their apply_sequence.

    `outcomes` holds what the rows of requests among them were decided to be.
    """

    organization_id: str
    lease: Lease
    owner: str
    marks: Sequence[tuple[int, int]]
    calls: Sequence[Call]
    effects: Sequence[Effect]
    at: int
    outcomes: Mapping[int, str] = field(default_factory=dict[int, str])
    incidents: Sequence[Incident] = ()


class CallMark(NamedTuple):
    """Where a row of `calls` stands."""

    status: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What Postgres holds of an organization at one moment: the last position, calls not ended, the day's figures."""

    apply_sequence: int
    open_calls: Mapping[str, CallMark]
    today: DayCounters


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that memory and Postgres told apart: a call, or with `call_id` None the organization's figures."""

    call_id: str | None
    facts: Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEffect:
    """An effect Postgres holds that the world has not confirmed."""

    organization_id: str
    effect: Effect
    attempts: int


class Journal(Protocol):
    """Postgres: the inbox, the calls, the effects. Every method raises UnavailableError."""

    async def profile(self, organization_id: str) -> Profile | None:
        """Settings, or None when there is no such organization (or it was deleted)."""
        ...

    async def last_sequence(self, organization_id: str) -> int:
        """The greatest apply_sequence, 0 when nothing was applied."""
        ...

    async def rows_of_open_calls(self, organization_id: str, *, ended_after: int) -> Sequence[InboxRow]:
        """Applied rows, in order of apply_sequence, of calls not ended or whose last event is after that (ms)."""
        ...

    async def rows_after(self, organization_id: str, apply_sequence: int) -> Sequence[InboxRow]:
        """Applied rows above a sequence, in order."""
        ...

    async def rows_of_calls(self, organization_id: str, call_ids: Sequence[str]) -> Sequence[InboxRow]:
        """Applied rows of these calls, in order of apply_sequence."""
        ...

    async def unapplied(self, organization_id: str, *, limit: int) -> Sequence[InboxRow]:
        """Rows not applied yet, oldest first."""
        ...

    async def day(self, organization_id: str, day: date, time_zone: str) -> DayCounters:
        """Sums over the calls first seen on that day of that zone."""
        ...

    async def month(self, organization_id: str, month: date, time_zone: str) -> MonthUse:
        """The use of the calls first seen in the month of that zone that begins on that day."""
        ...

    async def standing(self, organization_id: str, day: date, time_zone: str) -> Standing:
        """What a state that has taken in every applied row must agree with; figures are those of the day."""
        ...

    async def note_repairs(
        self, organization_id: str, findings: Sequence[Finding], *, lease: Lease, owner: str, at: int
    ) -> Sequence[InboxRow]:
        """Accept a `state-repaired` row for each finding, while the lease is held. Raises StaleOwnerError."""
        ...

    async def incidents(
        self, organization_id: str, *, closed_after: int, muted_after: int, incident_ids: Sequence[str]
    ) -> Sequence[Incident]:
        """Incidents that are open, ended after `closed_after`, are muted until after `muted_after`, or are named."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Write the batch in one transaction. Raises StaleOwnerError, AlreadyAppliedError; then nothing is written.

        The latter with no rows: the state behind the batch lacks something that Postgres holds.
        """
        ...


class Effects(Protocol):
    """The ledger of effects. Every method raises UnavailableError."""

    async def due(self, slots: Sequence[int], *, now: int, limit: int) -> Sequence[PendingEffect]:
        """Unconfirmed effects of these slots whose time to retry has come, oldest first."""
        ...

    async def confirm(self, organization_id: str, effects: Sequence[Effect], *, at: int) -> None:
        """The world has them. Safe to repeat."""
        ...

    async def delay(self, organization_id: str, effects: Sequence[Effect], *, retry_at: int) -> None:
        """Count an attempt that failed; not tried again before `retry_at` (ms)."""
        ...


class Ownership(Protocol):
    """Slots and leases. Every method raises UnavailableError. The clock is Postgres'."""

    async def beat(
        self, owner: str, *, incarnation: str, first: bool, lease_seconds: float, dedicated: bool = False
    ) -> Census:
        """Announce that this owner lives for `lease_seconds`; returns who else does.

        A `dedicated` one owns slots pinned to it and no others. `first` takes the name over from an earlier
        incarnation. Raises StaleOwnerError when a later one has it.
        """
        ...

    async def claim(
        self, owner: str, *, held: Sequence[Lease], share: int, lease_seconds: float, dedicated: bool = False
    ) -> Sequence[Lease]:
        """Claim slots until this owner holds `share`, raising the epoch of each; returns only what was claimed now.

        First those written under its name but not `held` (its life before a restart), whatever their lease; then free
        and expired ones. A slot pinned to a shard that lives is free to that one alone.
        """
        ...

    async def renew(self, owner: str, leases: Sequence[Lease], *, lease_seconds: float) -> Sequence[Lease]:
        """Extend these leases; returns those still held at the same epoch. The others are lost."""
        ...

    async def release(self, owner: str, leases: Sequence[Lease]) -> None:
        """Give slots back at once."""
        ...

    async def leave(self, owner: str) -> None:
        """This owner lives no more: its share is the others'."""
        ...

    async def owners(self) -> Mapping[int, str]:
        """The owner of each slot whose lease runs."""
        ...

    async def organizations_with_work(self, slots: Sequence[int]) -> Sequence[str]:
        """Organizations of these slots with open calls or incidents or unapplied rows: those to activate at start."""
        ...

    async def overdue(self, slots: Sequence[int], *, received_before: int, limit: int) -> Sequence[Delivery]:
        """Rows of these slots accepted before that (ms) and still not applied, oldest first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A saved state and the epoch of the owner that saved it."""

    epoch: int
    state: Organization


@dataclass(frozen=True, slots=True, kw_only=True)
class HourCount:
    """Requests of its API that an organization's owner granted in the clock hour that ends at `ends_at` (s)."""

    granted: int
    ends_at: int


class SnapshotStore(Protocol):
    """Redis: a cache of what Postgres can rebuild. Every method raises UnavailableError."""

    async def load(self, organization_id: str) -> Snapshot | None:
        """The last snapshot, or None when there is none, or its format is not ours."""
        ...

    async def save(self, organization_id: str, snapshot: Snapshot) -> None:
        """Keep the state, and mirror live calls and today's count under the documented keys. Raises StaleOwnerError."""
        ...

    async def mirror_requests(self, counts: Mapping[str, HourCount]) -> None:
        """Show these organizations' requests under the documented key. Nothing decides by it; safe to repeat."""
        ...


class LiveFeed(Protocol):
    """Redis streams: entries with ids `<epoch>-<n>`, n without holes. Every method raises UnavailableError."""

    async def publish(self, organization_id: str, *, epoch: int, n: int, events: Sequence[View]) -> None:
        """Append one entry. Raises StaleOwnerError when the stream already holds a newer epoch."""
        ...


class Processing(Protocol):
    """Temporal."""

    async def signal(self, organization_id: str, call_id: str) -> None:
        """Signal the call's CallProcessingWorkflow, starting it if need be. Safe to repeat. Raises UnavailableError."""
        ...


class Clock(Protocol):
    def now(self) -> int:
        """Milliseconds since the epoch."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything a shard is given."""

    journal: Journal
    effects: Effects
    ownership: Ownership
    snapshots: SnapshotStore
    feed: LiveFeed
    processing: Processing
    clock: Clock
