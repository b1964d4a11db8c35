"""From a replica to the shard that owns an organization: deliveries in micro-batches, boards on demand. No Ray."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

import structlog

from actors.api_limits import OWNER_SECONDS, Grant
from actors.backoff import spread
from actors.domain.commands import InboxRow
from actors.domain.views import View
from actors.organization_actor import BoardSnapshot
from actors.owner_map import OwnerMap
from actors.ports import Delivery, OverloadedError, Ownership, UnavailableError, UnknownOrganizationError, Watch
from actors.shard import DeliveryAnswer

log = structlog.get_logger(__name__)

T = TypeVar("T")

BATCH = 256
OTHERS_PART = 4
"""A queue has room for this part of it more, which one organization alone cannot take."""
SNAPSHOT_SECONDS = 3.0
FIRST_PAUSE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 1.0


class ShardHandle(Protocol):
    """A shard somewhere else. Every method raises UnavailableError: it is restarting, gone or too slow."""

    async def deliver(self, deliveries: Sequence[Delivery]) -> DeliveryAnswer: ...

    async def admit(self, organization_id: str, request: InboxRow) -> str | None:
        """None when the shard is not the owner."""
        ...

    async def slots(self, organization_id: str) -> "View | None":
        """None when the shard is not the owner. Raises UnknownOrganizationError as well."""
        ...

    async def grant(self, organization_id: str, wanted: int) -> Grant | None:
        """None when the shard is not the owner. Raises UnknownOrganizationError as well."""
        ...

    async def snapshot(self, organization_id: str) -> BoardSnapshot | None:
        """None when the shard is not the owner. Raises UnknownOrganizationError as well."""
        ...


FindShard: TypeAlias = Callable[[str], ShardHandle]
"""The handle of a shard by its name; cheap, the shard need not live."""


@dataclass(slots=True)
class Figures:
    """What became of offers since the start."""

    delivered: int = 0
    unrouted: int = 0
    """Refused: nobody owns the slot."""
    overflowed: int = 0
    """Refused: the shard's queue here was full, or the organization's part of it."""
    overloaded: int = 0
    """Not taken by the shard: the organization's mailbox was full."""
    lost: int = 0
    """On the way to a shard that did not answer, or to two in turn that were not the owner."""


@dataclass(frozen=True, slots=True)
class _Offer:
    delivery: Delivery
    turned_away: bool = False


@dataclass(frozen=True, slots=True)
class _Lane:
    """The queue to one shard and the task that empties it."""

    waiting: deque[_Offer]
    parts: Counter[str]
    """How much of it is each organization's."""
    arrived: asyncio.Event
    task: asyncio.Task[None]


