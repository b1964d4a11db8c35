"""The organizations in memory: brought up when needed, dropped with their slot, let go when idle."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

import structlog

from actors.backoff import Backoff
from actors.organization_actor import OrganizationActor
from actors.ports import Lease, Ports, UnavailableError, UnknownOrganizationError
from actors.slots import slot_of

log = structlog.get_logger(__name__)

ACTIVATIONS = 8
"""So many recover at once; fewer than the shard's connections, so that what is up already goes on."""
COMING_UP = 2_000
"""So many may wait for that; further ones are refused, and brought by the sweep or the next question."""
RESTED = 50_000
"""Whose feeds' positions are kept. One forgotten begins its feed anew, which the stream refuses: the slot's epoch is
raised then, and clients start over."""


class Residents:
    """Of one shard. An organization comes up once however many ask, and after a fault of the code not for a while."""

    def __init__(
        self,
        *,
        owner: str,
        ports: Ports,
        lease_of: Callable[[int], Lease | None],
        on_up: Callable[[OrganizationActor], None],
    ) -> None:
        self.activations = 0
        self.failing: Backoff[str] = Backoff()
        self._owner = owner
        self._ports = ports
        self._lease_of = lease_of
        self._on_up = on_up
        self._actors: dict[str, OrganizationActor] = {}
        self._rested: OrderedDict[str, tuple[Lease, int]] = OrderedDict()
        self._activating: dict[tuple[str, Lease], asyncio.Task[OrganizationActor | None]] = {}
        self._at_once = asyncio.Semaphore(ACTIVATIONS)

    def all(self) -> Sequence[OrganizationActor]:
        return list(self._actors.values())

    def get(self, organization_id: str) -> OrganizationActor | None:
        """The actor if it is in memory and its lease runs."""
        actor = self._actors.get(organization_id)
        return actor if actor is not None and self._lease_of(actor.lease.slot) == actor.lease else None

    def holds(self, organization_id: str) -> bool:
        """Whether it is in memory, be it under a lease that has run out and may still be renewed."""
        return organization_id in self._actors

    def is_current(self, actor: OrganizationActor) -> bool:
        """Whether the actor was neither dropped nor replaced."""
        return self._actors.get(actor.organization_id) is actor

    async def active(self, organization_id: str) -> OrganizationActor | None:
        """The actor, recovered first if need be; None when the slot is not ours.

        Raises UnknownOrganizationError, UnavailableError; the latter also for a while after a fault of the code, and
        when too many come up already.
        """
        lease = self._lease_of(slot_of(organization_id))
        if lease is None:
            return None
        actor = self._actors.get(organization_id)
        if actor is not None and actor.lease == lease:
            return actor
        if not self.failing.is_due(organization_id, self._ports.clock.now()):
            raise UnavailableError(f"organization {organization_id} failed to come up and waits")
        key = (organization_id, lease)
        task = self._activating.get(key)
        if task is None:
            if len(self._activating) >= COMING_UP:
                raise UnavailableError(f"{COMING_UP} organizations are coming up")
            task = self._activating[key] = asyncio.create_task(self._activate(organization_id, lease))
        return await asyncio.shield(task)

    async def bring_up(self, organization_ids: Sequence[str]) -> None:
        """Activate all of them. Whom Postgres does not answer for now, the sweep or the next message brings up."""
        waiting = deque(organization_ids)

        async def bring_up() -> None:
            while waiting:
                with suppress(UnknownOrganizationError, UnavailableError):
                    await self.active(waiting.popleft())

        async with asyncio.TaskGroup() as group:
            for _ in range(ACTIVATIONS):
                group.create_task(bring_up())

    def rest(self, actor: OrganizationActor) -> None:
        """Let the actor leave memory. Under the same lease its feed goes on where it was."""
        organization_id = actor.organization_id
        del self._actors[organization_id]
        self._rested[organization_id] = (actor.lease, actor.feed.next_n)
        self._rested.move_to_end(organization_id)
        while len(self._rested) > RESTED:
            self._rested.popitem(last=False)

    def drop(self, actor: OrganizationActor) -> None:
        """Forget an actor that may decide no more, unless another took its place."""
        if self.is_current(actor):
            del self._actors[actor.organization_id]

    def drop_slots(self, slots: Collection[int]) -> Sequence[OrganizationActor]:
        """Forget every organization of these slots; returns those that were in memory."""
        gone = frozenset(slots)
        dropped = [actor for actor in self._actors.values() if actor.lease.slot in gone]
        for actor in dropped:
            del self._actors[actor.organization_id]
        for key in [key for key, (lease, _) in self._rested.items() if lease.slot in gone]:
            del self._rested[key]
        return dropped

    async def _activate(self, organization_id: str, lease: Lease) -> OrganizationActor | None:
        try:
            async with self._at_once:
                rested, next_n = self._rested.get(organization_id, (None, 0))
                actor = await OrganizationActor.recover(
                    organization_id,
                    lease=lease,
                    owner=self._owner,
                    ports=self._ports,
                    first_n=next_n if rested == lease else 0,
                )
        except (UnavailableError, UnknownOrganizationError):
            raise
        except Exception as fault:
            log.exception("an organization cannot come up", organization_id=organization_id)
            self.failing.failed(organization_id, self._ports.clock.now())
            raise UnavailableError(f"organization {organization_id} cannot come up") from fault
        finally:
            self._activating.pop((organization_id, lease), None)
        self.failing.succeeded(organization_id)
        self.activations += 1
        if self._lease_of(lease.slot) != lease:
            return None
        self._actors[organization_id] = actor
        self._rested.pop(organization_id, None)
        self._on_up(actor)
        return actor
