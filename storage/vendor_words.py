"""What vendors tell by webhook of messages and of accounts: kept once, and taken to what it is about."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from actors.domain.json_types import Facts
from actors.slots import slot_of
from storage.bodies import packed
from storage.errors import StorageUnavailableError
from storage.postgres import Connection, Pool, transaction
from storage.statements import statement
from storage.times import moment, told_moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """An event of a vendor's. `key` tells the same event twice apart from two; times are ms since the epoch."""

    provider: str
    key: str
    type: str
    facts: Facts
    received_at: int
    occurred_at: int | None = None
    body: bytes | None = field(default=None, repr=False)
    """JSON without secrets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageWord:
    """What became of a message, under the vendor's id of it.

    Of words in any order the highest `rank` counts. `suppression`: why its recipient must not be written to any more.
    """

    vendor_id: str
    status: str
    rank: int
    error: str | None = None
    suppression: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What was done with a word: kept for nobody, kept anew, or kept already."""

    organization_id: str | None
    is_new: bool = False


class VendorWords:
    """Takes words in. Each method is one transaction, durable on return and safe to repeat.

    Raises StorageUnavailableError.
    """

    def __init__(self, pool: Pool, *, seconds: float) -> None:
        self._pool = pool
        self._seconds = seconds

    async def hear_of_message(self, word: Word, told: MessageWord) -> Taken:
        """Bring a message to where its vendor says it is, unless it is further.

        Of a message that has no such id yet the word waits until it has. It is kept for the message's organization.
        """
        async with self._transaction() as connection:
            await connection.execute(statement("word_lock"), word.provider, told.vendor_id)
            message = await connection.fetchrow(statement("word_message"), word.provider, told.vendor_id)
            if message is None:
                await connection.execute(
                    statement("word_early"),
                    word.provider,
                    told.vendor_id,
                    told.status,
                    told.rank,
                    told.error,
                    told.suppression,
                )
                return Taken(organization_id=None)
            organization_id = str(message["organization_id"])
            is_new = await keep_word(connection, organization_id, word)
            place = (message["organization_id"], message["id"], message["created_at"])
            await connection.execute(statement("word_apply"), *place, told.status, told.rank, told.error)
            if told.suppression is not None:
                await connection.execute(
                    statement("word_suppress"),
                    message["organization_id"],
                    message["channel"],
                    message["recipient"],
                    told.suppression,
                )
            return Taken(organization_id=organization_id, is_new=is_new)

    async def opted_out(self, word: Word, *, channel: str, address: str) -> Sequence[str]:
        """Nobody writes to the address any more; the organizations that this is news to."""
        return await self._opted("word_opt_out", word, channel, address)

    async def opted_in(self, word: Word, *, channel: str, address: str) -> Sequence[str]:
        """The address may be written to again; the organizations that this is news to."""
        return await self._opted("word_opt_in", word, channel, address)

    async def organization_of(
        self, *, organization_id: str | None, customer: str | None, subscription: str | None
    ) -> str | None:
        """Whose account the payment provider tells of: what we named it by comes first."""
        async with self._transaction() as connection:
            found = await connection.fetchval(
                statement("word_customer"), _uuid(organization_id), customer, subscription
            )
        return None if found is None else str(found)

    async def keep(self, organization_id: str, word: Word) -> bool:
        """Keep a word for an organization; whether it is new."""
        async with self._transaction() as connection:
            return await keep_word(connection, organization_id, word)

    async def keep_of_account(self, word: Word) -> bool:
        """Keep a word about the account itself, of which nobody knows yet whom it is about; whether it is new."""
        async with self._transaction() as connection:
            told = (word.provider, word.key, word.type, told_moment(word.occurred_at), moment(word.received_at))
            return bool(await connection.fetchval(statement("account_event_keep"), *told))

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[Connection]:
        try:
            async with asyncio.timeout(self._seconds), transaction(self._pool, seconds=self._seconds) as connection:
                yield connection
        except TimeoutError as slow:
            raise StorageUnavailableError(f"Postgres took no word within {self._seconds} s") from slow

    async def _opted(self, name: str, word: Word, channel: str, address: str) -> Sequence[str]:
        async with self._transaction() as connection:
            rows = await connection.fetch(statement(name), channel, address)
            organizations = sorted({str(row["organization_id"]) for row in rows})
            for organization_id in organizations:
                await keep_word(connection, organization_id, word)
        return organizations


async def keep_word(connection: Connection, organization_id: str, word: Word) -> bool:
    """Keep a word for an organization, in the caller's transaction; whether it is new."""
    return bool(
        await connection.fetchval(
            statement("word_keep"),
            UUID(organization_id),
            word.provider,
            word.key,
            slot_of(organization_id),
            word.type,
            word.facts,
            told_moment(word.occurred_at),
            moment(word.received_at),
            None if word.body is None else packed(word.body),
        )
    )


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
