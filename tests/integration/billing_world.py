"""An organization with money: its calls as the inbox has them, and its ledger."""

import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from actors.domain.json_types import JSON
from actors.slots import slot_of
from storage.ledger import Booked, Ledger
from storage.postgres import Pool
from storage.times import moment
from tests.integration.rows import Rows

MINUTE = 60_000
DAY = 24 * 60 * MINUTE


class BillingWorld:
    """One organization on a plan. `now` is the clock of what is booked (ms)."""

    def __init__(self, pool: Pool, organization_id: str) -> None:
        self.pool = pool
        self.organization_id = organization_id
        self.ledger = Ledger(pool)
        self.now: int = time.time_ns() // 1_000_000
        self._told = 0

    @classmethod
    async def on_plan(cls, pool: Pool, plan_id: str | None = "metered") -> Self:
        organization_id = await Rows(pool).add_organization()
        await pool.execute("update organizations set plan_id = $2 where id = $1", UUID(organization_id), plan_id)
        return cls(pool, organization_id)

    async def tell(
        self, call_id: str, *, kind: str = "end-of-call-report", at: int | None = None, **fields: JSON
    ) -> None:
        """Accept a message that tells of the call's end, later than all before it."""
        self._told += 1
        told_at = at or self.now + self._told
        facts: Mapping[str, JSON] = {"status": "ended", "fields": dict(fields)}
        await self.pool.execute(
            """insert into webhook_inbox
                   (organization_id, provider, event_key, slot, call_id, type, facts, occurred_at, received_at)
               values ($1, 'vapi', $2, $3, $4, $5, $6, $7, $7)""",
            UUID(self.organization_id),
            f"{kind}:{call_id}:{self._told}",
            slot_of(self.organization_id),
            call_id,
            kind,
            facts,
            moment(told_at),
        )

    async def book(self, call_id: str) -> Booked | None:
        return await self.ledger.book(self.organization_id, call_id, at=self.now)

    async def called(self, call_id: str, seconds: int, *, ended_at: int | None = None) -> None:
        """A call of so many seconds ends and is booked."""
        await self.tell(call_id, duration_ms=seconds * 1000, ended_at=ended_at or self.now)
        await self.book(call_id)

    async def subscribe(self, start: datetime, end: datetime) -> None:
        await self.pool.execute(
            """update organizations
               set billing_period_start = $2, billing_period_end = $3, stripe_customer_id = $4,
                   stripe_subscription_id = $5
               where id = $1""",
            UUID(self.organization_id),
            start,
            end,
            self.customer,
            self.subscription,
        )

    @property
    def customer(self) -> str:
        return f"cus_{self.organization_id[:8]}"

    @property
    def subscription(self) -> str:
        return f"sub_{self.organization_id[:8]}"

    async def rows(self, query: str, *arguments: Any) -> list[Any]:
        return [tuple(row) for row in await self.pool.fetch(query, UUID(self.organization_id), *arguments)]

    async def entries(self) -> list[Any]:
        """(call, entry, seconds, amount, reason) of all that is booked."""
        return await self.rows(
            "select call_id, entry, seconds, amount_micros, reason from usage_ledger where organization_id = $1"
            " order by call_id, entry"
        )

    async def metered(self) -> list[Any]:
        """(identifier without the organization, quantity, status) of each meter event."""
        return await self.rows(
            "select replace(identifier, organization_id::text || ':', ''), quantity, status from meter_events"
            " where organization_id = $1 order by call_id, entry"
        )
