"""Requests that may be repeated: the answer to a key is written with the change it answers, and given again."""

from dataclasses import dataclass
from typing import Any, Final

from storage.errors import StorageError
from storage.postgres import Pool, transaction
from storage.statements import statement
from storage.tenant_rows import TenantRows

KEPT_HOURS: Final = 24
_PURGED_AT_ONCE: Final = 1_000


class KeyInUseError(StorageError):
    """A request with the key is at work, or its process died before it could tell what became of it."""


class KeyOfAnotherRequestError(StorageError):
    """The key was used for another request within `KEPT_HOURS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """What the first request with the key was answered. `response` is whatever `keep` was given."""

    status: int
    response: Any


async def claim(rows: TenantRows, *, actor: str, key: str, request_hash: bytes) -> StoredAnswer | None:
    """Take the key in the running transaction: None for the first, which then must `keep` its answer.

    Raises KeyInUseError, also while another transaction holds the key, and KeyOfAnotherRequestError.
    """
    locked = await rows.one("idempotency_lock", actor, key)
    if locked is None or not locked["alone"]:
        raise KeyInUseError(key)
    held = await rows.one("idempotency_held", actor, key)
    if held is None:
        await rows.one("idempotency_claim", key, request_hash)
        return None
    if held["request_hash"] != request_hash:
        raise KeyOfAnotherRequestError(key)
    if held["status"] is None:
        raise KeyInUseError(key)
    return StoredAnswer(status=held["status"], response=held["response"])


async def keep(rows: TenantRows, *, actor: str, key: str, status: int, response: Any) -> None:
    """Store the answer to the key in the running transaction."""
    await rows.one("idempotency_keep", actor, key, status, response)


async def release(rows: TenantRows, *, actor: str, key: str) -> None:
    """Make the key free again."""
    await rows.one("idempotency_release", actor, key)


async def purge(pool: Pool, *, at_once: int = _PURGED_AT_ONCE) -> int:
    """Forget keys older than `KEPT_HOURS`, each batch in a transaction of its own; how many there were.

    Any number of processes may do it at once. Raises StorageUnavailableError.
    """
    purged = 0
    while True:
        async with transaction(pool) as connection:
            batch = await connection.fetchval(statement("idempotency_purge"), at_once)
        purged += batch
        if batch < at_once:
            return purged
