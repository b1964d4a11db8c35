"""The inbox: events become durable here, once each by key, in grouped multi-row inserts."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg
import orjson

from actors.domain.commands import InboxRow
from actors.domain.json_types import Facts
from actors.slots import slot_of
from storage.bodies import packed
from storage.errors import StorageError, StorageUnavailableError
from storage.postgres import Pool, acquired
from storage.statements import statement

ACCEPT_SECONDS = 1.7
_CONNECTION_SECONDS = 1.0
_STATEMENT_SECONDS = 1.5
_FLUSHERS = 2
_GROUP_ROWS = 64
_GROUP_BYTES = 8 * 1024 * 1024
"""One statement takes no more bodies than this, and one besides: of the largest, two at a time."""
_MAX_WAITING = 2_000
_MAX_WAITING_BYTES = 128 * 1024 * 1024


class RowRefusedError(StorageError):
    """Postgres answered, and refused the row. Nothing of it was written; the fault is in the schema or in this code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to take in. `body` is JSON without secrets; times are ms since the epoch.

    `control` is the sealed address that commands the call, where the event brings one.
    """

    organization_id: str
    provider: str
    event_key: str
    type: str
    call_id: str | None
    facts: Facts
    occurred_at: int | None
    received_at: int
    body: bytes | None = None
    control: bytes | None = field(default=None, repr=False)

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two deliveries one event."""
        return (self.organization_id, self.provider, self.event_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The row Postgres holds for an event; `duplicate` when an earlier delivery made it."""

    row: InboxRow
    duplicate: bool


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """An event not sent yet, and everyone who waits for it: twins fold into the first."""

    event: NewEvent
    futures: "list[asyncio.Future[Accepted]]" = field(default_factory=list["asyncio.Future[Accepted]"])

    @property
    def size(self) -> int:
        return len(self.event.body or b"")

    def is_wanted(self) -> bool:
        return any(not future.done() for future in self.futures)

    def resolve(self, record: asyncpg.Record) -> None:
        for twin, future in enumerate(self.futures):
            # A caller may have given up since.
            if not future.done():
                duplicate = twin > 0 or not record["is_new"]
                future.set_result(Accepted(row=_row(self.event, record), duplicate=duplicate))

    def fail(self, error: StorageError) -> None:
        for future in self.futures:
            if not future.done():
                future.set_exception(error)


class Inbox:
    """Takes events in. While a multi-row insert is under way the next group gathers: one commit serves many.

    Made inside a running event loop, which owns its flushers until `close`. The pool stays the caller's.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        flushers: int = _FLUSHERS,
        max_waiting: int = _MAX_WAITING,
        max_waiting_bytes: int = _MAX_WAITING_BYTES,
    ) -> None:
        self._pool = pool
        self._max_waiting = max_waiting
        self._max_waiting_bytes = max_waiting_bytes
        self._waiting: dict[tuple[str, str, str], _Waiting] = {}
        self._waiting_bytes = 0
        self._arrived = asyncio.Event()
        self._closing = False
        self._flushers = [asyncio.create_task(self._flush(), name=f"inbox flusher {n}") for n in range(flushers)]

    async def accept(self, event: NewEvent, *, seconds: float = ACCEPT_SECONDS) -> Accepted:
        """Store the event: durable on return, safe to repeat.

        Raises StorageUnavailableError when Postgres is away or slow, or too much waits already; nothing is then known
        to be written. Raises RowRefusedError. A cancelled caller undoes nothing: the event may be stored all the same.
        """
        waiting = self._waiting.get(event.key)
        if waiting is None:
            is_full = len(self._waiting) >= self._max_waiting or self._waiting_bytes >= self._max_waiting_bytes
            if self._closing or is_full:
                raise StorageUnavailableError(f"{len(self._waiting)} events wait for Postgres already")
            waiting = self._waiting[event.key] = _Waiting(event=event)
            self._waiting_bytes += waiting.size
            self._arrived.set()
        future: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()
        waiting.futures.append(future)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError as slow:
            raise StorageUnavailableError(f"Postgres took no event within {seconds} s") from slow

    async def close(self) -> None:
        """Send what waits, then end. Safe to repeat; later events are refused as unavailable."""
        self._closing = True
        self._arrived.set()
        await asyncio.gather(*self._flushers)

    async def _flush(self) -> None:
        while True:
            await self._arrived.wait()
            group = self._next_group()
            if group:
                await self._send(group)
            elif self._closing:
                return
            else:
                self._arrived.clear()

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        size = 0
        while self._waiting and len(group) < _GROUP_ROWS and size < _GROUP_BYTES:
            waiting = self._waiting.pop(next(iter(self._waiting)))
            self._waiting_bytes -= waiting.size
            # What nobody waits for any more was answered with a failure already.
            if waiting.is_wanted():
                group.append(waiting)
                size += waiting.size
        return group

    async def _send(self, group: Sequence[_Waiting]) -> None:
        try:
            records = await self._insert(group)
        except StorageUnavailableError as away:
            for waiting in group:
                waiting.fail(away)
        except Exception as refused:  # noqa: BLE001  # goes to who waits; a flusher must outlive every fault
            if len(group) > 1:
                # One row Postgres refuses must not take its neighbours with it.
                for waiting in group:
                    await self._send([waiting])
            else:
                error = RowRefusedError(f"Postgres refused an event of type {group[0].event.type!r}")
                error.__cause__ = refused
                group[0].fail(error)
        else:
            for waiting, record in zip(group, records, strict=True):
                waiting.resolve(record)

    async def _insert(self, group: Sequence[_Waiting]) -> list[asyncpg.Record]:
        columns = zip(*(_values(waiting) for waiting in group), strict=True)
        async with acquired(self._pool, seconds=_CONNECTION_SECONDS) as connection:
            return await connection.fetch(statement("inbox_accept"), *columns, timeout=_STATEMENT_SECONDS)


def _values(waiting: _Waiting) -> tuple[object, ...]:
    event = waiting.event
    return (
        event.organization_id,
        event.provider,
        event.event_key,
        slot_of(event.organization_id),
        event.call_id,
        event.type,
        orjson.dumps(event.facts).decode(),
        event.occurred_at,
        event.received_at,
        len(waiting.futures),
        None if event.body is None else packed(event.body),
        event.control,
    )


def _row(event: NewEvent, record: asyncpg.Record) -> InboxRow:
    is_new: bool = record["is_new"]
    return InboxRow(
        id=record["id"],
        provider=event.provider,
        event_key=event.event_key,
        type=event.type if is_new else record["held_type"],
        call_id=event.call_id,
        facts=event.facts if is_new else record["held_facts"],
        occurred_at=event.occurred_at if is_new else record["held_occurred_ms"],
        received_at=record["received_ms"],
        apply_sequence=record["apply_sequence"],
        outcome=record["outcome"],
    )
