"""What row level security costs: `python -m tests.load.bench_isolation [ROWS]`, or `isolation_cost` on any database.

The same queries, naming the organization as the product's do, by the owner of the tables and by a user of the
organization, turn by turn on one connection; what is compared are the medians of Postgres' own execution times.
"""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import UUID, uuid4

import asyncpg
import orjson

from serve.simulator.load.figures import Figure
from storage.embedded import start_postgres
from storage.migrate import migrate
from storage.postgres import Connection
from storage.tenant import Claims

BUDGET: Final = 0.10
ORGANIZATIONS: Final = 100
MONTH: Final = datetime(2031, 5, 1, tzinfo=UTC)
_END: Final = MONTH + timedelta(days=31)

_FILL: Final = """
    insert into calls (id, created_at, organization_id, provider_call_id, status, assistant_id, from_number,
                       duration_ms, cost_micros, last_event_at, last_event_kind, version)
    select gen_random_uuid(), moment, ($1::uuid[])[1 + n % cardinality($1::uuid[])], 'call-' || n, 'ended',
        'assistant-' || n % 1000, '+4930' || n % 5000, n % 600000, n % 900000, moment, 'status-update', n
    from (select n, $3::timestamptz + n * interval '30 days' / $2 as moment
          from generate_series(1, $2::integer) as n) as spread
"""
QUERIES: Final[Mapping[str, str]] = {
    "20 newest calls": """
        select * from calls where organization_id = $1 and created_at >= $2 and created_at < $3
        order by created_at desc, id desc limit 20""",
    "sums over a month": """
        select count(*), sum(duration_ms), sum(cost_micros) from calls
        where organization_id = $1 and created_at >= $2 and created_at < $3""",
    "calls of one number": """
        select id from calls where organization_id = $1 and created_at >= $2 and created_at < $3
            and from_number = '+49305' order by created_at desc limit 20""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Medians in ms of one query without and with row level security, and the plan of the latter."""

    query: str
    without_ms: float
    with_ms: float
    plan: Any

    @property
    def overhead(self) -> float:
        return self.with_ms / self.without_ms - 1

    @property
    def asks_once(self) -> bool:
        """Whether the claims are looked at in an InitPlan, and nowhere for each row."""
        told = orjson.dumps(self.plan).decode()
        return '"InitPlan"' in told and '"SubPlan"' not in told and "organization_ids()" not in _conditions(self.plan)


async def isolation_cost(url: str, *, rows: int = 1_000_000, runs: int = 21) -> Sequence[Cost]:
    """Fill a month of a migrated database with calls of 100 organizations and measure; `url` is the owner's."""
    connection = await asyncpg.connect(url)
    organizations = [uuid4() for _ in range(ORGANIZATIONS)]
    try:
        await connection.execute("select private.ensure_all_partitions($1)", MONTH)
        await connection.execute(_FILL, organizations, rows, MONTH, timeout=600)
        await connection.execute("vacuum analyze calls", timeout=600)
        return [await _cost(connection, name, organizations[0], runs) for name in QUERIES]
    finally:
        await connection.close()


async def _cost(connection: Connection, name: str, organization: UUID, runs: int) -> Cost:
    arguments = (organization, MONTH, _END)
    without: list[float] = []
    within: list[float] = []
    plan: Any = None
    for _ in range(runs):
        without.append((await _executed(connection, name, arguments))["Execution Time"])
        async with connection.transaction():
            claims = Claims(organization_id=str(organization), subject="key:bench", role="viewer")
            await connection.execute("select set_config('request.jwt.claims', $1, true)", claims.encoded())
            await connection.execute("set local role authenticated")
            told = await _executed(connection, name, arguments)
        within.append(told["Execution Time"])
        plan = told["Plan"]
    return Cost(query=name, without_ms=median(without), with_ms=median(within), plan=plan)


async def _executed(connection: Connection, name: str, arguments: Sequence[Any]) -> Any:
    told = await connection.fetchval(f"explain (analyze, timing off, format json) {QUERIES[name]}", *arguments)
    return orjson.loads(told)[0]


def _conditions(node: Any) -> str:
    """What is asked of each row, anywhere in the plan."""
    asked = [str(node[key]) for key in ("Filter", "Index Cond", "Recheck Cond", "Join Filter") if key in node]
    return " ".join(asked + [_conditions(child) for child in node.get("Plans", ())])


def figures(costs: Sequence[Cost]) -> list[Figure]:
    """As `make bench` prints them."""
    return [
        Figure(name=f"row level security: {cost.query}", value=100 * cost.overhead, unit="%", budget=100 * BUDGET)
        for cost in costs
    ]


async def _main(rows: int) -> None:
    with tempfile.TemporaryDirectory(prefix="call-supervisor-bench-") as folder:
        server = start_postgres(Path(folder) / "postgres", password=secrets.token_hex(16), durable=False)
        try:
            await migrate(server.url)
            for cost in await isolation_cost(server.url, rows=rows):
                asks = "asks once" if cost.asks_once else "asks for each row"
                sys.stdout.write(
                    f"{cost.query:20} {cost.without_ms:9.3f} ms {cost.with_ms:9.3f} ms {cost.overhead:+7.1%} {asks}\n"
                )
        finally:
            server.stop()


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
