"""A person's own record: read and changed as that person, who sees no other here."""

from collections.abc import Callable
from typing import Any, TypeAlias
from uuid import UUID

from storage.postgres import Connection, Pool
from storage.statements import statement
from storage.tenant import Claims, claimed_reads, claimed_writes

Row: TypeAlias = dict[str, Any]


async def read_person(pool: Pool, user_id: str) -> Row | None:
    """Who they are; None while they belong to no organization yet. Raises StorageUnavailableError."""
    async with claimed_reads(pool, _claims(user_id)) as connection:
        return await _person(connection, user_id)


async def change_person(pool: Pool, user_id: str, change: Callable[[Row], Row]) -> Row | None:
    """What `change` makes of their name and preferences, then the record as it is; None as in `read_person`.

    Raises what `change` raises, and StorageUnavailableError; nothing is changed then.
    """
    async with claimed_writes(pool, _claims(user_id)) as connection:
        await connection.execute(statement("person_lock"), UUID(user_id))
        before = await _person(connection, user_id)
        if before is None:
            return None
        told = change(before)
        await connection.execute(statement("person_change"), UUID(user_id), told["name"], told["preferences"])
        return await _person(connection, user_id)


async def _person(connection: Connection, user_id: str) -> Row | None:
    row = await connection.fetchrow(statement("person"), UUID(user_id))
    return dict(row) if row is not None else None


def _claims(user_id: str) -> Claims:
    return Claims(subject=f"user:{user_id}", user_id=user_id)
