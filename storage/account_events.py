"""What the payment provider tells of the account itself: kept once, and handed to the organizations it is about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.postgres import Pool, fetch, transaction
from storage.statements import statement
from storage.times import moment
from storage.vendor_words import Word, keep_word


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent:
    """An event whose contents nobody has read. `attempts` were made before."""

    key: str
    type: str
    occurred_at: datetime | None
    received_at: datetime
    attempts: int


class AccountEvents:
    """Events of one provider's. Every change is safe to repeat. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool, provider: str) -> None:
        self._pool = pool
        self._provider = provider

    async def due(self, *, at: int, limit: int) -> Sequence[AccountEvent]:
        """What is to be asked for, the longest due first."""
        rows = await fetch(self._pool, "account_events_due", self._provider, moment(at), limit)
        return [
            AccountEvent(
                key=row["event_key"],
                type=row["type"],
                occurred_at=row["occurred_at"],
                received_at=row["received_at"],
                attempts=row["attempts"],
            )
            for row in rows
        ]

    async def owners(self, identifiers: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """Organizations by whose meter events these are. What is nobody's here is left out."""
        rows = await fetch(self._pool, "account_event_owners", list(identifiers))
        return {str(row["organization_id"]): row["identifiers"] for row in rows}

    async def delay(self, event: AccountEvent, *, retry_at: int, error: str) -> None:
        """Its contents could not be had."""
        await fetch(self._pool, "account_event_delay", self._provider, event.key, moment(retry_at), error)

    async def settle(
        self, event: AccountEvent, words: Mapping[str, Word], *, at: int, error: str | None = None
    ) -> None:
        """Hand each organization its part, all or none, and be done with it. `error`: why there is no part."""
        async with transaction(self._pool) as connection:
            told = (self._provider, event.key, moment(at), len(words), error)
            if not await connection.fetchval(statement("account_event_settle"), *told):
                return
            for organization_id, word in words.items():
                await keep_word(connection, organization_id, word)
