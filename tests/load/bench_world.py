"""What the benchmarks run on: throwaway servers, and organizations with calls put into Postgres at once."""

import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg

from actors.domain.commands import InboxRow
from actors.domain.json_types import JSON
from actors.domain.organization import recall
from actors.ports import Delivery, Ports
from actors.slots import slot_of
from serve.config import Settings
from serve.ports import open_ports
from serve.stack.temporal_server import start_temporal
from storage.embedded import DATABASE, start_postgres, start_valkey
from storage.inbox_rows import inbox_row
from storage.journal import call_record
from storage.migrate import migrate
from storage.postgres import Pool, open_pool
from storage.times import moment

FACTS: dict[str, JSON] = {
    "status": "in-progress",
    "fields": {
        "type": "inboundPhoneCall",
        "direction": "inbound",
        "assistant_id": "6f1c9bd2-42bf-4a6e-9f0f-assistant-1",
        "assistant_name": "Reception",
        "from_number": "+15550100001",
        "to_number": "+15550100002",
        "customer_name": "Jordan Miles",
    },
}

WRITTEN_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Running servers, a migrated database, and a pool to fill it."""

    settings: Settings
    pool: Pool

    async def ports(self) -> Ports:
        """What a shard is given in production, on these servers."""
        return await open_ports(self.settings)

    async def organizations(self, count: int) -> Sequence[str]:
        """As many organizations, without calls."""
        ids = [str(uuid4()) for _ in range(count)]
        await self.pool.execute(
            """insert into organizations (id, name, slug, time_zone)
               select id, 'Clinic', id::text, 'America/New_York' from unnest($1::uuid[]) as told (id)""",
            ids,
        )
        return ids

    async def history(self, ids: Sequence[str], *, calls: int, events: int) -> None:
        """Give each organization that many live calls, told of by `events` applied rows in all."""
        at = int(time.time() * 1000)
        for first in range(0, len(ids), WRITTEN_AT_ONCE):
            await self._write_history(ids[first : first + WRITTEN_AT_ONCE], calls, events, at)

    async def _write_history(self, ids: Sequence[str], calls: int, events: int, at: int) -> None:
        rows = [_past_row(number, f"call-{number % calls}", at) for number in range(1, events + 1)]
        records = [
            {"organization_id": organization_id, **call_record(organization_id, call)}
            for organization_id in ids
            for call in recall(organization_id, rows).values()
        ]
        columns = ", ".join(records[0])
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                """insert into webhook_inbox (organization_id, provider, event_key, slot, call_id, type, facts,
                       occurred_at, received_at, apply_sequence, applied_at)
                   select id, 'vapi', 'past-' || n, slot, 'call-' || n % $3, 'status-update', $5::jsonb, $6, $6, n, $6
                   from unnest($1::uuid[], $2::smallint[]) as told (id, slot), generate_series(1, $4::integer) as n""",
                ids,
                [slot_of(each) for each in ids],
                calls,
                events,
                FACTS,
                moment(at),
                timeout=120,
            )
            await connection.execute(
                f"""with written as (
                        insert into calls ({columns})
                        select {columns} from jsonb_populate_recordset(null::calls, $1)
                        returning organization_id, provider_call_id, id, created_at
                    )
                    insert into call_keys (organization_id, provider_call_id, id, created_at) select * from written""",  # noqa: S608  # names of columns
                records,
                timeout=120,
            )

    async def arrivals(self, ids: Sequence[str], *, each: int) -> list[Delivery]:
        """Accept `each` events of one live call per organization; what the ingress would hand over, in rounds."""
        rows = await self.pool.fetch(
            """insert into webhook_inbox (organization_id, provider, event_key, slot, call_id, type, facts,
                   occurred_at, received_at)
               select id, 'vapi', gen_random_uuid()::text, slot, 'call-0', 'tool-calls', $4::jsonb, now(), now()
               from generate_series(1, $3::integer) as n, unnest($1::uuid[], $2::smallint[]) as told (id, slot)
               returning organization_id, id, provider, event_key, type, call_id, facts, occurred_at, received_at,
                   apply_sequence, outcome""",
            ids,
            [slot_of(one) for one in ids],
            each,
            FACTS,
            timeout=120,
        )
        return [Delivery(organization_id=str(UUID(str(row["organization_id"]))), item=inbox_row(row)) for row in rows]

    async def limit(self, ids: Sequence[str], *, concurrency: int) -> None:
        """Let each organization have so many calls at once."""
        await self.pool.execute(
            "update organizations set concurrency_limit = $2 where id = any($1::uuid[])", ids, concurrency
        )

    async def request(self, organization_id: str) -> InboxRow:
        """Accept one request of a call that asks to begin, as the ingress does before the owner is asked."""
        row = await self.pool.fetchrow(
            """insert into webhook_inbox (organization_id, provider, event_key, slot, call_id, type, facts,
                   occurred_at, received_at)
               values ($1, 'vapi', gen_random_uuid()::text, $2, gen_random_uuid()::text, 'assistant-request',
                   $3::jsonb, now(), now())
               returning organization_id, id, provider, event_key, type, call_id, facts, occurred_at, received_at,
                   apply_sequence, outcome""",
            organization_id,
            slot_of(organization_id),
            {"fields": FACTS["fields"]},
        )
        if row is None:
            raise AssertionError("an insert returns its row")
        return inbox_row(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """A PostgreSQL with a migrated database, a Valkey and a Temporal, as durable as production's."""

    postgres_url: str
    valkey_url: str
    temporal_address: str
    folder: Path

    @asynccontextmanager
    async def world(self, number: int) -> AsyncGenerator[World]:
        """Databases that nobody used before, if the number (from 1) is new."""
        settings = Settings.model_validate(
            {
                "database_url": f"{self.postgres_url.removesuffix(DATABASE)}world_{number}",
                "redis_url": f"{self.valkey_url.removesuffix('0')}{number}",
                "temporal_address": self.temporal_address,
                "encryption_key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
                "recordings_url": (self.folder / "recordings").as_uri(),
                "embedded": True,
            }
        )
        maintenance = await asyncpg.connect(self.postgres_url.removesuffix(DATABASE) + "postgres")
        await maintenance.execute(f"create database world_{number} template {DATABASE}")
        await maintenance.close()
        async with await open_pool(settings.database_url, size=2, name="bench") as pool:
            yield World(settings=settings, pool=pool)


@asynccontextmanager
async def running_servers() -> AsyncGenerator[Servers]:
    """Servers in a folder that goes with them."""
    folder = Path(tempfile.mkdtemp(prefix="call-supervisor-bench-"))
    async with AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        postgres = start_postgres(folder / "postgres", password=secrets.token_hex(16))
        stack.callback(postgres.stop)
        valkey = start_valkey(folder / "valkey", password=secrets.token_hex(16))
        stack.callback(valkey.stop)
        temporal = start_temporal(folder / "temporal", durable=False)
        stack.callback(temporal.stop)
        await migrate(postgres.url)
        yield Servers(
            postgres_url=postgres.url, valkey_url=valkey.url, temporal_address=temporal.address, folder=folder
        )


def _past_row(number: int, call_id: str, at: int) -> InboxRow:
    """The row that `history` writes, as the owner read it."""
    return InboxRow(
        id=number,
        provider="vapi",
        event_key=f"past-{number}",
        type="status-update",
        call_id=call_id,
        facts=FACTS,
        occurred_at=at,
        received_at=at,
        apply_sequence=number,
    )
