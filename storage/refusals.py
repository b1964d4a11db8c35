"""Counts messages that organizations' webhooks were refused: in memory as they come, in Postgres every few seconds."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias
from uuid import UUID, uuid4

import structlog

from storage.errors import StorageUnavailableError
from storage.postgres import Pool, fetch
from storage.times import moment

log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 5.0
_MOST_ORGANIZATIONS: Final = 1_000
"""That are counted at once, beside as many that are on their way: further ones are not, until these are written."""

_Counted: TypeAlias = dict[str, tuple[int, int]]
"""How many of each organization's were refused, and when (ms) the last was."""


@dataclass(frozen=True, slots=True)
class _Write:
    """What is on its way to Postgres. Repeated as it is: what was taken, though not answered, is known by its id."""

    id: UUID
    counted: _Counted


class Refusals:
    """Counts between `start` and `close`, each once. What a killed process had not written, some seconds', is lost."""

    def __init__(self, pool: Pool, *, new_id: Callable[[], UUID] = uuid4) -> None:
        self._pool = pool
        self._new_id = new_id
        self._counted: _Counted = {}
        self._write: _Write | None = None
        self._writing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def start(self) -> None:
        """Write what is counted from now on. Safe to repeat."""
        if self._writing is None:
            self._closing.clear()
            self._writing = asyncio.create_task(self._write_until_closed(), name="webhook refusals")

    def count(self, organization_id: str, *, at: int) -> None:
        """One was refused at `at` (ms), of an organization that there is."""
        _add(self._counted, organization_id, at)

    async def write(self) -> None:
        """Add what was counted to Postgres; kept for the next time when it is not taken. Raises nothing."""
        if self._write is not None and not await self._is_taken(self._write):
            return
        self._write = None
        if self._counted:
            self._write, self._counted = _Write(self._new_id(), self._counted), {}
            if await self._is_taken(self._write):
                self._write = None

    async def close(self) -> None:
        """Write what is left. Safe to repeat."""
        if self._writing is not None:
            # Not cancelled: what is on its way is waited for.
            self._closing.set()
            await self._writing
            self._writing = None
        await self.write()

    async def _is_taken(self, write: _Write) -> bool:
        organizations = [UUID(each) for each in write.counted]
        counts = [count for count, _ in write.counted.values()]
        moments = [moment(at) for _, at in write.counted.values()]
        try:
            await fetch(self._pool, "refusals_add", write.id, organizations, counts, moments)
        except StorageUnavailableError as away:
            log.warning("refused webhooks are not counted yet", reason=str(away))
            return False
        except Exception:  # such as an organization that is deleted just then; it must not end the counting
            log.exception("refused webhooks cannot be counted")
            return False
        return True

    async def _write_until_closed(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._closing.wait()
                return
            await self.write()


def _add(counted: _Counted, organization_id: str, at: int) -> None:
    held, last = counted.get(organization_id, (0, at))
    if held or len(counted) < _MOST_ORGANIZATIONS:
        counted[organization_id] = (held + 1, max(last, at))
