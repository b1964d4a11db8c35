"""Keys organizations let us ask their providers with: sealed at rest, one per provider and organization."""

from collections.abc import Mapping
from typing import Final

import structlog

from storage.postgres import Connection, Pool, acquired
from storage.sealing import Sealer, SealError
from storage.statements import statement

VAPI: Final = "vapi"
VAPI_PUBLIC: Final = "vapi-public"
"""VAPI's public key: it opens live control and listening, and nothing of the account."""

_log = structlog.get_logger(__name__)


async def put_provider_key(
    connection: Connection, sealer: Sealer, *, organization_id: str, provider: str, key: str
) -> None:
    """Keep the key, replacing the one before. Safe to repeat."""
    sealed = sealer.seal(organization_id, key.encode())
    await connection.execute(statement("put_provider_key"), organization_id, provider, sealed)


class ProviderKeys:
    """Looks keys up. Nothing is cached: a revoked key stops at once, and questions are rare."""

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    async def key_of(self, organization_id: str, provider: str) -> str | None:
        """The key, or None when the organization gave none. Raises StorageUnavailableError, SealError."""
        async with acquired(self._pool) as connection:
            sealed = await connection.fetchval(statement("provider_key"), organization_id, provider)
        return None if sealed is None else self._sealer.open(organization_id, sealed).decode()

    async def of_all(self, provider: str) -> Mapping[str, str]:
        """Every organization's key; one that cannot be opened is left out and told. Raises StorageUnavailableError."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("provider_keys_of_all"), provider)
        keys: dict[str, str] = {}
        for row in rows:
            organization_id = str(row["organization_id"])
            try:
                keys[organization_id] = self._sealer.open(organization_id, row["sealed"]).decode()
            except SealError:
                _log.warning("provider_key_unreadable", organization_id=organization_id)
        return keys
