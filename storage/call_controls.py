"""Addresses that command calls which go on: sealed at rest, kept while a call could still go on."""

from typing import Final

from storage.postgres import Connection, Pool, acquired
from storage.sealing import Sealer
from storage.statements import statement

KEPT_HOURS: Final = 48
"""VAPI ends a call after 12 hours at the latest."""


class CallControls:
    """Looks addresses up. They leave this process as the target of a request, never in an answer or a log."""

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    async def address_of(self, organization_id: str, call_id: str) -> str | None:
        """The address, or None when none came with the call. Raises StorageUnavailableError, SealError."""
        async with acquired(self._pool) as connection:
            sealed = await connection.fetchval(statement("call_control"), organization_id, call_id)
        return None if sealed is None else self._sealer.open(organization_id, sealed).decode()


async def put_call_control(connection: Connection, *, organization_id: str, call_id: str, sealed: bytes) -> None:
    """Keep a sealed address, unless the call has one. Safe to repeat."""
    await connection.execute(statement("put_call_control"), organization_id, call_id, sealed)
