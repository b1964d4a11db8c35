"""Counts messages that organizations' webhooks were refused: in memory as they come, in Postgres every few seconds."""

import asyncio
from typing import Final
from uuid import UUID

import structlog

from storage.errors import StorageUnavailableError
from storage.postgres import Pool, fetch
from storage.times import moment

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 5.0
_MOST_ORGANIZATIONS: Final = 1_000
"""That are counted at once: further ones are not, until these are written."""


class Refusals:
    """Counts between `start` and `close`. What a killed process had not written, a few seconds' worth, is lost."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counted: dict[str, tuple[int, int]] = {}
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Write what is counted from now on. Safe to repeat."""
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_for_ever(), name="webhook refusals")

    def count(self, organization_id: str, *, at: int) -> None:
        """One was refused at `at` (ms), of an organization that there is."""
        count, last = self._counted.get(organization_id, (0, at))
        if count or len(self._counted) < _MOST_ORGANIZATIONS:
            self._counted[organization_id] = (count + 1, max(last, at))

    async def write(self) -> None:
        """Add what was counted to Postgres; kept for the next time when it does not answer."""
        told, self._counted = self._counted, {}
        if not told:
            return
        organizations = [UUID(each) for each in told]
        counts = [count for count, _ in told.values()]
        try:
            await fetch(self._pool, "refusals_add", organizations, counts, [moment(at) for _, at in told.values()])
        except StorageUnavailableError as away:
            log.warning("refused webhooks are not counted yet", reason=str(away))
            for organization_id, (count, last) in told.items():
                more, latest = self._counted.get(organization_id, (0, last))
                self._counted[organization_id] = (count + more, max(last, latest))

    async def close(self) -> None:
        """Write what is left. Safe to repeat."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)
            self._writing = None
        await self.write()

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.write()
