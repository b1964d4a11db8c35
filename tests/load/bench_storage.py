"""Postgres with millions of calls: `python -m tests.load.bench_storage [--json FILE]`.

BENCH_CALLS says how many (10 million; BENCH=short takes seconds). Loads them by COPY into a throwaway server, then
times upserts and every statement the API reads calls with, as one of a thousand organizations under row level security.
"""

import asyncio
import os
import random
import re
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final
from uuid import uuid4

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from serve.simulator.load.figures import Figure, Latencies, machine, print_figures
from storage.embedded import start_postgres
from storage.migrate import migrate
from storage.postgres import Connection, Pool, close_pool, open_pool
from storage.statements import statement
from storage.tenant import Claims
from tests.load import storage_rows
from tests.load.storage_queries import QUERIES, Sample
from tests.load.storage_rows import CALL_COLUMNS, INBOX_COLUMNS, KEY_COLUMNS, TRANSCRIPT_COLUMNS, Call, Tenants
from tests.load.storage_writes import HOURS, copied_indexed, copy_in, upserted
from tests.load.telling import chosen, json_file, keep

BUDGET_MS: Final = 50.0
RLS_BUDGET_PERCENT: Final = 10.0
COPY_BUDGET: Final = 50_000.0
TRANSCRIPTS: Final = 0.02
RECENT: Final = 0.02
_PARTITION = re.compile(r"^(\w+)_\d{4}_\d{2}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is loaded and asked."""

    calls: int = 10_000_000
    organizations: int = 1_000
    upserted: int = 100_000
    asked: int = 300
    memory_mib: int = 2_048
    """`shared_buffers`: what a database of ten million calls is given, not what a stack on one machine takes."""


SHORT: Final = Size(calls=3_000, organizations=20, upserted=1_000, asked=5, memory_mib=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One statement's latencies, the partitions its plan went through, and how often a policy was computed."""

    name: str
    latencies: Latencies
    partitions: int
    policy_loops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    figures: Sequence[Figure]
    queries: Sequence[Timed]


async def measure(size: Size, console: Console) -> Report:
    """Everything, on a server of its own."""
    async with _database(size.memory_mib) as pool:
        tenants = await _organizations(pool, size.organizations)
        until = storage_rows.now()
        async with _indexed_afterwards(pool, console):
            samples, per_second = await _load(pool, tenants, size, until, console)
        await pool.execute("vacuum analyze", timeout=HOURS)
        upserts = await upserted(pool, tenants, size.upserted)
        indexed = await copied_indexed(pool, tenants, size.upserted)
        timed = [await _time(pool, name, samples, size.asked) for name in QUERIES]
        overhead = await _overhead(pool, samples, size.asked)
        stored = await pool.fetchval("select pg_database_size(current_database())")
    return Report(
        figures=[
            Figure(name="calls stored", unit="rows", value=size.calls),
            Figure(name="size of the database", unit="MiB", value=stored / 2**20),
            Figure(name="memory of its server (shared_buffers)", unit="MiB", value=size.memory_mib),
            *per_second,
            indexed,
            *upserts,
            *overhead,
            Figure(
                name="most computations of a policy in one statement",
                unit="",
                value=max(each.policy_loops for each in timed),
            ),
        ],
        queries=timed,
    )


async def _organizations(pool: Pool, count: int) -> Tenants:
    ids = [str(uuid4()) for _ in range(count)]
    await pool.execute(
        """insert into organizations (id, name, slug, time_zone)
           select id, 'Clinic', id::text, 'UTC' from unnest($1::uuid[]) as told (id)""",
        ids,
    )
    for table in ("calls", "call_transcripts", "call_costs", "call_actions", "call_recordings", "call_notes"):
        await pool.execute("select private.ensure_partitions($1, '1 month', now() - interval '7 months', 7)", table)
    return Tenants(ids)


async def _load(
    pool: Pool, tenants: Tenants, size: Size, until: Any, console: Console
) -> tuple[list[Sample], list[Figure]]:
    """COPY, a chunk at a time; what is told is COPY alone, with primary keys and without further indexes."""
    rng = random.Random(1)
    samples: list[Sample] = []
    seconds = keys = 0.0
    sequence = 1
    with Progress(console=console) as progress:
        bar = progress.add_task("calls", total=size.calls)
        for chunk in storage_rows.calls(tenants, size.calls, until=until, seed=1):
            took, took_keys = await asyncio.gather(
                copy_in(pool, "calls", CALL_COLUMNS, map(storage_rows.call_line, chunk)),
                copy_in(pool, "call_keys", KEY_COLUMNS, map(storage_rows.key_line, chunk)),
            )
            seconds, keys = seconds + took, keys + took_keys
            told = [storage_rows.transcript_line(each, rng) for each in chunk if rng.random() < TRANSCRIPTS]
            await copy_in(pool, "call_transcripts", TRANSCRIPT_COLUMNS, told)
            done = size.calls - progress.tasks[bar].completed
            if done <= max(size.calls * RECENT, 10_000):
                lines: list[str] = []
                for each in chunk:
                    lines += storage_rows.inbox_lines(each, sequence)
                    sequence += 3
                await copy_in(pool, "webhook_inbox", INBOX_COLUMNS, lines)
            samples += [_sample(each, until) for each in rng.sample(chunk, min(len(chunk), 20))]
            progress.update(bar, advance=len(chunk))
    rng.shuffle(samples)
    return samples, [
        Figure(
            name="COPY into calls with its primary key alone",
            unit="rows/s",
            value=size.calls / seconds,
            budget=COPY_BUDGET,
            at_least=True,
        ),
        Figure(name="COPY into call_keys", unit="rows/s", value=size.calls / keys),
    ]


@asynccontextmanager
async def _indexed_afterwards(pool: Pool, console: Console) -> AsyncGenerator[None]:
    """Without indexes beside the primary keys, as one fills a database; they are built when all is there."""
    indexes = await pool.fetch(
        """select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition
           from pg_index
           where indrelid in ('calls'::regclass, 'call_transcripts'::regclass) and not indisprimary"""
    )
    for index in indexes:
        await pool.execute(f"drop index {index['name']}")
    yield
    async with pool.acquire() as connection:
        await connection.execute("set maintenance_work_mem = '512MB'")
        for index in indexes:
            began = time.perf_counter()
            await connection.execute(index["definition"].replace(" ON ONLY ", " ON "), timeout=HOURS)
            console.print(f"{index['name']} built in {time.perf_counter() - began:.0f} s")


def _sample(call: Call, until: Any) -> Sample:
    return Sample(
        organization_id=storage_rows.UUID(call.organization_id),
        call_id=call.id,
        provider_call_id=call.provider_call_id,
        created_at=call.created_at,
        assistant_id=f"assistant-{call.organization_id[:8]}-0",
        now=until,
    )


async def _time(pool: Pool, name: str, samples: Sequence[Sample], asked: int) -> Timed:
    """As many organizations as there are samples, once to warm up and once timed, each in a request's transaction."""
    text, arguments = statement(name.partition(":")[0]), QUERIES[name]
    latencies = Latencies()
    partitions = loops = 0
    for sample in samples[:asked]:
        told = (sample.organization_id, *arguments(sample))
        async with _as_tenant(pool, sample) as connection:
            await _plan(connection, name)
            await connection.fetch(text, *told)
            began = time.perf_counter()
            await connection.fetch(text, *told)
            latencies.record(time.perf_counter() - began)
    for sample in samples[:3]:
        async with _as_tenant(pool, sample) as connection:
            told = (sample.organization_id, *arguments(sample))
            await _plan(connection, name)
            (plan,) = await connection.fetchval(f"explain (analyze, format json) {text}", *told)
            nodes = list(_nodes(plan["Plan"]))
            touched = {node["Relation Name"] for node in nodes if node.get("Relation Name") and node["Actual Loops"]}
            partitions = max(partitions, sum(bool(_PARTITION.match(each)) for each in touched))
            policies = [node["Actual Loops"] for node in nodes if node.get("Function Name") == "organization_ids"]
            inits = [
                node["Actual Loops"]
                for node in nodes
                if node.get("Parent Relationship") == "InitPlan"
                and str(node.get("Subplan Name", "")).startswith("InitPlan")
            ]
            loops = max(loops, *policies, *inits, 0)
    return Timed(name=name, latencies=latencies, partitions=partitions, policy_loops=loops)


async def _plan(connection: Connection, name: str) -> None:
    """As TenantReader has a page planned that anything narrows."""
    if name.startswith("calls_page"):
        await connection.execute(statement("plan_for_arguments"))


def _nodes(plan: dict[str, Any]) -> Iterable[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


@asynccontextmanager
async def _as_tenant(pool: Pool, sample: Sample) -> AsyncGenerator[Connection]:
    """The transaction of `storage.tenant.tenant_reads`, without its bound on how long a machine may take over it."""
    claims = Claims(organization_id=str(sample.organization_id), subject="bench")
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(statement("become_tenant"), claims.encoded())
        yield connection


async def _overhead(pool: Pool, samples: Sequence[Sample], asked: int) -> Sequence[Figure]:
    """The same page of calls with and without the policies, in turn: what they add to the median."""
    text, arguments = statement("calls_in_order"), QUERIES["calls_in_order: 93 days"]
    taken: dict[bool, list[float]] = {True: [], False: []}
    for sample in samples[:asked]:
        told = (sample.organization_id, *arguments(sample))
        async with _as_tenant(pool, sample) as connection:
            taken[True].append(await _fastest(connection, text, told))
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            taken[False].append(await _fastest(connection, text, told))
    within, without = median(taken[True]), median(taken[False])
    name = "row level security, added to a page of calls"
    return [
        Figure(name=name, unit="%", value=(within / without - 1) * 100, budget=RLS_BUDGET_PERCENT),
        Figure(name=f"{name}, in time", unit="ms", value=(within - without) * 1000),
    ]


async def _fastest(connection: Connection, text: str, told: Sequence[Any]) -> float:
    """Of five, so that neither a cold page nor a neighbour of this machine is counted as a policy's cost."""
    taken: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        await connection.fetch(text, *told)
        taken.append(time.perf_counter() - began)
    return min(taken)


@asynccontextmanager
async def _database(memory_mib: int) -> AsyncGenerator[Pool]:
    folder = Path(tempfile.mkdtemp(prefix="call-supervisor-bench-"))
    server = start_postgres(
        folder / "postgres", password=secrets.token_hex(16), durable=False, shared_buffers=f"{memory_mib}MB"
    )
    try:
        await migrate(server.url)
        pool = await open_pool(server.url, size=4, name="bench", statement_seconds=120)
        try:
            yield pool
        finally:
            await close_pool(pool)
    finally:
        server.stop()
        shutil.rmtree(folder)


def print_queries(console: Console, timed: Sequence[Timed]) -> None:
    table = Table(title="Statements of the API, one organization of many, warm", title_justify="left")
    table.add_column("statement")
    for name in ("p50 ms", "p99 ms", "budget", "partitions"):
        table.add_column(name, justify="right")
    for each in timed:
        p50, p99 = each.latencies.percentile_ms(50) or 0.0, each.latencies.percentile_ms(99) or 0.0
        over = " !" if p99 > BUDGET_MS else ""
        table.add_row(each.name, f"{p50:,.2f}", f"{p99:,.2f}{over}", f"< {BUDGET_MS:.0f}", str(each.partitions))
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> int:
    file = json_file("tests.load.bench_storage", __doc__, arguments)
    size = chosen(Size(calls=int(os.environ.get("BENCH_CALLS", "10000000"))), SHORT)
    described, console = machine(), Console()
    report = asyncio.run(measure(size, console))
    print_figures(console, report.figures, described, title="Storage")
    print_queries(console, report.queries)
    queries = [
        Figure(name=f"{each.name} p{percentile}", unit="ms", value=each.latencies.percentile_ms(percentile),
               budget=BUDGET_MS if percentile == 99 else None)
        for each in report.queries
        for percentile in (50, 99)
    ]  # fmt: skip
    keep([*report.figures, *queries], described, file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
