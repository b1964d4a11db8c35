"""Which slots this shard may decide for, by its own monotonic clock and no longer than it asked for."""

from collections.abc import Callable, Sequence

from actors.ports import Lease
from actors.slots import SLOTS

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0


def fair_share(live_shards: int) -> int:
    """How many slots a shard may hold when so many live."""
    return -(-SLOTS // max(1, live_shards))


class Leases:
    """The leases held, each with the moment after which it must not be trusted without a renewal."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._held: dict[int, tuple[Lease, float]] = {}

    def of(self, slot: int) -> Lease | None:
        """The lease of a slot, or None when it is not held or has run out."""
        lease, until = self._held.get(slot, (None, 0.0))
        return lease if self._monotonic() < until else None

    @property
    def held(self) -> Sequence[Lease]:
        """Every lease that was claimed and not lost, run out or not."""
        return [lease for lease, _ in self._held.values()]

    def gained(self, leases: Sequence[Lease], *, asked_at: float) -> None:
        """These were claimed or renewed by a request sent at `asked_at`."""
        for lease in leases:
            self._held[lease.slot] = (lease, asked_at + LEASE_SECONDS)

    def lost(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self._held.pop(slot, None)
