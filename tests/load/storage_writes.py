"""What it costs to write calls: by COPY and by upsert, into tables that have every index."""

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from serve.simulator.load.figures import Figure
from storage.postgres import Pool
from tests.load import storage_rows
from tests.load.storage_rows import CALL_COLUMNS, Tenants

UPSERT_BUDGET: Final = 20_000.0
HOURS: Final = 3_600.0


async def copy_in(pool: Pool, table: str, columns: Sequence[str], lines: Iterable[str]) -> float:
    """Seconds that Postgres took."""
    text = "\n".join(lines)
    if not text:
        return 0.0
    data = f"{text}\n".encode()

    async def source() -> AsyncIterator[bytes]:
        for place in range(0, len(data), 1 << 20):
            yield data[place : place + (1 << 20)]

    async with pool.acquire() as connection:
        began = time.perf_counter()
        await connection.copy_to_table(table, source=source(), columns=list(columns), timeout=HOURS)
        return time.perf_counter() - began


async def copied_indexed(pool: Pool, tenants: Tenants, count: int) -> Figure:
    """New calls of all the months into tables that have every index, as a product that works has them."""
    seconds = 0.0
    for chunk in storage_rows.calls(tenants, count, until=storage_rows.now(), seed=3):
        seconds += await copy_in(pool, "calls", CALL_COLUMNS, map(storage_rows.call_line, chunk))
    return Figure(name="COPY into calls with every index", unit="rows/s", value=count / seconds)


async def upserted(pool: Pool, tenants: Tenants, count: int) -> list[Figure]:
    """Half of the rows are there already. By JSON as the actors' batches, and by COPY into a temporary table."""
    columns = ", ".join(CALL_COLUMNS)
    changed = ", ".join(f"{name} = excluded.{name}" for name in CALL_COLUMNS if name not in {"id", "created_at"})
    conflict = f"on conflict (id, created_at) do update set {changed}"
    lines = await _half_stored(pool, tenants, count, seed=2)
    unnest = f"""insert into calls ({columns})
        select {columns} from jsonb_populate_recordset(null::calls, $1) {conflict}"""  # noqa: S608  # names of columns
    records = [_record(line) for line in lines]
    began = time.perf_counter()
    for place in range(0, len(records), 1_000):
        await pool.execute(unnest, records[place : place + 1_000], timeout=HOURS)
    by_json = time.perf_counter() - began
    lines = await _half_stored(pool, tenants, count, seed=4)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("create temporary table incoming (like calls including defaults) on commit drop")
        began = time.perf_counter()
        await connection.copy_to_table("incoming", source=_bytes(lines), columns=list(CALL_COLUMNS), timeout=HOURS)
        merged = f"insert into calls ({columns}) select {columns} from incoming {conflict}"  # noqa: S608  # names of columns
        await connection.execute(merged, timeout=HOURS)
        by_copy = time.perf_counter() - began
    return [
        Figure(name="upsert of 1,000 calls a statement", unit="rows/s", value=len(lines) / by_json),
        Figure(
            name=f"upsert of {len(lines):,} calls by COPY",
            unit="rows/s",
            value=len(lines) / by_copy,
            budget=UPSERT_BUDGET,
            at_least=True,
        ),
    ]


async def _half_stored(pool: Pool, tenants: Tenants, count: int, *, seed: int) -> list[str]:
    """Rows of further calls of all the months, every other one of which is in the table."""
    chunks = storage_rows.calls(tenants, count, until=storage_rows.now(), seed=seed)
    lines = [storage_rows.call_line(call) for chunk in chunks for call in chunk]
    await copy_in(pool, "calls", CALL_COLUMNS, lines[::2])
    return lines


def _record(line: str) -> dict[str, str]:
    return {name: told for name, told in zip(CALL_COLUMNS, line.split("\t"), strict=True) if told != r"\N"}


async def _bytes(lines: Sequence[str]) -> AsyncIterator[bytes]:
    for place in range(0, len(lines), 5_000):
        yield ("\n".join(lines[place : place + 5_000]) + "\n").encode()
