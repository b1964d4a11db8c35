"""What must hold in Postgres after any disturbance, read past the product from its own database."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
import redis.asyncio

from actors.slots import slot_of
from tests.e2e.product import eventually
from tests.running_stack import RunningStack

GAPS = """
select organization_id, count(*) as applied, max(apply_sequence) as last, count(distinct apply_sequence) as positions
from webhook_inbox where apply_sequence is not null group by organization_id
"""
REPAIRS = "select organization_id, call_id, facts from webhook_inbox where type = 'state-repaired'"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The stack's own Postgres and Redis, by the settings it runs with."""

    stack: RunningStack

    def assert_whole(self, *, seconds: float = 180) -> None:
        """Every accepted row applied once, positions without a gap, every effect confirmed, no repair ever needed."""
        eventually(lambda: asyncio.run(self._waiting()) == (0, 0) or None, seconds=seconds, what=self._told)
        for organization_id, applied, last, positions in asyncio.run(self.fetch(GAPS)):
            assert applied == last == positions, (
                f"{organization_id}: {applied} rows, {positions} positions up to {last}"
            )
        assert not asyncio.run(self.fetch(REPAIRS)), "memory and Postgres differed"

    def owners(self) -> Mapping[int, str]:
        """The owner of each slot whose lease runs."""
        told = asyncio.run(self.fetch("select slot, owner from slot_owner where lease_until > now()"))
        return {record["slot"]: record["owner"] for record in told if record["owner"] is not None}

    def owner(self, organization_id: str) -> str | None:
        return self.owners().get(slot_of(organization_id))

    def epoch(self, organization_id: str) -> int:
        """Of the organization's slot, whoever holds it."""
        told = asyncio.run(self.fetch("select slot, epoch from slot_owner"))
        epochs: dict[int, int] = {record["slot"]: record["epoch"] for record in told}
        return epochs[slot_of(organization_id)]

    def flush_redis(self) -> None:
        asyncio.run(self._flush())

    def _told(self) -> str:
        return "rows unapplied, effects unconfirmed: {}, {}".format(*asyncio.run(self._waiting()))

    async def _waiting(self) -> tuple[int, int]:
        rows = await self.fetch("select count(*) from webhook_inbox where applied_at is null")
        effects = await self.fetch("select count(*) from effects where confirmed_at is null")
        return int(rows[0][0]), int(effects[0][0])

    def ask(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        return asyncio.run(self.fetch(query, *arguments))

    async def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement in a connection of its own."""
        connection = await asyncpg.connect(self.stack.setting("DATABASE_URL"), timeout=60)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()

    async def execute(self, statements: str) -> None:
        """Run statements in a connection of their own."""
        connection = await asyncpg.connect(self.stack.setting("DATABASE_URL"), timeout=60)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    async def _flush(self) -> None:
        async with redis.asyncio.from_url(self.stack.setting("REDIS_URL")) as client:
            await client.flushall()  # pyright: ignore[reportUnknownMemberType]
