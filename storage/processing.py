"""What post-call processing reads and writes in Postgres. Every write is an upsert: safe to repeat."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from storage.bodies import unpacked
from storage.errors import StorageError
from storage.postgres import Connection, Pool, acquired, transaction
from storage.statements import statement


class UnstorableError(StorageError):
    """Postgres refuses the value itself (too large for an index, no text): trying again changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallProgress:
    """How far a call is. Times are ms of our clock; `processed`: reports known to the last finished processing."""

    ended: bool
    ended_at: int
    evidence_at: int
    reports: int
    report_missing: bool
    processed: int | None
    recording_stored: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingSlot:
    """When the call was first seen, and where its recording lies if it is stored."""

    created_at: datetime
    path: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingEntry:
    """A stored recording: its path in the object store, its size and its SHA-256."""

    path: str
    size: int
    sha256: bytes
    content_type: str


class ProcessingStore:
    """Reads and writes of one call, by organization and the provider's id. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def progress(self, organization_id: str, call_id: str) -> CallProgress | None:
        """How far the call is; None when the organization has no such call."""
        async with acquired(self._pool) as connection:
            row = await connection.fetchrow(statement("call_progress"), organization_id, call_id)
        if row is None:
            return None
        return CallProgress(
            ended=row["ended"],
            ended_at=_ms(row["ended_at"]),
            evidence_at=_ms(row["evidence_at"]),
            reports=row["reports"],
            report_missing=row["report_missing"],
            processed=row["processed"],
            recording_stored=row["recording_stored"],
        )

    async def report_bodies(self, organization_id: str, call_id: str) -> Sequence[str | bytes]:
        """Bodies of the call's reports as JSON, the most trusted first. Empty once they are pruned."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("call_report_bodies"), organization_id, call_id)
        # Rows of before migration 0029 hold text.
        return [row["body"] if row["packed"] is None else unpacked(row["packed"]) for row in rows]

    async def store_transcript(
        self,
        organization_id: str,
        call_id: str,
        *,
        text: str,
        messages: Sequence[Mapping[str, object]],
        analysis: Mapping[str, object],
    ) -> None:
        """Replace what is kept of the conversation. Raises UnstorableError."""
        async with _storing(self._pool) as connection:
            await connection.execute(
                statement("store_call_transcript"), organization_id, call_id, text, list(messages), dict(analysis)
            )

    async def store_costs(
        self, organization_id: str, call_id: str, *, cost_micros: int, breakdown: Mapping[str, object]
    ) -> None:
        """Replace what the call cost, in millionths of a dollar. Raises UnstorableError."""
        async with _storing(self._pool) as connection:
            await connection.execute(
                statement("store_call_costs"), organization_id, call_id, cost_micros, dict(breakdown)
            )

    async def replace_actions(self, organization_id: str, call_id: str, *, source: str, texts: Sequence[str]) -> None:
        """Replace the call's action items, all or none. Raises UnstorableError."""
        async with _storing(self._pool) as connection:
            await connection.execute(statement("clear_call_actions"), organization_id, call_id)
            await connection.execute(statement("insert_call_actions"), organization_id, call_id, source, list(texts))

    async def recording_slot(self, organization_id: str, call_id: str) -> RecordingSlot | None:
        """Where the call's recording belongs; None when the organization has no such call."""
        async with acquired(self._pool) as connection:
            row = await connection.fetchrow(statement("call_recording"), organization_id, call_id)
        return None if row is None else RecordingSlot(created_at=row["created_at"], path=row["path"])

    async def store_recording(self, organization_id: str, call_id: str, entry: RecordingEntry) -> None:
        """Note a stored recording. Raises UnstorableError."""
        async with _storing(self._pool) as connection:
            await connection.execute(
                statement("store_call_recording"),
                organization_id,
                call_id,
                entry.path,
                entry.size,
                entry.sha256,
                entry.content_type,
            )


@asynccontextmanager
async def _storing(pool: Pool) -> AsyncGenerator[Connection]:
    try:
        async with transaction(pool) as connection:
            yield connection
    except (asyncpg.DataError, asyncpg.ProgramLimitExceededError) as refused:
        raise UnstorableError("Postgres refuses the value") from refused


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
