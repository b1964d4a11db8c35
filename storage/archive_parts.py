"""Rows of an archived month as one list, whatever part of the month holds them.

A later part counts over an earlier one, because what is kept of a call is always written whole. What reads files
blocks: `ArchiveThreads` runs it.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Final, TypeAlias, TypeVar
from uuid import UUID

from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from storage.archive_files import FileReader, Row
from storage.errors import StorageUnavailableError

_SECONDS: Final = 10.0
# Each holds a row group for each part of a month; further readers wait.
_AT_ONCE: Final = 2

Month: TypeAlias = Mapping[str, Sequence[str]]
"""Paths of a month's files by table, the newest part first."""

Place: TypeAlias = tuple[datetime, UUID]
"""Where a call stands in the order of calls: first sight, then the row's id."""


_T = TypeVar("_T")


class ArchiveThreads:
    """Runs what reads files, a few at once in a process: so much memory, however many ask."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="archive")

    async def run(self, work: Callable[[], _T]) -> _T:
        """What it returns. Every fault of the object store, and its silence, raises StorageUnavailableError.

        A thread that is given up on goes on to its next answer, and keeps its place until then.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except FileNotFoundError as replaced:
            raise StorageUnavailableError("the archive is being written anew") from replaced
        except (BaseError, OSError, TimeoutError) as away:
            raise StorageUnavailableError("the object store refused or did not answer") from away


def place_of(row: Row) -> Place:
    """The call's place, from its own row or one of what it left behind."""
    return (row["call_created_at"], row["call_id"]) if "call_id" in row else (row["created_at"], row["id"])


def newest_first(
    store: ObjectStore,
    month: Month,
    table: str,
    organization_id: str,
    *,
    since: datetime,
    until: datetime,
    names: Sequence[str] | None = None,
) -> Iterator[Row]:
    """The organization's rows of the table, of calls first seen in [since, until]; `names` as in FileReader.rows.

    One row group of each part is held at a time, and the ids of what came late.
    """
    paths = month.get(table, ())
    ids = ("call_id", "call_created_at") if table != "calls" else ("id", "created_at")
    parts: list[Iterator[Row]] = []
    newer: frozenset[UUID] = frozenset()
    for path in paths:
        file = FileReader(store, path)
        parts.append(_without(newer, file.rows(organization_id, since=since, until=until, names=names)))
        # Only what came late is gone through twice; the oldest part has nothing below it.
        if path != paths[-1]:
            newer |= {place_of(row)[1] for row in file.rows(organization_id, since=since, until=until, names=ids)}
    return heapq.merge(*parts, key=place_of, reverse=True)


def rows_of_call(
    store: ObjectStore, paths: Sequence[str], organization_id: str, *, row_id: UUID, created_at: datetime
) -> Sequence[Row]:
    """One call's rows of one table, from the newest part that has any."""
    for path in paths:
        found = FileReader(store, path).rows(organization_id, since=created_at, until=created_at)
        rows = [row for row in found if place_of(row)[1] == row_id]
        if rows:
            return rows
    return ()


def _without(newer: frozenset[UUID], rows: Iterator[Row]) -> Iterator[Row]:
    return (row for row in rows if place_of(row)[1] not in newer)
