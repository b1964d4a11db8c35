"""One organization's actor: recover its state, decide batches, keep the order of writes. No Ray, no I/O of its own."""

from asyncio import CancelledError
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias, TypeGuard

from actors.call_lookups import CallLookups
from actors.domain.admission import DEADLINE_MS, UNCHECKED, MonthUse, local_month
from actors.domain.alarm_rules import rule_facts
from actors.domain.alarms import Incident
from actors.domain.call import Call
from actors.domain.commands import Forget, Hear, InboxRow, Tick, has_rules, is_configuration
from actors.domain.effects import Effect
from actors.domain.events import (
    BreachesNoted,
    CallChanged,
    CallProcessed,
    Event,
    IncidentChanged,
    StaleNoted,
)
from actors.domain.json_types import Facts
from actors.domain.judging import incidents_changed
from actors.domain.local_day import local_date
from actors.domain.organization import Organization, Round, changes_between, decide, decide_all, recall
from actors.domain.policy import policy_facts
from actors.domain.readings import is_watched
from actors.domain.views import View, counters_update, feed_entry, state_view
from actors.drift import repaired
from actors.feed_tail import FeedTail
from actors.ports import (
    AlreadyAppliedError,
    Batch,
    Finding,
    Lease,
    Ports,
    Snapshot,
    UnavailableError,
)
from actors.recovery import recovered_alarms, recovered_state

APPLIED_REMEMBERED = 20_000
FINDINGS_KEPT = 200
SNAPSHOT_EVERY_MS = 2_000
CALLS_SAVED_PER_PAUSE = 500
SAVED_ANEW_MS = 20 * 60_000
"""A third of the time for which the set of calls that go on is kept in Redis."""

Item: TypeAlias = InboxRow | Hear | Forget | Tick


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSnapshot:
    """The board at a position of the feed: exactly what the entries up to `position` amount to."""

    position: str
    state: View


