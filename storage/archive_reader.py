"""An organization's calls of months that were archived, as if they were still in Postgres.

Every method takes the reads of the request first and looks into the files afterwards: a row that Postgres no longer
showed was in them before. What Postgres shows counts over the files, and a later part over an earlier one, because a
call's row is always written whole.
"""

import asyncio
import heapq
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from itertools import chain, islice
from typing import Final, TypeAlias
from uuid import UUID

from obstore.exceptions import BaseError

from storage.archive import may_be_archived
from storage.archive_files import FileReader, Row, open_archive
from storage.call_filter import CallFilter, Position
from storage.calls import CallRecord, TenantReader
from storage.errors import StorageUnavailableError
from storage.postgres import Pool, fetch

_SECONDS: Final = 10.0

Month: TypeAlias = Mapping[str, Sequence[str]]
"""Paths of a month's files by table, the newest part first."""


class ArchiveReader:
    """Reads what `storage.archive` wrote below `url`. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool = pool
        self._store = open_archive(url)
        self._columns: Sequence[str] = ()

    async def calls_before(
        self, reads: TenantReader, position: Position, *, since: datetime, only: CallFilter, limit: int, now: datetime
    ) -> Sequence[Row]:
        """As TenantReader.calls_before, over the archive too; rows from there are marked `archived`."""
        page = await reads.calls_before(position, since=since, only=only, limit=limit)
        months = await self._months(since, position.created_at, now=now)
        while months:
            async with _answered():
                told = await asyncio.to_thread(
                    self._candidates, months, reads.organization_id, position, since=since, only=only, limit=limit
                )
            if not told:
                break
            newer = await reads.calls_among([(row["id"], row["created_at"]) for row in told])
            fresh = [row for row in told if row["id"] not in newer]
            page = sorted([*page, *fresh], key=_order, reverse=True)[:limit]
            position = Position(created_at=told[-1]["created_at"], row_id=told[-1]["id"])
            if len(told) < limit or (len(page) == limit and _order(page[-1]) >= _order(told[-1])):
                break
        return page

    async def call(self, reads: TenantReader, call_id: str, *, now: datetime) -> CallRecord | None:
        """As TenantReader.call, completed from the archive; marked `archived` when something is from there."""
        record, kept = await reads.call(call_id), await self._of_call(reads, call_id, now=now)
        if not kept:
            return record
        archived = next(map(self._call_row, kept.get("calls", ())), None)
        call = record.call if record is not None else archived
        if call is None:
            return None
        return CallRecord(
            call={**call, **_missing_in(call, kept), "archived": True},
            actions=(record.actions if record is not None else ()) or kept.get("call_actions", ()),
            notes=(record.notes if record is not None else ()) or kept.get("call_notes", ()),
            timeline=record.timeline if record is not None else await reads.timeline(call_id),
        )

    async def recording(self, reads: TenantReader, call_id: str, *, now: datetime) -> Row | None:
        """As TenantReader.recording, over the archive too."""
        found = await reads.recording(call_id)
        if found is not None:
            return found
        kept = await self._of_call(reads, call_id, now=now)
        return next(iter(kept.get("call_recordings", ())), None)

    async def _of_call(self, reads: TenantReader, call_id: str, *, now: datetime) -> Mapping[str, Sequence[Row]]:
        """The call's archived rows by table."""
        key = await reads.key(call_id)
        if key is None:
            return {}
        row_id, created_at = key
        kept: dict[str, Sequence[Row]] = {}
        for month in await self._months(created_at, created_at, now=now):
            async with _answered():
                for table, paths in month.items():
                    rows = await asyncio.to_thread(
                        self._newest, paths, reads.organization_id, row_id=row_id, created_at=created_at
                    )
                    kept |= {table: rows} if rows else {}
        return kept

    async def _months(self, since: datetime, until: datetime, *, now: datetime) -> Sequence[Month]:
        """What was archived of the months from `since` to `until`, the newest first."""
        if not may_be_archived(since, now=now):
            return ()
        if not self._columns:
            self._columns = [row["name"] for row in await fetch(self._pool, "archive_columns", "calls")]
        months: dict[date, dict[str, list[str]]] = {}
        for row in await fetch(self._pool, "archive_readable", _month(since), _month(until)):
            months.setdefault(row["month"], {}).setdefault(row["table_name"], []).append(row["path"])
        return list(months.values())

    def _candidates(
        self,
        months: Sequence[Month],
        organization_id: str,
        position: Position,
        *,
        since: datetime,
        only: CallFilter,
        limit: int,
    ) -> Sequence[Row]:
        """The first archived calls after the position; some of them Postgres may have newer."""
        before = (position.created_at, position.row_id)
        rows = chain.from_iterable(
            self._calls(month.get("calls", ()), organization_id, since=since, until=position.created_at)
            for month in months
        )
        wanted = (row for row in rows if _order(row) < before and only.matches(row))
        return [self._call_row(row) for row in islice(wanted, limit)]

    def _call_row(self, row: Row) -> Row:
        """With every column that `calls` has today: one that is younger than the file is empty."""
        return {**dict.fromkeys(self._columns), **row, "archived": True}

    def _calls(self, paths: Sequence[str], organization_id: str, *, since: datetime, until: datetime) -> Iterator[Row]:
        """A month's calls, newest first, each from the newest part that has it."""
        parts: list[Iterator[Row]] = []
        newer: frozenset[UUID] = frozenset()
        for path in paths:
            file = FileReader(self._store, path)
            parts.append(_without(newer, file.rows(organization_id, since=since, until=until)))
            # Only what came late is gone through twice; the oldest part has nothing below it.
            if path != paths[-1]:
                newer |= {row["id"] for row in file.rows(organization_id, since=since, until=until)}
        return heapq.merge(*parts, key=_order, reverse=True)

    def _newest(
        self, paths: Sequence[str], organization_id: str, *, row_id: UUID, created_at: datetime
    ) -> Sequence[Row]:
        """A call's rows of one table, from the newest part that has any: they are always written together."""
        for path in paths:
            found = FileReader(self._store, path).rows(organization_id, since=created_at, until=created_at)
            rows = [row for row in found if row["call_id" if "call_id" in row else "id"] == row_id]
            if rows:
                return rows
        return ()


@asynccontextmanager
async def _answered() -> AsyncGenerator[None]:
    """Every fault of the object store, and its silence, under one name."""
    try:
        async with asyncio.timeout(_SECONDS):
            yield
    except FileNotFoundError as replaced:
        raise StorageUnavailableError("the archive is being written anew") from replaced
    except (BaseError, OSError, TimeoutError) as away:
        raise StorageUnavailableError("the object store refused or did not answer") from away


def _missing_in(call: Row, kept: Mapping[str, Sequence[Row]]) -> Row:
    """What a call left behind and the row that Postgres joined does not have."""
    told: Row = {}
    for table, names in (
        ("call_transcripts", ("transcript_text", "messages", "analysis")),
        ("call_costs", ("breakdown",)),
        ("call_recordings", ("path", "bytes", "sha256", "content_type")),
    ):
        if call.get(names[0]) is None:
            row = next(iter(kept.get(table, ())), None)
            told |= {name: row.get(name) for name in names} if row is not None else {}
    return told


def _without(newer: frozenset[UUID], rows: Iterator[Row]) -> Iterator[Row]:
    return (row for row in rows if row["id"] not in newer)


def _order(row: Row) -> tuple[datetime, UUID]:
    return row["created_at"], row["id"]


def _month(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)
