"""Who decides for which slot: leases in Postgres, by Postgres' clock, fenced by epochs."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from actors.ports import Census, Delivery, Lease, StaleOwnerError
from actors.slots import slot_of
from storage.inbox_rows import inbox_row
from storage.postgres import Pool, fetch
from storage.times import moment


class PostgresOwnership:
    """`actors.ports.Ownership` on Postgres. Every method answers or raises StorageUnavailableError within 2 s."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def beat(
        self, owner: str, *, incarnation: str, first: bool, lease_seconds: float, dedicated: bool = False
    ) -> Census:
        (told,) = await fetch(self._pool, "ownership_beat", owner, UUID(incarnation), first, lease_seconds, dedicated)
        if not told["is_current"]:
            raise StaleOwnerError(f"another process is {owner} now")
        return Census(alive=told["alive"], misplaced=frozenset(told["misplaced"]))

    async def claim(
        self, owner: str, *, held: Sequence[Lease], share: int, lease_seconds: float, dedicated: bool = False
    ) -> Sequence[Lease]:
        """As the port says. A claim whose answer was lost is made good by the next: its slots are not among `held`."""
        slots = [lease.slot for lease in held]
        return _leases(await fetch(self._pool, "ownership_claim", owner, slots, share, lease_seconds, dedicated))

    async def renew(self, owner: str, leases: Sequence[Lease], *, lease_seconds: float) -> Sequence[Lease]:
        return _leases(await fetch(self._pool, "ownership_renew", owner, *_columns(leases), lease_seconds))

    async def release(self, owner: str, leases: Sequence[Lease]) -> None:
        await fetch(self._pool, "ownership_release", owner, *_columns(leases))

    async def leave(self, owner: str) -> None:
        await fetch(self._pool, "ownership_leave", owner)

    async def owners(self) -> Mapping[int, str]:
        return {record["slot"]: record["owner"] for record in await fetch(self._pool, "ownership_owners")}

    async def organizations_with_work(self, slots: Sequence[int]) -> Sequence[str]:
        wanted = frozenset(slots)
        records = await fetch(self._pool, "ownership_organizations_with_work", list(slots))
        organizations = (str(record["organization_id"]) for record in records)
        return [organization_id for organization_id in organizations if slot_of(organization_id) in wanted]

    async def overdue(self, slots: Sequence[int], *, received_before: int, limit: int) -> Sequence[Delivery]:
        records = await fetch(self._pool, "ownership_overdue", list(slots), moment(received_before), limit)
        return [Delivery(organization_id=str(record["organization_id"]), item=inbox_row(record)) for record in records]


def _leases(records: Sequence[asyncpg.Record]) -> Sequence[Lease]:
    return [Lease(slot=record["slot"], epoch=record["epoch"]) for record in records]


def _columns(leases: Sequence[Lease]) -> tuple[list[int], list[int]]:
    return [lease.slot for lease in leases], [lease.epoch for lease in leases]
