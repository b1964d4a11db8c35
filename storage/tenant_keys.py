"""API keys of one organization, made and ended by whoever may: on a connection of `tenant_writes` or `tenant_reads`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from storage.api_keys import ApiKey
from storage.postgres import Connection
from storage.statements import statement

Row: TypeAlias = dict[str, Any]

MOST_LIVE_KEYS: Final = 100


class TenantKeys:
    """Every change is noted in the audit log, within the same transaction. No row holds a secret."""

    def __init__(self, connection: Connection, organization_id: str) -> None:
        self._connection = connection
        self._organization_id = UUID(organization_id)

    async def all(self) -> Sequence[Row]:
        """At most 500 keys, newest first, with those that ended in the last 90 days."""
        return await self._rows("api_keys_of_organization")

    async def live(self) -> Sequence[Row]:
        """The keys that may be used now; until the transaction ends nobody else adds or ends one."""
        await self._connection.execute(statement("lock_api_keys"), str(self._organization_id))
        return await self._rows("live_api_keys")

    async def add(
        self,
        key: ApiKey,
        *,
        name: str,
        scopes: Sequence[str],
        role: str,
        created_by: str,
        expires_at: datetime | None,
        replaces: str | None = None,
    ) -> Row:
        """Keep a new key by the hash of its secret; `replaces` is the key it is a rotation of."""
        row = await self._connection.fetchrow(
            statement("create_api_key"),
            key.key_id,
            self._organization_id,
            name,
            key.secret_hash,
            list(scopes),
            role,
            created_by,
            expires_at,
        )
        if row is None:
            raise AssertionError("an insert that returns answers a row")
        await self._note(
            "api-key-created" if replaces is None else "api-key-rotated", key.key_id, replaces or "created"
        )
        return dict(row)

    async def end_at(self, key_id: str, moment: datetime) -> None:
        """Let a key end then, or when it would have ended before."""
        await self._connection.execute(statement("expire_api_key"), self._organization_id, key_id, moment)

    async def revoke(self, key_id: str) -> None:
        """End a key now."""
        if await self._connection.fetchval(statement("end_api_key"), self._organization_id, key_id):
            await self._note("api-key-revoked", key_id, "revoked")

    async def _note(self, action: str, key_id: str, result: str) -> None:
        await self._connection.execute(statement("audit"), self._organization_id, action, f"key:{key_id}", "", result)

    async def _rows(self, name: str) -> list[Row]:
        return [dict(row) for row in await self._connection.fetch(statement(name), self._organization_id)]
