"""What an organization reads of its calls and settings, on a connection of `tenant_reads`."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import UUID

from actors.domain.capacity import Limits, limits_from
from actors.domain.local_day import day_bounds
from actors.domain.metrics import DayCounters
from actors.slots import slot_of
from storage.call_filter import CallFilter, Position
from storage.day_rows import day_of_rows
from storage.errors import StorageError
from storage.postgres import Connection
from storage.statements import statement
from storage.times import moment

Row: TypeAlias = dict[str, Any]

_TIMELINE_ROWS: Final = 1_000
_SEARCHED_AT_ONCE: Final = 1_000
_FETCHED_AT_ONCE: Final = 500
MOST_FOUND: Final = 20_000
"""How many calls one export may find by words."""


class TooManyFoundError(StorageError):
    """The words were said in more than MOST_FOUND calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySoFar:
    """A day's figures with what was permitted on it, and how many calls are live and waiting now."""

    live: int
    waiting: int
    day: DayCounters
    limits: Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call as Postgres knows it: the joined row, its action items, people's notes, what arrived about it."""

    call: Row
    actions: Sequence[Row]
    notes: Sequence[Row]
    timeline: Sequence[Row]


class TenantReader:
    """Reads of one organization on one connection. Every row is of the connection's one moment."""

    def __init__(self, connection: Connection, organization_id: str) -> None:
        self._connection = connection
        self.organization_id = organization_id
        self._organization_id = UUID(organization_id)
        self._slot = slot_of(organization_id)

    @property
    def connection(self) -> Connection:
        """For other reads of the same moment."""
        return self._connection

    async def organization(self) -> Row | None:
        """Settings without secrets."""
        return await self._row("organization_settings")

    async def assistants(self) -> Sequence[Row]:
        """At most 200 assistants by name, each with the numbers it answers."""
        return await self._rows("assistants_of_organization")

    async def webhook_figures(self, since: datetime) -> Row:
        """Webhooks `received`, `duplicates`, `last_received_at` since then; `unapplied` rows and the `oldest`."""
        return await self._only("webhook_figures", since, self._slot)

    async def day(self, day: date, time_zone: str) -> DayCounters:
        """The figures of a day of that zone: what the live board shows of it, or showed."""
        bounds = [moment(at) for at in day_bounds(day, time_zone)]
        rows = await self._rows("journal_day", *bounds)
        events = await self._only("journal_day_events", *bounds)
        return await asyncio.to_thread(day_of_rows, day, time_zone, rows, events)

    async def limits(self, day: date, time_zone: str) -> Limits:
        """How many calls were permitted at once over that day, moment by moment."""
        bounds = (moment(at) for at in day_bounds(day, time_zone))
        return limits_from((await self._only("limits_between", *bounds))["limits"])

    async def day_so_far(self, day: date, time_zone: str) -> DaySoFar:
        """The figures of a day that goes on, and of now, in one statement."""
        rows = await self._rows("day_so_far", *(moment(at) for at in day_bounds(day, time_zone)))
        first = rows[0]
        counters = await asyncio.to_thread(
            day_of_rows, day, time_zone, [row for row in rows if row["status"] is not None], first
        )
        return DaySoFar(live=first["live"], waiting=first["waiting"], day=counters, limits=limits_from(first["limits"]))

    async def active_calls(self, *, limit: int) -> tuple[Sequence[Row], int]:
        """Calls not ended, newest first, and how many there are in all."""
        rows = await self._rows("active_calls", limit)
        return rows, rows[0]["total"] if rows else 0

    async def calls_before(self, position: Position, *, since: datetime, only: CallFilter, limit: int) -> Sequence[Row]:
        """Calls first seen at or after `since` that come after `position` in the order, newest first; not by words."""
        return await self._rows(*await self._page(position, since, limit, only, None))

    async def calls_with_words(
        self, words: str, position: Position, *, since: datetime, only: CallFilter, limit: int
    ) -> tuple[Sequence[Row], Position | None]:
        """Those of at most `limit` calls before `position` in which words were said, and where to go on; None: no more.

        A bounded number of them is looked through at once: where `only` narrows, a page may come out short, or empty,
        and still have more after it.
        """
        most = max(_SEARCHED_AT_ONCE, limit) if only.narrows else limit
        said = await self._said(words, position, since, most + 1)
        looked, more = said[:most], len(said) > most
        if not looked:
            return [], None
        rows = await self._rows(*await self._page(position, since, limit + 1, only, looked))
        if len(rows) > limit:
            return rows[:limit], Position(created_at=rows[limit - 1]["created_at"], row_id=rows[limit - 1]["id"])
        last = Position(created_at=looked[-1]["call_created_at"], row_id=looked[-1]["call_id"])
        return rows, last if more else None

    async def every_call(self, position: Position, *, since: datetime, only: CallFilter) -> AsyncGenerator[Row]:
        """All of them, through a cursor of Postgres: however many, a few hundred are held at once.

        Raises TooManyFoundError when words were said in more calls than can be looked through.
        """
        said = None
        if only.words is not None:
            said = await self._said(only.words, position, since, MOST_FOUND + 1)
            if len(said) > MOST_FOUND:
                raise TooManyFoundError(MOST_FOUND)
        name, *arguments = await self._page(position, since, None, only, said)
        cursor = self._connection.cursor(statement(name), self._organization_id, *arguments, prefetch=_FETCHED_AT_ONCE)
        async for row in cursor:
            yield dict(row)

    async def highlights(self, words: str, rows: Sequence[Row]) -> dict[UUID, str]:
        """By the row's id what was said around the words: see `calls_highlighted` for how they are marked."""
        ids, times = [row["id"] for row in rows], [row["created_at"] for row in rows]
        return {row["call_id"]: row["marked"] for row in await self._rows("calls_highlighted", words, ids, times)}

    async def _said(self, words: str, position: Position, since: datetime, most: int) -> Sequence[Row]:
        # The end of the range is exclusive, and a position may lie at the very moment of a call.
        until = position.created_at + timedelta(microseconds=1)
        return await self._rows("calls_said", words, since, until, position.created_at, position.row_id, most)

    async def _page(
        self, position: Position, since: datetime, limit: int | None, only: CallFilter, said: Sequence[Row] | None
    ) -> tuple[Any, ...]:
        """The name of a statement and its arguments, for which it is planned where anything narrows it."""
        # No partition beyond the oldest of them is read.
        oldest = said[-1]["call_created_at"] if said else since
        place = (max(since, oldest), position.created_at, position.row_id, limit)
        if said is None and not only.narrows:
            return ("calls_in_order", *place)
        await self._plan_for_arguments()
        ids = [row["call_id"] for row in said] if said is not None else None
        return ("calls_page", *place, *only.columns, ids)

    async def _plan_for_arguments(self) -> None:
        # A plan made once for whatever may be asked reads the whole range: no index serves a filter that may be absent.
        await self._connection.execute(statement("plan_for_arguments"))

    async def call(self, call_id: str) -> CallRecord | None:
        """The call with the provider's id; None when this organization has none."""
        key = await self._row("call_key", call_id)
        if key is None:
            return None
        place = (key["id"], key["created_at"])
        row = await self._row("call", *place)
        if row is None:
            return None
        return CallRecord(
            call=row,
            actions=await self._rows("actions_of_call", *place),
            notes=await self._rows("notes_on_call", *place),
            timeline=await self.timeline(call_id),
        )

    async def key(self, call_id: str) -> tuple[UUID, datetime] | None:
        """A call's row id and first sight, wherever its row is now; None when there is no such call."""
        row = await self._row("call_key", call_id)
        return (row["id"], row["created_at"]) if row is not None else None

    async def timeline(self, call_id: str) -> Sequence[Row]:
        """What arrived about the call, oldest first."""
        return await self._rows("timeline_of_call", call_id, _TIMELINE_ROWS)

    async def calls_among(self, places: Sequence[tuple[UUID, datetime]]) -> Collection[UUID]:
        """Which of these calls, by id and first sight, Postgres has."""
        rows = await self._rows("calls_among", [row_id for row_id, _ in places], [at for _, at in places])
        return {row["id"] for row in rows}

    async def calls_of(self, places: Sequence[tuple[UUID, datetime]], *, only: CallFilter) -> Sequence[Row]:
        """Those of these calls, by id and first sight, that Postgres has and the filters let through; not by words."""
        times = [at for _, at in places]
        just_after = Position(created_at=max(times) + timedelta(microseconds=1), row_id=UUID(int=0))
        ids = [row_id for row_id, _ in places]
        await self._plan_for_arguments()
        return await self._rows(
            "calls_page", min(times), just_after.created_at, just_after.row_id, None, *only.columns, ids
        )

    async def recorded_late(self, since: datetime, until: datetime) -> frozenset[UUID]:
        """Calls first seen in [since, until) whose recordings Postgres has."""
        return frozenset(row["call_id"] for row in await self._rows("recorded_late", since, until))

    async def unrecorded_late(self, since: datetime, until: datetime) -> Sequence[Row]:
        """`id` and `created_at` of calls first seen in [since, until) that Postgres has without a recording."""
        return await self._rows("unrecorded_late", since, until)

    async def alarmed_calls(self, since: datetime, until: datetime) -> frozenset[str]:
        """Provider's ids of calls first seen in [since, until), wherever they are now, that an incident is about."""
        return frozenset(row["call_id"] for row in await self._rows("alarmed_calls", since, until))

    async def calls_tagged(self, since: datetime, until: datetime, tag: str) -> frozenset[UUID]:
        """Calls, by row id, first seen in [since, until), wherever they are now, that have the tag."""
        return frozenset(row["call_id"] for row in await self._rows("calls_tagged", since, until, tag))

    async def tags_of(self, row_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
        """The tags of these calls, wherever they are now; without those that have none."""
        return {row["call_id"]: row["tags"] for row in await self._rows("tags_of_calls", row_ids)}

    async def recording(self, call_id: str) -> Row | None:
        """Where the call's recording lies, its size, digest and type; None when there is no such call or recording."""
        key = await self._row("call_key", call_id)
        return await self._row("recording_of_call", key["id"], key["created_at"]) if key is not None else None

    async def incidents_before(
        self, *, opened_at: datetime | None, incident_id: UUID | None, only_open: bool | None, limit: int
    ) -> Sequence[Row]:
        """Incidents that come after a place in the order, or from the newest; only those open or ended if told."""
        return await self._rows("incidents_page", opened_at, incident_id, only_open, limit)

    async def incident(self, incident_id: UUID) -> Row | None:
        """One incident; None when this organization has none of the id."""
        return await self._row("incident", incident_id)

    async def _rows(self, name: str, *arguments: Any) -> list[Row]:
        return [dict(row) for row in await self._connection.fetch(statement(name), self._organization_id, *arguments)]

    async def _row(self, name: str, *arguments: Any) -> Row | None:
        row = await self._connection.fetchrow(statement(name), self._organization_id, *arguments)
        return dict(row) if row is not None else None

    async def _only(self, name: str, *arguments: Any) -> Row:
        row = await self._row(name, *arguments)
        if row is None:
            raise AssertionError(f"{name} aggregates, so it always answers one row")
        return row
