"""Named statements of one organization, on a connection of `tenant_reads` or `tenant_writes`."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from storage.calls import Row
from storage.errors import StorageError
from storage.postgres import Connection, Pool
from storage.statements import statement
from storage.tenant import tenant_writes


class TakenError(StorageError):
    """What must be unique in the organization exists already; nothing was written."""


class TenantRows:
    """Runs statements whose first argument is the organization. Rows come as dicts."""

    def __init__(self, connection: Connection, organization_id: str) -> None:
        self._connection = connection
        self._organization_id = UUID(organization_id)

    @property
    def connection(self) -> Connection:
        """For other statements of the same transaction."""
        return self._connection

    async def plan_for_arguments(self) -> None:
        """Have what follows in the transaction planned for its own arguments: filters that may be absent, by index."""
        await self._connection.execute(statement("plan_for_arguments"))

    async def all(self, name: str, *arguments: Any) -> Sequence[Row]:
        """Every row of the statement."""
        return [dict(row) for row in await self._connection.fetch(statement(name), self._organization_id, *arguments)]

    async def one(self, name: str, *arguments: Any) -> Row | None:
        """The first row, or None. Raises TakenError."""
        try:
            row = await self._connection.fetchrow(statement(name), self._organization_id, *arguments)
        except asyncpg.UniqueViolationError as taken:
            raise TakenError(taken.constraint_name or name) from taken
        return dict(row) if row is not None else None

    async def audit(self, action: str, target: str, *, reason: str = "", result: str = "done") -> None:
        """Note in the audit log what the credential did."""
        await self._connection.execute(statement("audit_note"), self._organization_id, action, target, reason, result)


@asynccontextmanager
async def changing_rows(
    pool: Pool, *, organization_id: str, subject: str, role: str | None, user_id: str | None
) -> AsyncGenerator[TenantRows]:
    """Statements that change what `role` may change, in one transaction.

    Raises NotPermittedError and StorageUnavailableError.
    """
    async with tenant_writes(
        pool, organization_id=organization_id, subject=subject, role=role, user_id=user_id
    ) as connection:
        yield TenantRows(connection, organization_id)
