"""Counts messages that organizations' webhooks were refused: in memory as they come, in Postgres every few seconds."""

import asyncio
from contextlib import suppress
from typing import Final, TypeAlias
from uuid import UUID

import structlog

from storage.errors import StorageUnavailableError
from storage.postgres import Pool, fetch
from storage.times import moment

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 5.0
_MOST_ORGANIZATIONS: Final = 1_000
"""That are counted at once: further ones are not, until these are written."""

_Counted: TypeAlias = dict[str, tuple[int, int]]
"""How many of each organization's were refused, and when (ms) the last was."""


class Refusals:
    """Counts between `start` and `close`. What a killed process had not written, a few seconds' worth, is lost."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._counted: _Counted = {}
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def start(self) -> None:
        """Write what is counted from now on. Safe to repeat."""
        if self._writing is None:
            self._closing.clear()
            self._writing = asyncio.create_task(self._write_until_closed(), name="webhook refusals")

    def count(self, organization_id: str, *, at: int) -> None:
        """One was refused at `at` (ms), of an organization that there is."""
        _add(self._counted, organization_id, 1, at)

    async def write(self) -> None:
        """Add what was counted to Postgres; kept for the next time when it is not taken. Raises nothing."""
        told, self._counted = self._counted, {}
        if not told:
            return
        organizations = [UUID(each) for each in told]
        counts = [count for count, _ in told.values()]
        try:
            await fetch(self._pool, "refusals_add", organizations, counts, [moment(at) for _, at in told.values()])
        except StorageUnavailableError as away:
            log.warning("refused webhooks are not counted yet", reason=str(away))
            self._keep(told)
        except Exception:  # such as an organization that is deleted just then; it must not end the counting
            log.exception("refused webhooks cannot be counted")
            self._keep(told)

    async def close(self) -> None:
        """Write what is left. Safe to repeat."""
        if self._writing is not None:
            # Not cancelled: whether Postgres took what was on its way could not be told.
            self._closing.set()
            await self._writing
            self._writing = None
        await self.write()

    def _keep(self, told: _Counted) -> None:
        counted, self._counted = self._counted, told
        for organization_id, (count, last) in counted.items():
            _add(told, organization_id, count, last)

    async def _write_until_closed(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._closing.wait()
                return
            await self.write()


def _add(counted: _Counted, organization_id: str, count: int, at: int) -> None:
    held, last = counted.get(organization_id, (0, at))
    if held or len(counted) < _MOST_ORGANIZATIONS:
        counted[organization_id] = (held + count, max(last, at))
