"""Moves a closed month of calls, and what they left behind, out of Postgres into Parquet in the object store.

Nothing is ever in neither place. The files are written and read back while the month is still in Postgres; from the
state `detaching` on readers look in both. Each partition is then detached without making a writer wait, and an empty
one takes its place for what comes late. Before the detached tables are dropped, they are compared with their files by
count and hash, and a file that somebody's late write has outdated is written again. Of each call there stay its key
and whose it was, for the ledger, which stays too. Every step is noted when it is
done and may be repeated, so a run that was cut off anywhere goes on where it was by being started again. What came
late makes a further part of the month at the next run; the newer row of a call counts.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

import asyncpg
import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from storage.archive_files import GROUP_BYTES, GROUP_ROWS, Column, Content, Digest, FileReader, FileWriter, Values
from storage.errors import StorageError, StorageUnavailableError
from storage.statements import statement

if TYPE_CHECKING:
    from obstore import ObjectMeta

Progress = Callable[[str, int, int], None]
"""Told of each step: what is done, how many rows of it, of how many in all (0: not known)."""

MONTHS_KEPT: Final = 3
_MONTHS_ALWAYS_KEPT: Final = 1
_CALLS: Final = "calls"
_FETCHED_AT_ONCE: Final = 512
_CONNECT_SECONDS: Final = 10.0
# The first row of a sorted month may take its time; a single answer that takes longer is lost.
_ANSWER_SECONDS: Final = 900.0
# A detach waits for transactions that saw the partition; whoever keeps one open for longer is told of.
_LOCK_WAIT: Final = "30s"


class ArchiveRefusedError(StorageError):
    """The month cannot be archived now; the message says why. Nothing was changed."""


class ArchiveDamagedError(StorageError):
    """What the object store gives back is not what was written. Postgres still has every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedTable:
    """One file of a part."""

    table: str
    path: str
    rows: int
    size: int
    sha256: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedPart:
    """A part that is done. No tables: there was nothing left to move."""

    month: date
    part: int
    tables: Sequence[ArchivedTable]


def refuse_early(month: date, *, now: datetime, months_kept: int = MONTHS_KEPT) -> None:
    """Raise ArchiveRefusedError unless the month ended and `months_kept` whole months have passed since (UTC)."""
    if _months(now.astimezone(UTC).date()) <= _months(month):
        raise ArchiveRefusedError(f"{month:%Y-%m} is not over yet.")
    due = _months(month) + 1 + max(_MONTHS_ALWAYS_KEPT, months_kept)
    if _months(now.astimezone(UTC).date()) < due:
        raise ArchiveRefusedError(
            f"{month:%Y-%m} is kept in Postgres for {months_kept} months: it may be archived"
            f" from {due // 12:04}-{due % 12 + 1:02}-01 on."
        )


def may_be_archived(at: datetime, *, now: datetime) -> bool:
    """Whether calls first seen then, or later, can be in the archive at all."""
    return _months(at.astimezone(UTC).date()) < _months(now.astimezone(UTC).date()) - _MONTHS_ALWAYS_KEPT


async def archive_month(
    database_url: str,
    store: ObjectStore,
    month: date,
    *,
    now: datetime,
    months_kept: int = MONTHS_KEPT,
    progress: Progress = lambda _what, _done, _of: None,
) -> ArchivedPart:
    """Archive the month, or what came late for it, or go on where an earlier run was cut off.

    `database_url` leads around a transaction pooler. Raises ArchiveRefusedError, ArchiveDamagedError and
    StorageUnavailableError; whatever is raised, no row is lost and another run goes on.
    """
    refuse_early(month, now=now, months_kept=months_kept)
    async with _archiver(database_url, store, month, progress) as archiver:
        return await archiver.run()


async def months_rows(database_url: str, store: ObjectStore, month: date) -> dict[str, int]:
    """How many rows of each table an archive would move; changes nothing. Raises as `archive_month`."""
    async with _archiver(database_url, store, month, lambda _what, _done, _of: None) as archiver:
        await archiver.refuse_open_calls()
        return await archiver.rows()


