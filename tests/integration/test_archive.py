"""A month leaves Postgres whole, whatever happens on the way."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
import pytest_asyncio
from pyarrow import parquet

from storage import archive as archive_module
from storage import archive_files
from storage.archive import ArchiveDamagedError, ArchiveRefusedError, months_rows
from storage.archive_files import FileReader
from storage.errors import StorageUnavailableError
from storage.postgres import Pool, open_pool
from tests.integration.archive_world import MONTH, NOW, START, TABLES, PastMonth, month_before
from tests.integration.rows import Rows

Everything = dict[str, list[dict[str, object]]]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=8, name="test") as opened:
        yield opened


@pytest_asyncio.fixture
async def past(database_url: str, pool: Pool, tmp_path: Path) -> PastMonth:
    made = PastMonth(database_url=database_url, pool=pool, folder=tmp_path)
    await made.open()
    return made


@pytest_asyncio.fixture
async def ids(pool: Pool) -> list[str]:
    return [await Rows(pool).add_organization() for _ in range(3)]


async def everything(past: PastMonth, ids: list[str]) -> Everything:
    """Every row of the month, from Postgres and from what readers are told of the files; a newer row counts."""
    files = await past.pool.fetch(archive_module.statement("archive_readable"), MONTH, MONTH)
    found: dict[str, dict[str, dict[str, object]]] = {table: {} for table in TABLES}
    for file in reversed(files):
        for organization_id in ids:
            reader = FileReader(past.store, file["path"])
            for row in reader.rows(organization_id, since=START, until=START + timedelta(days=31)):
                found[file["table_name"]][_key(row)] = row
    for table in TABLES:
        for row in await past.pool.fetch(f"select * from {table}"):  # noqa: S608
            found[table][_key(dict(row))] = {name: value for name, value in row.items() if name != "search_vector"}
    return {table: [rows[key] for key in sorted(rows)] for table, rows in found.items()}


def _key(row: dict[str, object]) -> str:
    return f"{row.get('call_id', row.get('id'))} {row.get('position')}"


async def test_a_month_moves_to_the_object_store_and_nothing_of_it_changes(past: PastMonth, ids: list[str]) -> None:
    for place, organization_id in enumerate(ids * 4):
        await past.add_call(
            organization_id, f"call-{place}", hour=place, summary='ü "quoted" 🙂', turn_latencies_ms=[place, 2]
        )
    before = await everything(past, ids)
    part = await past.archive()
    assert {file.table: file.rows for file in part.tables} == {
        "calls": 12,
        "call_actions": 24,
        "call_costs": 12,
        "call_notes": 0,
        "call_recordings": 12,
        "call_transcripts": 12,
    }
    assert await past.pool.fetchval("select count(*) from calls") == 0
    assert await everything(past, ids) == before
    assert await past.pool.fetchval("select count(*) from call_keys") == 12
    left = await past.pool.fetch("select relname from pg_class where relname like '%\\_detached'")
    assert left == []


async def test_the_noted_hash_is_that_of_the_rows(past: PastMonth, ids: list[str]) -> None:
    await past.add_call(ids[0], "call-1")
    row = await past.pool.fetchrow("select * from call_costs")
    assert row is not None
    part = await past.archive()
    (file,) = [file for file in part.tables if file.table == "call_costs"]
    micros = (row["call_created_at"] - archive_files.EPOCH) // timedelta(microseconds=1)
    text = '[{"cost": 0.123456, "type": "vapi"}]'
    encoded = orjson.dumps([str(row["call_id"]), micros, ids[0], 123_456, text]) + b"\n"
    assert file.sha256 == hashlib.sha256(encoded).digest()


async def test_files_are_sorted_in_groups_that_tell_whose_rows_they_hold(
    past: PastMonth, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_module, "GROUP_ROWS", 4)
    for place, organization_id in enumerate(ids * 8):
        await past.add_call(organization_id, f"call-{place}", hour=place)
    part = await past.archive()
    (calls,) = [file for file in part.tables if file.table == "calls"]
    file = cast("Any", parquet).ParquetFile(past.folder / calls.path)
    assert file.num_row_groups == 6
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.schema_arrow.field("duration_ms").metadata[b"unit"] == b"milliseconds"
    read: list[int] = []
    reader = FileReader(past.store, calls.path)
    whole = reader.file.read_row_group

    def counted(group: int, **columns: Any) -> Any:
        read.append(group)
        return whole(group, **columns)

    monkeypatch.setattr(reader.file, "read_row_group", counted)
    rows = list(reader.rows(sorted(ids)[1], since=START, until=NOW))
    assert len(rows) == 8
    assert read == [2, 3]
    assert [row["created_at"] for row in rows] == sorted((row["created_at"] for row in rows), reverse=True)


class KilledError(Exception):
    """Where a run is cut off."""


@pytest.mark.timeout(300)
async def test_a_run_cut_off_at_any_step_goes_on_and_loses_nothing(past: PastMonth, ids: list[str]) -> None:
    for place, organization_id in enumerate(ids * 2):
        await past.add_call(organization_id, f"call-{place}", hour=place)
    before = await everything(past, ids)
    steps: list[str] = []

    def kill(what: str, _done: int, _of: int) -> None:
        if what not in steps:
            steps.append(what)
            raise KilledError(what)

    while True:
        try:
            await past.archive(kill)
        except KilledError:
            assert await everything(past, ids) == before, steps[-1]
            continue
        break
    assert {"begun", "calls written", "detaching", "calls detached", "calls replaced", "calls dropped"} <= set(steps)
    assert len(steps) > 30
    assert await everything(past, ids) == before
    kept = {str(path.relative_to(past.folder)) for path in past.folder.rglob("*") if path.is_file()}
    assert kept == {row["path"] for row in await past.pool.fetch("select path from archive_files")}


async def test_a_detach_that_waited_in_vain_is_finished_by_the_next_run(
    past: PastMonth, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await past.add_call(ids[0], "call-1")
    before = await everything(past, ids)
    monkeypatch.setattr(archive_module, "_LOCK_WAIT", "200ms")
    async with past.pool.acquire() as reader, reader.transaction():
        await reader.execute("select count(*) from calls")
        with pytest.raises(StorageUnavailableError, match="did not end in time"):
            await past.archive()
        assert await past.pool.fetchval("select count(*) from pg_inherits where inhdetachpending") == 1
        assert await everything(past, ids) == before
    assert (await past.archive()).tables
    assert await past.pool.fetchval("select count(*) from pg_inherits where inhdetachpending") == 0
    assert await everything(past, ids) == before


async def test_what_is_written_after_the_files_were_is_in_them_at_the_end(past: PastMonth, ids: list[str]) -> None:
    await past.add_call(ids[0], "call-1")

    async def late() -> None:
        await past.pool.execute("update calls set summary = 'told late'")
        await past.add_call(ids[1], "call-2")

    # A run that ends at `written`, a late write, and the run that goes on.
    def stop(what: str, _done: int, _of: int) -> None:
        if what == "written":
            raise KilledError(what)

    with pytest.raises(KilledError):
        await past.archive(stop)
    await late()
    before = await everything(past, ids)
    await past.archive()
    assert await everything(past, ids) == before
    assert {row["provider_call_id"]: row["summary"] for row in before["calls"]} == {
        "call-1": "told late",
        "call-2": None,
    }
    assert await past.pool.fetchval("select count(*) from calls") == 0


async def test_what_comes_late_has_a_place_and_becomes_a_further_part(past: PastMonth, ids: list[str]) -> None:
    row_id = await past.add_call(ids[0], "call-1", summary="first told")
    await past.add_call(ids[0], "call-2", hour=1)
    await past.archive()
    assert (await past.archive()).tables == ()
    await past.pool.execute("delete from call_keys")
    assert await past.add_call(ids[0], "call-1", summary="told late") == row_id
    late = await everything(past, ids)
    part = await past.archive()
    assert part.part == 2
    assert {file.table: file.rows for file in part.tables}["calls"] == 1
    assert await everything(past, ids) == late
    assert [call["summary"] for call in late["calls"] if call["provider_call_id"] == "call-1"] == ["told late"]
    assert await past.pool.fetchval("select count(*) from calls") == 0


async def test_a_store_that_gives_back_something_else_ends_the_run_before_anything_is_taken_out(
    past: PastMonth, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await past.add_call(ids[0], "call-1")

    def other(_reader: FileReader) -> archive_files.Content:
        return archive_files.Content(rows=1, sha256=bytes(32))

    with monkeypatch.context() as damaged:
        damaged.setattr(FileReader, "content", other)
        with pytest.raises(ArchiveDamagedError, match="calls"):
            await past.archive()
    assert list(await past.stored(ids[0])) == ["call-1"]
    assert (await past.archive()).tables


async def test_months_that_are_not_closed_are_refused(past: PastMonth, ids: list[str]) -> None:
    with pytest.raises(ArchiveRefusedError, match="not over"):
        await archive_module.archive_month(past.database_url, past.store, month_before(0), now=NOW)
    with pytest.raises(ArchiveRefusedError, match=r"from .* on"):
        await archive_module.archive_month(past.database_url, past.store, month_before(2), now=NOW)
    await past.add_call(ids[0], "going-on", status="in-progress")
    with pytest.raises(ArchiveRefusedError, match=r"1 calls .* have not ended"):
        await past.archive()
    assert list(await past.stored(ids[0])) == ["going-on"]


async def test_two_runs_never_work_at_once(past: PastMonth, ids: list[str]) -> None:
    await past.add_call(ids[0], "call-1")
    connection = await asyncpg.connect(past.database_url)
    await connection.execute(archive_module.statement("archive_alone"))
    with pytest.raises(ArchiveRefusedError, match="Another"):
        await past.archive()
    await connection.close()
    assert (await past.archive()).tables


async def test_a_dry_run_counts_and_changes_nothing(past: PastMonth, ids: list[str]) -> None:
    await past.add_call(ids[0], "call-1")
    assert (await months_rows(past.database_url, past.store, MONTH))["call_actions"] == 2
    assert list(past.folder.rglob("*.parquet")) == []
    assert list(await past.stored(ids[0])) == ["call-1"]


@pytest.mark.timeout(300)
async def test_writers_go_on_while_a_month_is_archived(past: PastMonth, ids: list[str]) -> None:
    for place in range(200):
        await past.add_call(ids[place % 3], f"call-{place}", hour=place)
    written = 0
    failures: list[Exception] = []

    async def write() -> None:
        nonlocal written
        try:
            async with asyncio.timeout(30), past.pool.acquire() as connection:
                await connection.execute(
                    """insert into calls (id, created_at, organization_id, provider_call_id, status, last_event_at,
                           last_event_kind, version)
                       values ($1, now(), $2, $1::uuid::text, 'in-progress', now(), 'status-update', 1)
                       on conflict (id, created_at) do update set version = excluded.version""",
                    uuid4(),
                    UUID(ids[0]),
                )
            written += 1
        except Exception as failure:  # noqa: BLE001  # whichever it is, it is counted
            failures.append(failure)

    archiving = asyncio.ensure_future(past.archive())
    async with asyncio.TaskGroup() as writers:
        while not archiving.done() or written < 200:
            writers.create_task(write())
            await asyncio.sleep(1 / 200)
    assert (await archiving).tables
    assert failures == []
    recent = await past.pool.fetchval("select count(*) from calls where created_at > $1", START + timedelta(days=40))
    assert recent == written
