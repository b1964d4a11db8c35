"""What reconciliation compares with, and how far it is, in Postgres. Raises StorageUnavailableError throughout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from storage.postgres import Pool, acquired
from storage.statements import statement
from storage.times import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an organization was told of a call, applied or not, and what its call says by now.

    `status` and the figures are None while the call's owner has not applied anything.
    """

    organization_id: str
    call_id: str
    statuses: frozenset[str]
    is_reported: bool
    status: str | None
    ended_reason: str | None
    duration_ms: int | None
    cost_micros: int | None


class ReconciliationStore:
    """Reads and writes of reconciliation. Times are ms since the epoch."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def reconciled_to(self, organization_ids: Sequence[str]) -> Mapping[str, int]:
        """Up to when organizations are reconciled; those that never were are not in it."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("reconciled_to"), _uuids(organization_ids))
        return {str(row["organization_id"]): round(row["reconciled_to"].timestamp() * 1000) for row in rows}

    async def note_reconciled(self, organization_id: str, *, until: int, repairs: int, at: int) -> None:
        """Everything changed before `until` was looked at. Never falls back."""
        async with acquired(self._pool) as connection:
            await connection.execute(
                statement("note_reconciled"), UUID(organization_id), moment(until), repairs, moment(at)
            )

    async def note_failed(self, organization_id: str, *, since: int, repairs: int, at: int, reason: str) -> None:
        """An attempt failed; the organization still stands where it stood, or at `since` if nowhere yet."""
        async with acquired(self._pool) as connection:
            await connection.execute(
                statement("note_reconciliation_failed"),
                UUID(organization_id),
                moment(since),
                moment(at),
                reason,
                repairs,
            )

    async def told(self, organization_ids: Sequence[str], call_ids: Sequence[str]) -> Sequence[Told]:
        """What these organizations were told of these calls; nothing of calls they know nothing of."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(statement("told_of_calls"), _uuids(organization_ids), list(call_ids))
        return [
            Told(
                organization_id=str(row["organization_id"]),
                call_id=row["call_id"],
                statuses=frozenset(row["statuses"] or ()),
                is_reported=row["is_reported"],
                status=row["status"],
                ended_reason=row["ended_reason"],
                duration_ms=row["duration_ms"],
                cost_micros=row["cost_micros"],
            )
            for row in rows
        ]

    async def owners_of_lines(
        self,
        organization_ids: Sequence[str],
        *,
        assistant_ids: Sequence[str],
        phone_number_ids: Sequence[str],
        seen_since: int,
    ) -> Mapping[str, frozenset[str]]:
        """Which of the organizations an assistant or number belongs to, by the provider's id: registered or seen."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(
                statement("owners_of_lines"),
                _uuids(organization_ids),
                list(assistant_ids),
                list(phone_number_ids),
                moment(seen_since),
            )
        owners: dict[str, set[str]] = {}
        for row in rows:
            owners.setdefault(row["line"], set()).add(str(row["organization_id"]))
        return {line: frozenset(found) for line, found in owners.items()}

    async def open_calls(
        self, organization_ids: Sequence[str], *, seen_since: int, silent_since: int, limit: int
    ) -> Sequence[tuple[str, str]]:
        """Organization and id of calls that go on for all we know and were silent for a while, the longest first."""
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(
                statement("open_calls_of"),
                _uuids(organization_ids),
                moment(seen_since),
                moment(silent_since),
                limit,
            )
        return [(str(row["organization_id"]), row["provider_call_id"]) for row in rows]


def _uuids(texts: Sequence[str]) -> list[UUID]:
    return [UUID(text) for text in texts]
