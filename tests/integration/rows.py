"""What the ingress and the seed put into Postgres, for the tests of what reads it."""

import time
from collections.abc import Mapping
from uuid import uuid4

from actors.domain.json_types import JSON
from actors.slots import slot_of
from storage.postgres import Pool
from storage.times import moment


class Rows:
    """Adds organizations, inbox rows and calls to a migrated database."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.now = time.time_ns() // 1_000_000
        """A moment the partitions cover, in ms."""

    async def add_organization(self, *, time_zone: str = "UTC") -> str:
        organization_id = str(uuid4())
        await self.pool.execute(
            "insert into organizations (id, name, slug, time_zone) values ($1, 'Clinic', $1::uuid::text, $2)",
            organization_id,
            time_zone,
        )
        return organization_id

    async def add_row(
        self,
        organization_id: str,
        *,
        call_id: str | None,
        received_at: int | None = None,
        kind: str = "status-update",
        facts: Mapping[str, JSON] | None = None,
    ) -> int:
        row_id = await self.pool.fetchval(
            """insert into webhook_inbox
                   (organization_id, provider, event_key, slot, call_id, type, facts, received_at)
               values ($1, 'vapi', $2, $3, $4, $5, $6, $7) returning id""",
            organization_id,
            uuid4().hex,
            slot_of(organization_id),
            call_id,
            kind,
            facts or {},
            moment(received_at or self.now),
        )
        return int(row_id)

    async def add_call(self, organization_id: str, call_id: str, *, status: str) -> None:
        await self.pool.execute(
            """insert into calls
                   (id, created_at, organization_id, provider_call_id, status, last_event_at, last_event_kind, version)
               values ($1, $5, $2, $3, $4, $5, 'status-update', 1)""",
            uuid4(),
            organization_id,
            call_id,
            status,
            moment(self.now),
        )
