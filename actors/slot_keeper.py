"""Keeps a fair share of the slots, or those pinned to the shard: announces it, renews, claims, hands a surplus over."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from actors.leases import LEASE_SECONDS, Leases, fair_share
from actors.ports import Lease, Ownership, UnavailableError
from actors.slots import SLOTS

log = structlog.get_logger(__name__)


class SlotKeeper:
    """Call `keep` every RENEW_SECONDS. `incarnation` tells this process from another under the same name.

    A `dedicated` shard owns the slots pinned to its name and no others; while it lives, the others keep off them.

    `on_lost` is told at once of slots this shard may no longer decide for; `hand_over` saves what lives in slots that
    are about to be given back, while the other leases go on being renewed.
    """

    def __init__(
        self,
        *,
        name: str,
        incarnation: str,
        shards: int,
        dedicated: bool,
        ownership: Ownership,
        on_lost: Callable[[Sequence[int]], None],
        hand_over: Callable[[Sequence[int]], Awaitable[None]],
    ) -> None:
        self._name = name
        self._incarnation = incarnation
        self._shards = shards
        self.dedicated = dedicated
        self._ownership = ownership
        self._on_lost = on_lost
        self._hand_over = hand_over
        self._now = asyncio.get_running_loop().time
        self._leases = Leases(self._now)
        self._leaving: Sequence[Lease] = ()
        self._handing: asyncio.Task[None] | None = None
        self._began_at = self._now()
        self._announced = False
        self._claimed: list[int] = []
        self._has_claimed = asyncio.Event()

    def lease_of(self, slot: int) -> Lease | None:
        """The lease to decide under, or None."""
        return self._leases.of(slot)

    @property
    def slots(self) -> Sequence[int]:
        return [lease.slot for lease in self._leases.held]

    @property
    def highest_epoch(self) -> int:
        return max((lease.epoch for lease in self._leases.held), default=0)

    async def take_claimed(self) -> Sequence[int]:
        """Wait for slots claimed since the last time this was asked, and take them."""
        await self._has_claimed.wait()
        self._has_claimed.clear()
        claimed, self._claimed = self._claimed, []
        return claimed

    def put_back(self, claimed: Sequence[int]) -> None:
        """These claimed slots still have to be looked at."""
        self._claimed.extend(claimed)
        self._has_claimed.set()

    def give_up(self, lease: Lease) -> bool:
        """Stop deciding under a lease that proved stale; False when a newer one is held already."""
        if self._leases.of(lease.slot) not in {None, lease}:
            return False
        self._leases.lost([lease.slot])
        self._on_lost([lease.slot])
        return True

    async def keep(self) -> None:
        """One pass. Raises UnavailableError, and StaleOwnerError when another process took this shard's name."""
        asked_at = self._now()
        census = await self._ownership.beat(
            self._name,
            incarnation=self._incarnation,
            first=not self._announced,
            dedicated=self.dedicated,
            lease_seconds=LEASE_SECONDS,
        )
        self._announced = True
        # While the others may still be starting, leave them their share.
        starting = asked_at - self._began_at < LEASE_SECONDS
        expected = max(census.alive, self._shards) if starting else census.alive
        share = SLOTS if self.dedicated else fair_share(expected)
        await self._renew(asked_at)
        if self._handing is not None and not self._handing.done():
            return
        held = self._leases.held
        rightly = [lease for lease in held if lease.slot not in census.misplaced]
        surplus = [lease for lease in held if lease not in rightly[:share]]
        if surplus:
            self._leave(surplus)
        else:
            await self._claim(share, asked_at)

    async def leave_all(self) -> None:
        """Hand everything over and announce that this shard lives no more."""
        if self._handing is not None:
            await asyncio.wait([self._handing])
        self._leave(self._leases.held)
        if self._handing is not None:
            await self._handing
        await self._ownership.leave(self._name)

    async def _renew(self, asked_at: float) -> None:
        held = self._leases.held
        if not held and not self._leaving:
            return
        kept = set(await self._ownership.renew(self._name, [*held, *self._leaving], lease_seconds=LEASE_SECONDS))
        self._leases.gained([lease for lease in held if lease in kept], asked_at=asked_at)
        lost = [lease.slot for lease in held if lease not in kept]
        if lost:
            log.warning("slots lost", shard=self._name, slots=len(lost))
            self._leases.lost(lost)
            self._on_lost(lost)

    async def _claim(self, share: int, asked_at: float) -> None:
        claimed = await self._ownership.claim(
            self._name,
            held=[*self._leases.held, *self._leaving],
            share=share,
            dedicated=self.dedicated,
            lease_seconds=LEASE_SECONDS,
        )
        if claimed:
            slots = [lease.slot for lease in claimed]
            self._on_lost(slots)
            self._leases.gained(claimed, asked_at=asked_at)
            self.put_back(slots)
            log.info("slots claimed", shard=self._name, slots=len(slots))

    def _leave(self, surplus: Sequence[Lease]) -> None:
        log.info("slots handed over", shard=self._name, slots=len(surplus))
        self._leases.lost([lease.slot for lease in surplus])
        self._leaving = surplus
        self._handing = asyncio.create_task(self._release(surplus))

    async def _release(self, leases: Sequence[Lease]) -> None:
        # Whatever happens the slots are released or run out; what could not be saved, Postgres has.
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                await self._hand_over([lease.slot for lease in leases])
        except TimeoutError:
            log.warning("handed over unsaved", shard=self._name, slots=len(leases))
        try:
            await self._ownership.release(self._name, leases)
        except UnavailableError as away:
            log.warning("slots are left to run out", shard=self._name, slots=len(leases), reason=str(away))
        self._leaving = ()