@asynccontextmanager
async def _archiver(
    database_url: str, store: ObjectStore, month: date, progress: Progress
) -> AsyncGenerator["_Archiver"]:
    try:
        connection = await asyncpg.connect(
            database_url,
            timeout=_CONNECT_SECONDS,
            command_timeout=_ANSWER_SECONDS,
            server_settings={"application_name": "call-supervisor archive", "lock_timeout": _LOCK_WAIT},
        )
        try:
            if not await connection.fetchval(statement("archive_alone")):
                raise ArchiveRefusedError("Another archive is running.")
            tables = [row["name"] for row in await connection.fetch(statement("archive_tables"))]
            yield _Archiver(connection, store, month, tables, progress)
        finally:
            await connection.close()
    except asyncpg.LockNotAvailableError as held:
        raise StorageUnavailableError(
            "A transaction that has the month open did not end in time. Run the archive again: it goes on from there."
        ) from held
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError) as away:
        raise StorageUnavailableError(f"Postgres does not answer: {away or type(away).__name__}") from away
    except BaseError as away:
        raise StorageUnavailableError("The object store refused or did not answer.") from away


class _Archiver:
    def __init__(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        store: ObjectStore,
        month: date,
        tables: Sequence[str],
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._store = store
        self._month = month
        self._tables = tables
        self._progress = progress
        self._part = 0

    async def run(self) -> ArchivedPart:
        steps = {
            "begun": (self._write, "written"),
            # Readers look in the files as soon as this is noted.
            "written": (self._keep_sources, "detaching"),
            "detaching": (self._detach, "detached"),
            "detached": (self._verify, "verified"),
            "verified": (self._drop, "archived"),
        }
        state = await self._begin()
        if state is None:
            return ArchivedPart(month=self._month, part=self._part, tables=())
        while state != "archived":
            step, following = steps[state]
            await step()
            await self._execute("archive_advance", self._month, self._part, following)
            state = following
            self._progress(state, 0, 0)
        return ArchivedPart(month=self._month, part=self._part, tables=await self._files())

    def _folder(self, table: str) -> str:
        return f"archive/{table}/{self._month:%Y-%m}"

    async def _begin(self) -> str | None:
        """The state of the part under way, begun if there is something to move; None when there is nothing."""
        newest = await self._connection.fetchrow(statement("archive_part"), self._month)
        if newest is not None and newest["state"] != "archived":
            self._part = newest["part"]
            return newest["state"]
        await self.refuse_open_calls()
        self._part = newest["part"] if newest is not None else 0
        if not any((await self.rows()).values()):
            return None
        self._part += 1
        await self._execute("archive_begin", self._month, self._part)
        self._progress("begun", 0, 0)
        return "begun"

    async def refuse_open_calls(self) -> None:
        going_on = await self._connection.fetchval(statement("archive_open_calls"), self._month)
        if going_on:
            raise ArchiveRefusedError(
                f"{going_on} calls of {self._month:%Y-%m} have not ended: release or end them first."
            )

    async def rows(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for table in self._tables:
            _, name = await self._place(table)
            if name is not None:
                counts[table] = await self._connection.fetchval(await self._text("archive_count", name))
        return counts

    async def _keep_sources(self) -> None:
        """Keep in Postgres whose the month's calls are."""
        _, name = await self._place(_CALLS)
        if name is not None:
            await self._connection.execute(await self._text("archive_sources", name))
            self._progress("sources kept", 0, 0)

    async def _write(self) -> None:
        for table in self._tables:
            await self._write_file(table)

    async def _write_file(self, table: str) -> None:
        """Write the table's rows to a new file, read it back, and note it. One that is not noted is never read."""
        columns = await self._columns(table)
        path = f"{self._folder(table)}/part-{self._part}-{uuid4().hex[:8]}.parquet"
        _, name = await self._place(table)
        total = await self._connection.fetchval(await self._text("archive_count", name)) if name is not None else 0
        writer = await asyncio.to_thread(FileWriter, self._store, path, columns)
        done = 0
        async for rows in self._groups(table, columns):
            await asyncio.to_thread(writer.add, rows)
            done += len(rows)
            self._progress(f"{table} written", done, max(done, total))
        written = await asyncio.to_thread(writer.close)
        size, held = await asyncio.to_thread(self._read_back, path)
        if held != written:
            raise ArchiveDamagedError(f"{path}: {held.rows} rows came back of {written.rows} written, or others.")
        await self._execute(
            "archive_note_file", self._month, self._part, table, path, written.rows, size, written.sha256
        )
        self._progress(f"{table} read back", written.rows, written.rows)

    def _read_back(self, path: str) -> tuple[int, Content]:
        reader = FileReader(self._store, path)
        return reader.size, reader.content()

    async def _detach(self) -> None:
        # What hangs on calls goes first: a reader then misses an artifact in Postgres, which it looks for in the files.
        for table in reversed(self._tables):
            state, name = await self._place(table)
            if state == "attached":
                await self._connection.execute(await self._text("archive_detach", table, name))
                self._progress(f"{table} detached", 0, 0)
            elif state == "pending":
                await self._connection.execute(await self._text("archive_finalize", table, name))
                self._progress(f"{table} detached", 0, 0)
            await self._execute("archive_replace", table, self._month)
            self._progress(f"{table} replaced", 0, 0)

    async def _verify(self) -> None:
        await self._keep_sources()
        noted = {file.table: file for file in await self._files()}
        for table in self._tables:
            file = noted.get(table)
            digest = Digest()
            async for rows in self._groups(table, await self._columns(table)):
                await asyncio.to_thread(digest.add, rows)
            content = digest.content
            if file is None or (file.rows, file.sha256) != (content.rows, content.sha256):
                await self._write_file(table)
            self._progress(f"{table} verified", content.rows, content.rows)

    async def _drop(self) -> None:
        for table in self._tables:
            state, name = await self._place(table)
            if state == "detached":
                await self._connection.execute(await self._text("archive_drop", name))
                self._progress(f"{table} dropped", 0, 0)
        await asyncio.to_thread(self._remove_others, {file.path for file in await self._files()})

    def _remove_others(self, kept: set[str]) -> None:
        """Remove the files of this part that a run which was cut off, or a late write, left without a use."""
        for table in self._tables:
            prefix = f"{self._folder(table)}/"
            listed = cast("Iterable[Sequence[ObjectMeta]]", obstore.list(self._store, prefix))  # pyright: ignore[reportUnknownMemberType]  # an overload names pyarrow, which tells no types
            paths = [each["path"] for page in listed for each in page]
            own = [path for path in paths if path.startswith(f"{prefix}part-{self._part}-")]
            obstore.delete(self._store, [path for path in own if path not in kept])

    async def _groups(self, table: str, columns: Sequence[Column]) -> AsyncGenerator[Sequence[Values]]:
        """The month's rows of the table in groups of bounded size."""
        _, name = await self._place(table)
        if name is None:
            return
        query = await self._text(
            "archive_rows", name, [column.name for column in columns], [column.type for column in columns], table
        )
        group: list[Values] = []
        size = 0
        async with self._connection.transaction(isolation="repeatable_read", readonly=True):
            async for record in self._connection.cursor(query, prefetch=_FETCHED_AT_ONCE):
                row = tuple(record)
                group.append(row)
                size += sum(len(value) for value in row if isinstance(value, str))
                if len(group) >= GROUP_ROWS or size >= GROUP_BYTES:
                    yield group
                    group, size = [], 0
        if group:
            yield group

    async def _columns(self, table: str) -> list[Column]:
        rows = await self._connection.fetch(statement("archive_columns"), table)
        return [Column(row["name"], row["type"]) for row in rows]

    async def _place(self, table: str) -> tuple[str | None, str | None]:
        row = await self._connection.fetchrow(statement("archive_place"), table, self._month)
        return (row["state"], row["name"]) if row is not None else (None, None)

    async def _files(self) -> Sequence[ArchivedTable]:
        rows = await self._connection.fetch(statement("archive_files_of_part"), self._month, self._part)
        return [
            ArchivedTable(
                table=row["table_name"], path=row["path"], rows=row["rows"], size=row["bytes"], sha256=row["sha256"]
            )
            for row in rows
        ]

    async def _text(self, name: str, *arguments: Any) -> str:
        """A command that names a table, quoted by Postgres itself."""
        return str(await self._connection.fetchval(statement(name), *arguments))

    async def _execute(self, name: str, *arguments: Any) -> None:
        await self._connection.execute(statement(name), *arguments)


def _months(day: date) -> int:
    """Months since the year 0."""
    return day.year * 12 + day.month - 1
