"""An organization's calls of months that were archived, as if they were still in Postgres.

The reads of the request are of a moment before any look into the files: a row that Postgres no longer showed was in
them before. What Postgres shows counts over the files.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain, islice
from typing import Final
from uuid import UUID

from storage.archive import may_be_archived
from storage.archive_files import Row, open_archive
from storage.archive_marks import Asked, Recordings, asked_of
from storage.archive_parts import ArchiveThreads, Month, Place, newest_first, place_of, rows_of_call
from storage.archive_search import JUDGED, LOOKED_THROUGH, WordsOf
from storage.call_filter import CallFilter, Position
from storage.calls import CallRecord, TenantReader
from storage.postgres import Pool, fetch

_EXPORTED_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Calls in which words were said, newest first; by row id what was said around them; where to go on, if at all."""

    rows: Sequence[Row]
    said: Mapping[UUID, str]
    after: Position | None


class ArchiveReader:
    """Reads what `storage.archive` wrote below `url`. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool, url: str) -> None:
        self._pool = pool
        self._store = open_archive(url)
        self._threads = ArchiveThreads()
        self._columns: Sequence[str] = ()

    async def calls_before(
        self, reads: TenantReader, position: Position, *, since: datetime, only: CallFilter, limit: int, now: datetime
    ) -> Sequence[Row]:
        """As TenantReader.calls_before, over the archive too; rows from there are marked `archived`."""
        months = await self._months(since, position.created_at, now=now)
        asked = await self._asked(reads, months, only)
        page = await reads.calls_before(position, since=since, only=asked.only, limit=limit)
        wanted = self._wanted(months, reads.organization_id, position, since=since, asked=asked)
        while told := await self._next(wanted, limit) if months else ():
            page = sorted([*page, *await self._fresh(reads, told)], key=place_of, reverse=True)[:limit]
            if len(told) < limit or (len(page) == limit and place_of(page[-1]) >= place_of(told[-1])):
                break
        return page

    async def every_call(
        self, reads: TenantReader, position: Position, *, since: datetime, only: CallFilter, now: datetime
    ) -> AsyncGenerator[Row]:
        """As TenantReader.every_call, over the archive too: a few hundred rows of each are held at once."""
        months = await self._months(since, position.created_at, now=now)
        asked = await self._asked(reads, months, only)
        async with aclosing(reads.every_call(position, since=since, only=asked.only)) as stored:
            row = await anext(stored, None)
            if months and only.words is not None:
                searched = self._every_call_with_words(reads, only.words, position, since=since, only=only, now=now)
                async with aclosing(searched):
                    async for each in searched:
                        yield each
                return
            archived = self._every_archived(reads, months, position, since=since, asked=asked)
            async with aclosing(archived):
                kept = await anext(archived, None)
                while row is not None or kept is not None:
                    if row is not None and (kept is None or place_of(row) > place_of(kept)):
                        yield row
                        row = await anext(stored, None)
                    elif kept is not None:
                        yield kept
                        kept = await anext(archived, None)

    async def calls_with_words(
        self,
        reads: TenantReader,
        words: str,
        position: Position,
        *,
        since: datetime,
        only: CallFilter,
        limit: int,
        now: datetime,
    ) -> Found:
        """As TenantReader.calls_with_words, over the archive too, of which a bounded amount is looked through."""
        asked = await self._asked(reads, await self._months(since, position.created_at, now=now), only)
        stored, after = await reads.calls_with_words(words, position, since=since, only=asked.only, limit=limit)
        said = dict(await reads.highlights(words, stored))
        rows = list(stored)
        # What is older than this was not looked through by Postgres, and need not be in the files.
        bounds = [(after.created_at, after.row_id)] if after is not None else []
        oldest = max(since, after.created_at) if after is not None else since
        months = await self._months(oldest, position.created_at, now=now)
        if months:
            found = await self._search(reads, months, words, position, since=oldest, asked=asked, limit=limit)
            rows = sorted([*rows, *found.rows], key=place_of, reverse=True)
            said |= found.said
            bounds += [(found.after.created_at, found.after.row_id)] if found.after is not None else []
        if bounds:
            rows = [row for row in rows if place_of(row) >= max(bounds)]
        if len(rows) > limit:
            return Found(rows=rows[:limit], said=said, after=_position(place_of(rows[limit - 1])))
        return Found(rows=rows, said=said, after=_position(max(bounds)) if bounds else None)

    async def call(self, reads: TenantReader, call_id: str, *, now: datetime) -> CallRecord | None:
        """As TenantReader.call, completed from the archive; marked `archived` when something is from there."""
        record, kept = await reads.call(call_id), await self._of_call(reads, call_id, now=now)
        if not kept:
            return record
        archived = next(map(self._call_row, kept.get("calls", ())), None)
        call = record.call if record is not None else archived
        if call is None:
            return None
        if record is None:
            call = {**call, "tags": (await reads.tags_of([call["id"]])).get(call["id"], [])}
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
        for month in (await self._months(created_at, created_at, now=now)).values():
            for table, paths in month.items():
                rows = await self._threads.run(
                    partial(
                        *(rows_of_call, self._store, paths, reads.organization_id),
                        row_id=row_id,
                        created_at=created_at,
                    )
                )
                kept |= {table: rows} if rows else {}
        return kept

    async def _months(self, since: datetime, until: datetime, *, now: datetime) -> Mapping[date, Month]:
        """What was archived of the months from `since` to `until`, the newest first."""
        if not may_be_archived(since, now=now):
            return {}
        if not self._columns:
            self._columns = [row["name"] for row in await fetch(self._pool, "archive_columns", "calls")]
        months: dict[date, dict[str, list[str]]] = {}
        for row in await fetch(self._pool, "archive_readable", _month(since), _month(until)):
            months.setdefault(row["month"], {}).setdefault(row["table_name"], []).append(row["path"])
        return months

    async def _asked(self, reads: TenantReader, months: Mapping[date, Month], only: CallFilter) -> Asked:
        recordings = self._recordings(months, reads.organization_id)
        return await asked_of(reads, months, only, recordings=recordings, run=self._threads.run)

    def _recordings(self, months: Mapping[date, Month], organization_id: str) -> Recordings:
        return lambda since, until: self._rows(
            *(months, "call_recordings", organization_id),
            since=since,
            until=until,
            names=("call_id", "call_created_at"),
        )

    def _wanted(
        self,
        months: Mapping[date, Month],
        organization_id: str,
        position: Position,
        *,
        since: datetime,
        asked: Asked,
    ) -> Iterator[Row]:
        """Archived calls after the position that the filters let through; some of them Postgres may have newer."""
        before = (position.created_at, position.row_id)
        rows = self._rows(months, "calls", organization_id, since=since, until=position.created_at)
        following = (row for row in rows if place_of(row) < before)
        return map(self._call_row, asked.let_through(following, self._recordings(months, organization_id), since=since))

    def _rows(
        self,
        months: Mapping[date, Month],
        table: str,
        organization_id: str,
        *,
        since: datetime,
        until: datetime,
        names: Sequence[str] | None = None,
    ) -> Iterator[Row]:
        """No file is opened before the first row is asked for, nor the next month's before the month's last."""
        return chain.from_iterable(
            newest_first(self._store, month, table, organization_id, since=since, until=until, names=names)
            for month in months.values()
        )

    async def _next(self, rows: Iterator[Row], count: int) -> Sequence[Row]:
        return await self._threads.run(lambda: list(islice(rows, count)))

    async def _fresh(self, reads: TenantReader, told: Sequence[Row]) -> Sequence[Row]:
        """Without those that Postgres has newer, and with their tags, which it alone has."""
        newer = await reads.calls_among([(row["id"], row["created_at"]) for row in told])
        archived = [row for row in told if row["id"] not in newer]
        tags = await reads.tags_of([row["id"] for row in archived]) if archived else {}
        return [{**row, "tags": tags.get(row["id"], [])} for row in archived]

    async def _every_archived(
        self, reads: TenantReader, months: Mapping[date, Month], position: Position, *, since: datetime, asked: Asked
    ) -> AsyncGenerator[Row]:
        rows = self._wanted(months, reads.organization_id, position, since=since, asked=asked)
        while told := await self._next(rows, _EXPORTED_AT_ONCE):
            for row in await self._fresh(reads, told):
                yield row

    async def _every_call_with_words(
        self, reads: TenantReader, words: str, position: Position, *, since: datetime, only: CallFilter, now: datetime
    ) -> AsyncGenerator[Row]:
        after: Position | None = position
        while after is not None:
            found = await self.calls_with_words(
                reads, words, after, since=since, only=only, limit=_EXPORTED_AT_ONCE, now=now
            )
            for row in found.rows:
                yield row
            after = found.after

    async def _search(
        self,
        reads: TenantReader,
        months: Mapping[date, Month],
        words: str,
        position: Position,
        *,
        since: datetime,
        asked: Asked,
        limit: int,
    ) -> Found:
        """Archived calls after the position in whose archived transcripts the words occur, as far as it got."""
        query = WordsOf(reads, words)
        await query.prepare()
        transcripts = self._rows(
            *(months, "call_transcripts", reads.organization_id),
            since=since,
            until=position.created_at,
            names=("call_id", "call_created_at", "transcript_text"),
        )
        before = (position.created_at, position.row_id)
        following = (row for row in transcripts if place_of(row) < before)
        rows: list[Row] = []
        said: dict[UUID, str] = {}
        looked_through = judged = 0
        last: Place | None = None
        while True:
            looked = await self._threads.run(lambda: query.look(following))
            calls = await self._calls_of(reads, months, list(looked.maybe), asked=asked)
            newer = await query.told_anew([place_of(row) for row in calls])
            calls = [row for row in calls if row["id"] not in newer]
            texts = [looked.maybe[place_of(row)] for row in calls]
            marks = await query.judge(texts)
            rows += [calls[place] for place in sorted(marks)]
            said |= {calls[place]["id"]: marked for place, marked in marks.items()}
            looked_through += looked.characters
            judged += sum(map(len, texts))
            last = looked.last
            if last is None or len(rows) > limit or looked_through >= LOOKED_THROUGH or judged >= JUDGED:
                return Found(rows=rows, said=said, after=_position(last) if last is not None else None)

    async def _calls_of(
        self, reads: TenantReader, months: Mapping[date, Month], places: Sequence[Place], *, asked: Asked
    ) -> Sequence[Row]:
        """Those of the calls that the filters let through, newest first."""
        if not places:
            return ()
        wanted = frozenset(places)
        since, until = min(wanted)[0], max(wanted)[0]
        rows = self._rows(months, "calls", reads.organization_id, since=since, until=until)
        told = (row for row in rows if place_of(row) in wanted)
        archived = asked.let_through(told, self._recordings(months, reads.organization_id), since=since)
        kept = await self._fresh(reads, await self._next(map(self._call_row, archived), len(wanted)))
        stored = await reads.calls_of([(row_id, at) for at, row_id in places], only=asked.only)
        return sorted([*kept, *stored], key=place_of, reverse=True)

    def _call_row(self, row: Row) -> Row:
        """With every column that `calls` has today: one that is younger than the file is empty."""
        return {**dict.fromkeys(self._columns), **row, "archived": True}


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


def _position(place: Place) -> Position:
    return Position(created_at=place[0], row_id=place[1])


def _month(at: datetime) -> date:
    return at.astimezone(UTC).date().replace(day=1)