class ShardRouter:
    """Hands deliveries over and fetches boards, following slots to whoever owns them.

    A delivery is a hint, given at most once: what does not arrive is in the inbox, and the owner sweeps it up within
    2 s; chatter is lost. While one batch is on its way to a shard the next gathers. Belongs to one event loop.
    """

    def __init__(
        self,
        ownership: Ownership,
        find_shard: FindShard,
        *,
        max_queued: int = 2_000,
        draw: Callable[[], float] = random.random,  # noqa: S311  # spreads retries, guards nothing
    ) -> None:
        self.figures = Figures()
        self._ownership = ownership
        self._find_shard = find_shard
        self._max_queued = max_queued
        self._draw = draw
        self._lanes: dict[str, _Lane] = {}
        self._owners: OwnerMap | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read who owns what; goes on without it when Postgres is away."""
        self._owners = OwnerMap(self._ownership, self._draw)
        self._reading = asyncio.create_task(self._owners.run())
        await self._owners.refreshed()

    async def close(self) -> None:
        """Stop at once; what is queued is left to the sweep."""
        tasks = [lane.task for lane in self._lanes.values()]
        self._lanes.clear()
        if self._reading is not None:
            tasks.append(self._reading)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def offer(self, delivery: Delivery) -> bool:
        """Queue a delivery without waiting; False, and counted, when nobody is known to own it or there is no room."""
        return self._queue(_Offer(delivery))

    def watch(self, organization_id: str) -> bool:
        """Tell the owner that somebody looks at the board; to be told again every RENEW_SECONDS while that is so."""
        return self.offer(Delivery(organization_id=organization_id, item=Watch()))

    async def admit(self, organization_id: str, request: InboxRow, *, seconds: float) -> str:
        """What the organization's owner decided of a request that Postgres holds (`Call.admission`).

        Raises UnavailableError after `seconds`, or sooner when nobody can decide it.
        """
        return await self._ask_owner(organization_id, lambda shard: shard.admit(organization_id, request), seconds)

    async def slots(self, organization_id: str) -> "View | None":
        """The ledger of concurrency slots from the owner; None when there is no such organization.

        Raises UnavailableError after 3 s.
        """
        try:
            return await self._ask_owner(organization_id, lambda shard: shard.slots(organization_id), SNAPSHOT_SECONDS)
        except UnknownOrganizationError:
            return None

    async def grant(self, organization_id: str, wanted: int) -> Grant:
        """Requests of its API that an organization may make within the next second, at most `wanted`.

        Raises UnavailableError after 0.5 s, also when there is no such organization.
        """
        try:
            return await self._ask_owner(
                organization_id, lambda shard: shard.grant(organization_id, wanted), OWNER_SECONDS
            )
        except UnknownOrganizationError as unknown:
            raise UnavailableError(f"there is no organization {organization_id}") from unknown

    async def snapshot(self, organization_id: str) -> BoardSnapshot | None:
        """The board from the organization's owner, found anew if need be; None when there is no such organization.

        Raises UnavailableError after 3 s.
        """
        try:
            return await self._ask_owner(
                organization_id, lambda shard: shard.snapshot(organization_id), SNAPSHOT_SECONDS
            )
        except UnknownOrganizationError:
            return None

    async def _ask_owner(
        self, organization_id: str, ask: Callable[[ShardHandle], Awaitable[T | None]], seconds: float
    ) -> T:
        """What the owner answers, found anew as long as the one asked is away or none (None)."""
        reason: Exception | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    owner = self._map.owner(organization_id)
                    try:
                        answer = await ask(self._find_shard(owner)) if owner is not None else None
                    except OverloadedError:
                        raise
                    except UnavailableError as away:
                        reason, answer = away, None
                    if answer is not None:
                        return answer
                    await self._map.refreshed()
        except TimeoutError:
            raise UnavailableError(f"no owner of organization {organization_id} answered") from reason

    @property
    def _map(self) -> OwnerMap:
        if self._owners is None:
            raise RuntimeError("the router was not started")
        return self._owners

    def _queue(self, offer: _Offer) -> bool:
        owner = self._map.owner(offer.delivery.organization_id)
        if owner is None:
            self._map.refresh()
            self.figures.unrouted += 1
            return False
        lane = self._lanes.get(owner) or self._open_lane(owner)
        organization_id = offer.delivery.organization_id
        part = lane.parts[organization_id]
        room = self._max_queued + self._max_queued // OTHERS_PART
        if len(lane.waiting) >= room or part >= self._max_queued:
            self.figures.overflowed += 1
            return False
        lane.parts[organization_id] = part + 1
        lane.waiting.append(offer)
        lane.arrived.set()
        return True

    def _open_lane(self, owner: str) -> _Lane:
        waiting, parts, arrived = deque[_Offer](), Counter[str](), asyncio.Event()
        task = asyncio.create_task(self._empty(self._find_shard(owner), waiting, parts, arrived))
        lane = self._lanes[owner] = _Lane(waiting, parts, arrived, task)
        task.add_done_callback(lambda _: self._reopen(owner, lane))
        return lane

    def _reopen(self, owner: str, lane: _Lane) -> None:
        """A lane ends by a fault of the code alone: what still waits in it takes a new one."""
        if lane.task.cancelled():
            return
        log.error("the way to a shard failed", shard=owner, exc_info=lane.task.exception())
        if self._lanes.get(owner) is lane:
            del self._lanes[owner]
            self._route_anew(lane.waiting, lane.parts)

    async def _empty(
        self, shard: ShardHandle, waiting: deque[_Offer], parts: Counter[str], arrived: asyncio.Event
    ) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            await arrived.wait()
            arrived.clear()
            while waiting:
                batch = [waiting.popleft() for _ in range(min(BATCH, len(waiting)))]
                parts.subtract(offer.delivery.organization_id for offer in batch)
                if not waiting:
                    parts.clear()
                try:
                    await self._send(shard, batch)
                    pause = FIRST_PAUSE_SECONDS
                except UnavailableError as away:
                    # The shard may have taken them: sent again, something said would be shown twice.
                    self.figures.lost += len(batch)
                    log.warning("a shard does not answer", reason=str(away), lost=len(batch), waiting=len(waiting))
                    await asyncio.sleep(spread(pause, self._draw))
                    pause = min(pause * 2, LAST_PAUSE_SECONDS)
                    await self._map.refreshed()
                    self._route_anew(waiting, parts)
                except Exception:
                    self.figures.lost += len(batch)
                    raise

    def _route_anew(self, waiting: deque[_Offer], parts: Counter[str]) -> None:
        offers = list(waiting)
        waiting.clear()
        parts.clear()
        for offer in offers:
            self._queue(offer)

    async def _send(self, shard: ShardHandle, batch: Sequence[_Offer]) -> None:
        answer = await shard.deliver([offer.delivery for offer in batch])
        self.figures.delivered += answer.accepted
        self.figures.overloaded += answer.overloaded
        if answer.not_owned:
            await self._map.refreshed()
            self._offer_again([offer for offer in batch if offer.delivery.organization_id in answer.not_owned])

    def _offer_again(self, offers: Sequence[_Offer]) -> None:
        for offer in offers:
            if offer.turned_away:
                self.figures.lost += 1
            else:
                self._queue(_Offer(offer.delivery, turned_away=True))