class OrganizationActor:
    """Decides for one organization while `lease` holds.

    Only one task at a time may call `recover` and `process`; nothing awaits between reading and changing the state.
    Nothing leaves that Postgres has not accepted first. Durable: everything that came as an inbox row, and incidents.
    Lost with the process: chatter since the last snapshot, and breaches too young to be incidents.
    """

    def __init__(
        self, organization_id: str, *, lease: Lease, owner: str, ports: Ports, state: Organization, first_n: int = 0
    ) -> None:
        self.organization_id = organization_id
        self.lease = lease
        self.state = state
        self.last_active_at = ports.clock.now()
        self._owner = owner
        self._ports = ports
        self._applied: OrderedDict[int, None] = OrderedDict()
        self._lookups = CallLookups(self._read_calls)
        self._doubtful = False
        self._untold: list[Finding] = []
        self.feed = FeedTail(organization_id, lease=lease, feed=ports.feed, first_n=first_n)
        self._saved_at = 0
        self._dirty = True

    @classmethod
    async def recover(
        cls, organization_id: str, *, lease: Lease, owner: str, ports: Ports, first_n: int = 0
    ) -> "OrganizationActor":
        """The actor as Postgres' rows define it; Redis only makes it quicker.

        `first_n` continues the feed of an actor that rested under the same lease. Raises UnavailableError,
        UnknownOrganizationError.
        """
        state = await recovered_state(ports, organization_id)
        actor = cls(organization_id, lease=lease, owner=owner, ports=ports, state=state, first_n=first_n)
        await actor._start_month()
        return actor

    async def process(self, items: Sequence[Item]) -> Sequence[Effect]:
        """Take in a batch and return the effects to run, which Postgres already holds.

        Raises StaleOwnerError (retire at once), UnavailableError (rows stay in the inbox for the sweep), and whatever
        a fault of the code throws, before anything is written.
        """
        if not all(isinstance(item, Tick) for item in items):
            self.last_active_at = self._ports.clock.now()
        try:
            return await self._round(items)
        except AlreadyAppliedError as applied:
            # Hints that came late, after a take-over: the rest of the batch must not wait for the sweep.
            self._note_applied(applied.row_ids)
        try:
            return await self._round(items)
        except AlreadyAppliedError as applied:
            raise UnavailableError("rows were applied before, twice; the sweep brings the others") from applied

    async def _round(self, items: Sequence[Item]) -> Sequence[Effect]:
        if self._doubtful:
            await self._catch_up()
        await self._start_day()
        await self._start_month()
        fresh = await self._configured(self._fresh(items))
        recalled = await self._recalled([item for item in fresh if isinstance(item, InboxRow | Hear)])
        decided = decide_all(self._with(recalled), fresh)
        # Whatever may fail by a fault of the code fails before the commit. Of calls that were forgotten the feed's
        # readers have to be told first, or what is heard of them would be lost on them.
        again = [CallChanged(call=call, kind=call.last_event_kind) for call in recalled.values()]
        entry = feed_entry([*again, *decided.events], decided.state)
        if decided.marks or any(isinstance(event, IncidentChanged) for event in decided.events):
            await self._commit(decided)
        zone_changed = decided.state.time_zone != self.state.time_zone
        self._dirty = self._dirty or any(not isinstance(event, BreachesNoted | StaleNoted) for event in decided.events)
        self.state = decided.state
        self._note_applied(row_id for row_id, _ in decided.marks)
        if entry:
            self.feed.add(entry)
        if zone_changed:
            # The day has other bounds now. Should Postgres be away, the next batch counts it anew.
            await self._count_anew()
        return decided.effects

    async def check(self) -> int:
        """Hold the state against Postgres, repair what differs on either side, and tell the inbox; how much that was.

        In turn with `process`, and raises as it does. Memory is repaired first; a repair that could not be told is told
        by the next check.
        """
        await self._round([])
        before = self.state
        self.state, findings = await repaired(before, self._ports.journal)
        self._untold = [*self._untold, *findings][:FINDINGS_KEPT]
        if findings:
            self._dirty = True
            self._lookups.clear()
            self.feed.add(feed_entry(changes_between(before, self.state), self.state) or [counters_update(self.state)])
        elif self.state.today != before.today:
            self.feed.add([counters_update(self.state)])
        if not self._untold:
            return 0
        told = await self._ports.journal.note_repairs(
            self.organization_id, self._untold, lease=self.lease, owner=self._owner, at=self._ports.clock.now()
        )
        self._untold = []
        await self._round(told)
        await self._count_anew()
        return len(told)

    def knows(self, call_id: str | None) -> bool:
        """Whether a round takes in what tells of the call without asking Postgres about it first."""
        return call_id is None or call_id in self.state.calls or call_id in self._lookups

    async def look_up(self, call_ids: Collection[str]) -> None:
        """Learn what Postgres holds of these calls, beside rounds, so that those need not. Raises UnavailableError."""
        await self._lookups.look_up(call_ids)

    def needs_tidying(self, *, ended_before: int) -> bool:
        """Whether a `Forget` in the mailbox would change anything: the day is over, or calls ended long ago."""
        if self._today() != self.state.today.day:
            return True
        return any(call.is_ended and call.evidence_at < ended_before for call in self.state.calls.values())

    def needs_tick(self, now: int) -> bool:
        """Whether a `Tick` in the mailbox would change anything at `now`."""
        return bool(decide(self.state, Tick(at=now)).events)

    @property
    def is_watched(self) -> bool:
        """Whether time alone may bring that about; otherwise only what is processed can."""
        return is_watched(self.state)

    @property
    def is_doubtful(self) -> bool:
        """Whether a commit was not answered: any batch, even an empty one, finds out what Postgres holds."""
        return self._doubtful

    @property
    def is_at_rest(self) -> bool:
        """Nothing goes on: Postgres and a snapshot are enough."""
        return not self.state.alarms.has_open and all(call.is_ended for call in self.state.calls.values())

    def board(self) -> BoardSnapshot:
        """The board now, at the position of its last entry for the feed."""
        return BoardSnapshot(position=self.feed.position, state=state_view(self.state))

    async def save(self, *, force: bool = False) -> None:
        """Snapshot to Redis, at most every 2 s while the state changes, and now and then while a quiet call goes on.

        Raises StaleOwnerError, UnavailableError.
        """
        now = self._ports.clock.now()
        if now - self._saved_at >= SAVED_ANEW_MS and any(call.is_live for call in self.state.calls.values()):
            self._dirty = True
        # A large state is saved less often: what a snapshot lacks, Postgres' rows above it replace.
        pause = SNAPSHOT_EVERY_MS * (1 + len(self.state.calls) // CALLS_SAVED_PER_PAUSE)
        if not self._dirty or (not force and now - self._saved_at < pause):
            return
        self._dirty, self._saved_at = False, now
        try:
            await self._ports.snapshots.save(self.organization_id, Snapshot(epoch=self.lease.epoch, state=self.state))
        except (UnavailableError, CancelledError):
            self._dirty = True
            raise

    def _today(self) -> date:
        now, today = self._ports.clock.now(), self.state.today
        # `date.min` asks for the figures to be read anew, whatever day it is.
        return today.day if today.covers(now) and today.day != date.min else local_date(now, self.state.time_zone)

    async def _count_anew(self) -> None:
        self.state = replace(self.state, today=replace(self.state.today, day=date.min), used=MonthUse())
        await self._start_day()
        await self._start_month()

    async def _start_day(self) -> None:
        today = self._today()
        if today != self.state.today.day:
            counters = await self._ports.journal.day(self.organization_id, today, self.state.time_zone)
            self.state = replace(self.state, today=counters)
            self._dirty = True
            self.feed.add([counters_update(self.state)])

    async def _start_month(self) -> None:
        """Have this month's use at hand while there is a cap to hold it against."""
        if self.state.policy.minutes_cap is None:
            self.state = replace(self.state, used=MonthUse()) if self.state.used != MonthUse() else self.state
            return
        month = local_month(self._ports.clock.now(), self.state.time_zone)
        if month != self.state.used.month:
            used = await self._ports.journal.month(self.organization_id, month, self.state.time_zone)
            self.state = replace(self.state, used=used)
            self._dirty = True

    def _fresh(self, items: Sequence[Item]) -> list[Item]:
        """The items without rows that were applied, or stand here twice: the hint and the sweep may bring the same."""
        waited_for_since = self._ports.clock.now() - DEADLINE_MS
        seen: set[int] = set()
        kept: list[Item] = []
        for item in items:
            if isinstance(item, InboxRow):
                if item.id in seen or item.id in self._applied or item.apply_sequence is not None:
                    continue
                seen.add(item.id)
                if item.type == "assistant-request" and item.received_at < waited_for_since:
                    kept.append(replace(item, outcome=UNCHECKED))
                    continue
            kept.append(item)
        # A call that is forgotten and spoken of in one batch must not begin anew.
        return sorted(kept, key=lambda item: isinstance(item, Forget))

    def _note_applied(self, row_ids: Iterable[int]) -> None:
        for row_id in row_ids:
            self._applied[row_id] = None
        while len(self._applied) > APPLIED_REMEMBERED:
            self._applied.popitem(last=False)

    async def _configured(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items, with the settings in those that tell of a change: Postgres', for they may come in any order."""
        if not any(map(_tells_of_a_change, items)):
            return items
        profile = await self._ports.journal.profile(self.organization_id)
        if profile is None:
            return items
        if profile.policy.minutes_cap is not None and self.state.policy.minutes_cap is None:
            # What is asked later in this batch is held against the new cap.
            month = local_month(self._ports.clock.now(), self.state.time_zone)
            used = await self._ports.journal.month(self.organization_id, month, self.state.time_zone)
            self.state = replace(self.state, used=used)
        facts = {"name": profile.name, "time_zone": profile.time_zone, "policy": policy_facts(profile.policy)}
        rules: Facts = {"rules": [rule_facts(rule) for rule in profile.alarm_rules]}
        return [
            replace(item, facts=rules if has_rules(item) else facts) if _tells_of_a_change(item) else item
            for item in items
        ]

    async def _recalled(self, items: Sequence[InboxRow | Hear]) -> Mapping[str, Call]:
        """The calls of `items` that Postgres knows and memory does not: late messages, or chatter after a rest."""
        unknown = {item.call_id for item in items if item.call_id is not None} - self.state.calls.keys()
        if not unknown:
            return {}
        return await self._lookups.look_up(unknown)

    async def _read_calls(self, call_ids: Sequence[str]) -> Mapping[str, Call]:
        return recall(self.organization_id, await self._ports.journal.rows_of_calls(self.organization_id, call_ids))

    def _with(self, recalled: Mapping[str, Call]) -> Organization:
        return replace(self.state, calls={**self.state.calls, **recalled}) if recalled else self.state

    async def _commit(self, decided: Round) -> None:
        calls: dict[str, Call] = {}
        incidents: dict[str, Incident] = {}
        for event in decided.events:
            match event:
                case CallChanged(call=call) | CallProcessed(call=call):
                    calls[call.call_id] = call
                case IncidentChanged(incident=incident):
                    incidents[incident.incident_id] = incident
                case _:
                    pass
        batch = Batch(
            organization_id=self.organization_id,
            lease=self.lease,
            owner=self._owner,
            marks=decided.marks,
            outcomes=decided.outcomes,
            calls=list(calls.values()),
            effects=decided.effects,
            at=self._ports.clock.now(),
            incidents=list(incidents.values()),
        )
        # The answer to a COMMIT may be lost: until one comes, what Postgres holds decides before anything is taken in.
        self._doubtful = True
        self._lookups.void(calls)
        try:
            await self._ports.journal.commit(batch)
        finally:
            self._lookups.void(calls)
        self._doubtful = False

    async def _catch_up(self) -> None:
        """Fold what Postgres applied beyond this state, a commit whose answer was lost, and tell the feed of it."""
        self._lookups.clear()
        rows = await self._ports.journal.rows_after(self.organization_id, self.state.apply_sequence)
        recalled = await self._recalled(rows)
        day = await self._ports.journal.day(self.organization_id, self.state.today.day, self.state.time_zone)
        state = self._with(recalled)
        decided = decide_all(state, await self._configured([row for row in rows if not _holds(state, row)]))
        last = rows[-1].apply_sequence if rows else None
        before = self.state.alarms
        alarms = await recovered_alarms(
            self._ports,
            self.organization_id,
            rules=decided.state.alarms.own_rules,
            watched_from=before.watched_from,
            held=before,
        )
        if decided.state.time_zone != state.time_zone:
            day = replace(day, day=date.min)
        self.state = replace(
            decided.state, apply_sequence=last or self.state.apply_sequence, today=day, used=MonthUse(), alarms=alarms
        )
        self._note_applied(row.id for row in rows)
        self._lookups.clear()
        self._doubtful = False
        touched = dict.fromkeys(row.call_id for row in rows)
        calls = (self.state.calls.get(call_id) for call_id in touched if call_id is not None)
        events: list[Event] = [CallChanged(call=call, kind=call.last_event_kind) for call in calls if call is not None]
        events.extend(incidents_changed(before, alarms))
        if rows or events:
            self._dirty = True
            self.feed.add(feed_entry(events, self.state) or [counters_update(self.state)])


def _holds(state: Organization, row: InboxRow) -> bool:
    # A call just loaded from its complete history contains the row already.
    call = state.calls.get(row.call_id or "")
    return call is not None and call.version >= (row.apply_sequence or 0)


def _tells_of_a_change(item: Item) -> TypeGuard[InboxRow]:
    return isinstance(item, InboxRow) and (is_configuration(item) or has_rules(item))
