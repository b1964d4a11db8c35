"""A month long past with calls of some organizations in it, and where it is archived to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from obstore.store import ObjectStore

from storage.archive import ArchivedPart, Progress, archive_month
from storage.archive_files import open_archive
from storage.postgres import Pool
from tests.integration.api.stored_calls import store_artifacts, store_call

TABLES = ("calls", "call_actions", "call_costs", "call_notes", "call_recordings", "call_transcripts")
NOW = datetime.now(UTC)


def month_before(months: int) -> date:
    """The first day of a month that long ago."""
    number = NOW.year * 12 + NOW.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


MONTH = month_before(6)
START = datetime(MONTH.year, MONTH.month, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastMonth:
    """The month's partitions, and what is put into them."""

    database_url: str
    pool: Pool
    folder: Path

    @property
    def store(self) -> ObjectStore:
        return open_archive(self.folder.as_uri())

    async def open(self) -> None:
        for table in TABLES:
            await self.pool.execute("select private.ensure_partitions($1, '1 month', $2, 0)", table, START)

    async def add_call(self, organization_id: str, call_id: str, *, hour: int = 0, **told: Any) -> UUID:
        """An ended call with everything it leaves behind."""
        created_at = START + timedelta(hours=hour, microseconds=123_457)
        values = {"status": "ended", "report": "received", "last_event_at": created_at, **told}
        row_id = await store_call(self.pool, organization_id, call_id, created_at=created_at, **values)
        await store_artifacts(
            self.pool,
            organization_id,
            row_id,
            created_at,
            path=f"{organization_id}/{call_id}.wav",
            recording=b"sound",
            sha256=bytes(32),
        )
        return row_id

    async def add_recording(self, organization_id: str, row_id: UUID, *, hour: int) -> None:
        """The recording of a call, without the call."""
        await self.pool.execute(
            "insert into call_recordings (call_id, call_created_at, organization_id, path, bytes, sha256, content_type)"
            " values ($1, $2, $3, 'late.wav', 5, $4, 'audio/wav')",
            row_id,
            START + timedelta(hours=hour, microseconds=123_457),
            UUID(organization_id),
            bytes(32),
        )

    async def archive(self, progress: Progress = lambda _what, _done, _of: None) -> ArchivedPart:
        return await archive_month(self.database_url, self.store, MONTH, now=NOW, progress=progress)

    async def stored(self, organization_id: str) -> Sequence[str]:
        """Calls of the month that Postgres shows."""
        rows = await self.pool.fetch(
            "select provider_call_id from calls where organization_id = $1 and created_at >= $2 and created_at < $3"
            " order by created_at desc",
            UUID(organization_id),
            START,
            START + timedelta(days=28),
        )
        return [row["provider_call_id"] for row in rows]
