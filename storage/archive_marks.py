"""Whether an archived call has a recording, an incident or a tag: what its own row does not tell.

Recordings are archived with their calls, but one that came late is in Postgres, and so may be a call whose recording is
archived. Incidents and tags never leave Postgres.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

from storage.archive_files import Row
from storage.archive_parts import Place, place_of
from storage.call_filter import CallFilter
from storage.calls import TenantReader

Recordings: TypeAlias = Callable[[datetime, datetime], Iterator[Row]]
"""Archived recordings of calls first seen in [since, until], newest first; blocks as it goes on."""

Run: TypeAlias = Callable[[Callable[[], frozenset[UUID]]], Awaitable[frozenset[UUID]]]

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks of calls, with what Postgres knows of those that are archived.

    `only` is what to ask Postgres itself: it names calls there whose recordings are archived.
    """

    only: CallFilter
    recorded: Collection[UUID] = ()
    alarmed: Collection[str] = ()
    tagged: Collection[UUID] = ()

    def let_through(self, calls: Iterator[Row], recordings: Recordings, *, since: datetime) -> Iterator[Row]:
        """Those of archived calls, newest first, that are asked for. `since` is not later than the oldest of them."""
        found = (row for row in calls if self.only.matches(row))
        if self.only.has_incident is not None:
            found = (row for row in found if (row["provider_call_id"] in self.alarmed) is self.only.has_incident)
        if self.only.tag is not None:
            found = (row for row in found if row["id"] in self.tagged)
        return found if self.only.has_recording is None else self._by_recording(found, recordings, since)

    def _by_recording(self, calls: Iterator[Row], recordings: Recordings, since: datetime) -> Iterator[Row]:
        archived: Iterator[Row] | None = None
        last: Place | None = None
        for call in calls:
            place = place_of(call)
            if archived is None:
                archived = recordings(since, call["created_at"])
                last = _next(archived)
            # Both in one order: what stands before this call belongs to one that is not asked for.
            while last is not None and last > place:
                last = _next(archived)
            if (last == place or call["id"] in self.recorded) is self.only.has_recording:
                yield call


async def asked_of(
    reads: TenantReader, months: Collection[date], only: CallFilter, *, recordings: Recordings, run: Run
) -> Asked:
    """What is asked of calls of the archived `months` too. `run` runs what reads files."""
    recorded: set[UUID] = set()
    elsewhere: set[UUID] = set()
    alarmed: set[str] = set()
    tagged: set[UUID] = set()
    for month in months:
        since = datetime(month.year, month.month, 1, tzinfo=UTC)
        until = (since + timedelta(days=31)).replace(day=1)
        if only.has_incident is not None:
            alarmed |= await reads.alarmed_calls(since, until)
        if only.tag is not None:
            tagged |= await reads.calls_tagged(since, until, only.tag)
        if only.has_recording is not None:
            recorded |= await reads.recorded_late(since, until)
            late = await reads.unrecorded_late(since, until)
            elsewhere |= await run(lambda late=late: _recorded_of(late, recordings)) if late else set()
    return Asked(
        only=replace(only, recorded_elsewhere=tuple(elsewhere)) if elsewhere else only,
        recorded=recorded,
        alarmed=alarmed,
        tagged=tagged,
    )


def _recorded_of(calls: Sequence[Row], recordings: Recordings) -> frozenset[UUID]:
    """Which of the calls have an archived recording."""
    times = [row["created_at"] for row in calls]
    ids = {row["id"] for row in calls}
    return frozenset(row["call_id"] for row in recordings(min(times), max(times)) if row["call_id"] in ids)


def _next(rows: Iterator[Row]) -> Place | None:
    row = next(rows, None)
    return place_of(row) if row is not None else None
