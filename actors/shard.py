"""Many organization actors in one process: what is delivered and asked, and what is done again and again. No Ray."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from actors.api_limits import Grant, Granting
from actors.arrivals import Arrivals
from actors.domain.commands import Forget, InboxRow, Tick
from actors.domain.json_types import JSON
from actors.domain.readings import stale_calls
from actors.domain.slot_ledger import slots_view
from actors.domain.views import View
from actors.effect_runner import EffectRunner
from actors.feed_publisher import FeedPublisher
from actors.leases import LEASE_SECONDS, RENEW_SECONDS
from actors.mailboxes import Chore, Mailboxes
from actors.organization_actor import BoardSnapshot, Item, OrganizationActor
from actors.overload import Overload
from actors.ports import Delivery, OverloadedError, Ports, StaleOwnerError, UnavailableError, Watch
from actors.recovery import ENDED_KEPT_MS
from actors.requests import Requests
from actors.residents import Residents
from actors.rota import Rota
from actors.rounds import Rounds
from actors.slot_keeper import SlotKeeper
from actors.slots import slot_of
from actors.watches import Watches

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
SAVE_SECONDS = 0.5
OVERDUE_MS = 2_000
SWEEP_ROWS = 1_000
IDLE_MS = 15 * 60_000
TIDY_SECONDS = 30.0
CHECK_MS = 60_000
CHECK_SECONDS = 1.0
TICK_SECONDS = 1.0
JUDGED_AT_ONCE = 64
"""Ten thousand organizations with live calls take half a second to look at: others go on in between."""
SAVES_AT_ONCE = 16
FAILED_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryAnswer:
    """What became of a delivery: rows that were not accepted stay in the inbox for the sweep."""

    accepted: int
    not_owned: frozenset[str]
    overloaded: int


class Shard:
    """Hosts the organizations of the slots it holds leases of.

    A delivery is a hint and is safe to repeat; what Postgres holds and nobody delivered is swept up within 2 s.
    On losing a lease the slot's organizations are dropped at once, unsaved: the new owner has Postgres. A fault of the
    code in one row or one organization is told in the status, tried again with backoff, and holds up no other.
    """

    def __init__(self, *, name: str, incarnation: str, shards: int, ports: Ports, dedicated: bool = False) -> None:
        self.name = name
        self._ports = ports
        self._keeper = SlotKeeper(
            name=name,
            incarnation=incarnation,
            shards=shards,
            dedicated=dedicated,
            ownership=ports.ownership,
            on_lost=self._drop_slots,
            hand_over=self._hand_over,
        )
        self._residents = Residents(owner=name, ports=ports, lease_of=self._keeper.lease_of, on_up=self._came_up)
        self._effects = EffectRunner(ports)
        self._publisher = FeedPublisher(is_current=self._residents.is_current, on_stale=self._retire)
        self._requests = Requests()
        self._rounds = Rounds(
            clock=ports.clock, effects=self._effects, publisher=self._publisher, requests=self._requests
        )
        self._mailboxes = Mailboxes(self._take_in, self._do)
        self._arrivals = Arrivals(actor_of=self._residents.get, mailboxes=self._mailboxes)
        self._granting = Granting()
        self._watches = Watches(ports.clock)
        self._overload = Overload(name)
        self._checks = Rota(period_ms=CHECK_MS, every_ms=int(CHECK_SECONDS * 1000))
        # In the order they came, which a set of texts has anew in every process.
        self._watched: dict[str, None] = {}
        self._running: asyncio.Task[None] | None = None
        self._stale = 0

    async def start(self) -> None:
        """Begin to claim slots, activate every organization with work, and keep going until `stop`."""
        self._running = asyncio.create_task(self._run())

    async def failed(self) -> None:
        """Wait until a loop ends by a fault of the code, or this shard's name is another's, and raise that.

        The process must be replaced then.
        """
        if self._running is not None:
            await asyncio.shield(self._running)

    async def stop(self) -> None:
        """Drain mailboxes, publish, snapshot, give the slots back: nobody waits for a lease to run out."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait([self._running])
        await self._keeper.leave_all()

    async def deliver(self, deliveries: Sequence[Delivery]) -> DeliveryAnswer:
        """Put deliveries into mailboxes. Never waits for them to be applied."""
        not_owned: set[str] = set()
        overloaded = 0
        for delivery in deliveries:
            organization_id = delivery.organization_id
            if self._keeper.lease_of(slot_of(organization_id)) is None:
                not_owned.add(organization_id)
            elif isinstance(delivery.item, Watch):
                self._watches.renew(organization_id)
            elif not self._arrivals.post(organization_id, delivery.item):
                overloaded += 1
                self._overload.refused(organization_id, self._ports.clock.now())
        return DeliveryAnswer(
            accepted=len(deliveries) - overloaded - sum(each.organization_id in not_owned for each in deliveries),
            not_owned=frozenset(not_owned),
            overloaded=overloaded,
        )

    async def admit(self, organization_id: str, request: InboxRow) -> str | None:
        """What the owner decided of a request, once Postgres holds it; None when this shard is not the owner.

        Safe to repeat. Raises UnavailableError, and OverloadedError at once when the organization's mailbox is full:
        nothing is decided yet, and the sweep brings the row.
        """
        if self._keeper.lease_of(slot_of(organization_id)) is None:
            return None
        answer = self._requests.ask(request.id)
        if not self._arrivals.post(organization_id, request):
            self._overload.refused(organization_id, self._ports.clock.now())
            self._requests.forget(request.id, answer)
            raise OverloadedError(f"the mailbox of organization {organization_id} is full")
        return await self._requests.answered(request.id, answer)

    async def slots(self, organization_id: str) -> "View | None":
        """The ledger of concurrency slots; None when this shard is not the owner.

        Raises UnknownOrganizationError, UnavailableError.
        """
        actor = await self._residents.active(organization_id)
        return slots_view(actor.state, self._ports.clock.now()) if actor is not None else None

    async def grant(self, organization_id: str, wanted: int) -> Grant | None:
        """Requests of its API that an organization may make now; None when this shard is not the owner.

        Raises UnknownOrganizationError, UnavailableError.
        """
        actor = await self._residents.active(organization_id)
        if actor is None:
            return None
        per_second, now = actor.state.policy.api_rate_limit, self._ports.clock.now() / 1000
        return self._granting.grant(organization_id, wanted=wanted, per_second=per_second, now=now)

    async def snapshot(self, organization_id: str) -> BoardSnapshot | None:
        """The board of an organization, activating it if need be; None when this shard is not its owner.

        Raises UnknownOrganizationError, UnavailableError.
        """
        actor = await self._residents.active(organization_id)
        if actor is not None and actor.needs_tidying(ended_before=0):
            self._mailboxes.post(organization_id, Forget(before=0))
            await self._mailboxes.drained([organization_id], seconds=SWEEP_SECONDS)
        return actor.board() if actor is not None else None

    def status(self) -> dict[str, JSON]:
        """What an operator wants to read of this shard."""
        actors, now = self._residents.all(), self._ports.clock.now()
        calls = [call for actor in actors for call in actor.state.calls.values()]
        return {
            "name": self.name,
            "dedicated": self._keeper.dedicated,
            "slots": len(self._keeper.slots),
            "organizations": len(actors),
            "live_calls": sum(call.is_live for call in calls),
            "stale_calls": sum(len(stale_calls(actor.state.calls.values(), now)) for actor in actors),
            "watched": len(self._watched),
            "open_incidents": sum(len(actor.state.alarms.open) for actor in actors),
            "rows_applied": self._rounds.applied,
            "stale_refusals": self._stale,
            "repairs": self._rounds.repairs,
            "overloaded": self._overload.total,
            "activations": self._residents.activations,
            "waiting_in_mailboxes": self._mailboxes.waiting,
            "waiting_for_look_ups": self._arrivals.waiting,
            "deepest_mailbox": self._mailboxes.deepest,
            "effects_under_way": self._effects.waiting,
            "lag_ms": self._rounds.lag_ms,
            "rows_failing": len(self._rounds.failed_rows),
            "failing_rows": [*self._rounds.failed_rows.some(FAILED_SHOWN)],
            "failing_organizations": [*self._residents.failing.some(FAILED_SHOWN)],
            "highest_epoch": self._keeper.highest_epoch,
        }

    async def _run(self) -> None:
        loops: tuple[tuple[Callable[[], Awaitable[None]], float], ...] = (
            (self._keeper.keep, RENEW_SECONDS),
            (self._sweep_rows, SWEEP_SECONDS),
            (self._sweep_effects, SWEEP_SECONDS),
            (self._save, SAVE_SECONDS),
            (self._tidy, TIDY_SECONDS),
            (self._check, CHECK_SECONDS),
            (self._tick, TICK_SECONDS),
        )
        async with asyncio.TaskGroup() as group:
            for work, seconds in loops:
                group.create_task(self._every(seconds, work))
            group.create_task(self._every(0, self._activate_claimed))
            group.create_task(self._effects.run())

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except UnavailableError as away:
                log.warning("a server is away", shard=self.name, work=work.__name__, reason=str(away))
            await asyncio.sleep(seconds)

    async def _take_in(self, organization_id: str, items: Sequence[Item]) -> bool:
        actor = await self._residents.active(organization_id)
        if actor is None:
            return False
        try:
            await self._rounds.take_in(actor, items)
        except StaleOwnerError:
            self._retire(actor)
        finally:
            # Not sooner: a tick meanwhile would judge what memory was before, and look no more.
            self._watched[organization_id] = None
        return True

    async def _do(self, organization_id: str, chore: Chore) -> None:
        actor = self._residents.get(organization_id)
        if actor is None:
            return
        try:
            if chore is Chore.REST:
                await self._rest(actor)
            else:
                await self._rounds.check(actor)
                self._watched[organization_id] = None
        except StaleOwnerError:
            self._retire(actor)

    def _came_up(self, actor: OrganizationActor) -> None:
        self._watched[actor.organization_id] = None
        self._publisher.wake(actor)

    def _retire(self, actor: OrganizationActor) -> None:
        self._stale += 1
        log.warning("stale owner retires", organization_id=actor.organization_id, epoch=actor.lease.epoch)
        if not self._keeper.give_up(actor.lease):
            self._residents.drop(actor)

    def _drop_slots(self, slots: Sequence[int]) -> None:
        self._residents.drop_slots(slots)

    async def _hand_over(self, slots: Sequence[int]) -> None:
        """Let what is under way in slots that are no longer decided for finish; publish and save what lives there."""
        leaving = self._residents.drop_slots(slots)
        organization_ids = [actor.organization_id for actor in leaving]
        await self._mailboxes.drained(organization_ids, seconds=LEASE_SECONDS / 2)
        waiting = deque(leaving)

        async def settle() -> None:
            while waiting:
                actor = waiting.popleft()
                await self._publisher.finish(actor)
                await self._save_one(actor, force=True)

        async with asyncio.TaskGroup() as group:
            for _ in range(SAVES_AT_ONCE):
                group.create_task(settle())

    # Loops.

    async def _activate_claimed(self) -> None:
        """Bring up every organization with open calls or waiting rows in slots claimed since."""
        slots = await self._keeper.take_claimed()
        try:
            waiting = await self._ports.ownership.organizations_with_work(slots)
        except UnavailableError:
            self._keeper.put_back(slots)
            await asyncio.sleep(SWEEP_SECONDS / 5)
            raise
        await self._residents.bring_up(waiting)

    async def _sweep_rows(self) -> None:
        for actor in self._residents.all():
            if actor.is_doubtful:
                # Rows that were applied after all are never overdue: nothing else would have them looked for.
                self._mailboxes.post(actor.organization_id, Forget(before=0))
        progress = True
        while progress:
            before = self._ports.clock.now() - OVERDUE_MS
            # Rows that fail stay in the page: they must not crowd out the others.
            limit = SWEEP_ROWS + len(self._rounds.failed_rows)
            overdue = await self._ports.ownership.overdue(self._keeper.slots, received_before=before, limit=limit)
            applied = self._rounds.applied
            for delivery in overdue:
                if not isinstance(delivery.item, Watch):
                    self._arrivals.post(delivery.organization_id, delivery.item)
            if overdue:
                await self._arrivals.settled([delivery.organization_id for delivery in overdue], seconds=SWEEP_SECONDS)
            progress = len(overdue) == limit and self._rounds.applied > applied

    async def _sweep_effects(self) -> None:
        room = min(self._effects.room, SWEEP_ROWS)
        if room:
            slots, now = self._keeper.slots, self._ports.clock.now()
            self._effects.offer(await self._ports.effects.due(slots, now=now, limit=room))

    async def _save(self) -> None:
        for actor in self._residents.all():
            await self._save_one(actor)
        if counts := self._granting.take_changed():
            try:
                await self._ports.snapshots.mirror_requests(counts)
            except UnavailableError as away:
                log.debug("redis is away", organizations=len(counts), reason=str(away))

    async def _save_one(self, actor: OrganizationActor, *, force: bool = False) -> None:
        try:
            await actor.save(force=force)
        except StaleOwnerError:
            self._retire(actor)
        except UnavailableError as away:
            log.debug("redis is away", organization_id=actor.organization_id, reason=str(away))

    async def _tick(self) -> None:
        """Have alarms judged where time alone may change a verdict. Quiet organizations are not even looked at."""
        now = self._ports.clock.now()
        for place, organization_id in enumerate(list(self._watched), 1):
            if place % JUDGED_AT_ONCE == 0:
                await asyncio.sleep(0)
            actor = self._residents.get(organization_id)
            try:
                if actor is not None and actor.needs_tick(now):
                    self._mailboxes.post(organization_id, Tick(at=now))
                elif not self._residents.holds(organization_id) or (actor is not None and not actor.is_watched):
                    self._watched.pop(organization_id, None)
            except Exception:
                # A fault of the code holds up no other organization; what is processed next has it tried again.
                log.exception("alarms cannot be judged", organization_id=organization_id)
                self._watched.pop(organization_id, None)

    async def _tidy(self) -> None:
        now = self._ports.clock.now()
        self._watches.forget_past()
        for actor in self._residents.all():
            if actor.needs_tidying(ended_before=now - ENDED_KEPT_MS):
                self._mailboxes.post(actor.organization_id, Forget(before=now - ENDED_KEPT_MS))
            elif self._may_rest(actor):
                self._mailboxes.post(actor.organization_id, Chore.REST)

    def _may_rest(self, actor: OrganizationActor) -> bool:
        idle = self._ports.clock.now() - actor.last_active_at > IDLE_MS
        return idle and actor.is_at_rest and not self._watches.is_watched(actor.organization_id)

    async def _rest(self, actor: OrganizationActor) -> None:
        """Leave memory, unless something came since this was asked for, or comes while the snapshot is saved."""
        if not self._may_rest(actor):
            return
        await self._save_one(actor, force=True)
        organization_id = actor.organization_id
        if (
            self._residents.is_current(actor)
            and self._may_rest(actor)
            and self._mailboxes.is_empty(organization_id)
            and self._arrivals.is_empty(organization_id)
            and not actor.feed
        ):
            self._residents.rest(actor)

    async def _check(self) -> None:
        """Have each organization in memory that has calls held against Postgres once a minute."""
        with_calls = [actor.organization_id for actor in self._residents.all() if actor.state.calls]
        for organization_id in self._checks.due(with_calls, self._ports.clock.now()):
            self._mailboxes.post(organization_id, Chore.CHECK)
