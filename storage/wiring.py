"""What organizations have at VAPI, and what of it was found not to be as it must be. Times are ms since the epoch."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID, uuid4

import structlog

from actors.slots import slot_of
from storage.postgres import Connection, Pool, fetch, transaction
from storage.sealing import Sealer, SealError
from storage.statements import statement
from storage.times import moment

_log = structlog.get_logger(__name__)

_MOST_LINES: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An assistant or a number of an organization, `subject_id` to us and `provider_id` to VAPI."""

    kind: str
    subject_id: UUID
    provider_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A line as VAPI told it at `at`: in which `aspects` it is not as it must be."""

    line: Line
    aspects: AbstractSet[str]
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToRepair:
    """A finding that somebody wants repaired."""

    id: UUID
    kind: str
    provider_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What proves that an event is VAPI's: the one to be written, and others that stay good."""

    newest: str = field(repr=False)
    others: frozenset[str] = field(default=frozenset(), repr=False)


class WiringStore:
    """Every change is safe to repeat. Where one changes how much is open, the organization's owner is told with it.

    Raises StorageUnavailableError.
    """

    def __init__(self, pool: Pool, sealer: Sealer) -> None:
        self._pool = pool
        self._sealer = sealer

    async def organizations(self, *, after: str | None, limit: int) -> Sequence[str]:
        """Organizations that gave a key of VAPI, in order, after one."""
        last = UUID(after) if after is not None else None
        return [str(row["organization_id"]) for row in await fetch(self._pool, "wiring_organizations", last, limit)]

    async def secrets(self, organization_id: str) -> Secrets | None:
        """None while the organization has none that can be opened. One that runs out is no good where another stays."""
        lasting: list[str] = []
        passing: list[str] = []
        for row in await fetch(self._pool, "wiring_secrets", organization_id):
            try:
                opened = self._sealer.open(organization_id, row["sealed"]).decode()
            except (SealError, UnicodeDecodeError):
                _log.warning("webhook secret cannot be opened", organization_id=organization_id)
                continue
            (lasting if row["is_lasting"] else passing).append(opened)
        newest, *others = [*(lasting or passing), None]
        return None if newest is None else Secrets(newest=newest, others=frozenset(filter(None, others)))

    async def lines(self, organization_id: str) -> Sequence[Line]:
        """The first 2,000 of them."""
        return [Line(**dict(row)) for row in await fetch(self._pool, "wiring_lines", organization_id, _MOST_LINES)]

    async def note(self, organization_id: str, looked: Sequence[Looked], *, at: int) -> None:
        """All lines were looked at: findings open, change and close, all or none."""
        async with transaction(self._pool) as connection:
            before = await _open(connection, organization_id)
            for each in looked:
                line, read_at = each.line, moment(each.at)
                told = (organization_id, line.kind, line.provider_id)
                if each.aspects:
                    aspects = sorted(each.aspects)
                    await connection.execute(
                        statement("wiring_differs"), *told, line.subject_id, aspects, uuid4(), read_at
                    )
                else:
                    await connection.execute(statement("wiring_agrees"), *told, read_at)
            await connection.execute(statement("wiring_removed"), organization_id, moment(at))
            await connection.execute(statement("wiring_checked"), organization_id, moment(at), len(looked))
            await _tell(connection, organization_id, before)

    async def note_failed(self, organization_id: str, *, reason: str, at: int) -> None:
        """The organization could not be looked at."""
        await fetch(self._pool, "wiring_failed", organization_id, moment(at), reason)

    async def repair_organizations(self, *, asked_before: int) -> Sequence[str]:
        """Those with something to repair."""
        rows = await fetch(self._pool, "wiring_repair_organizations", moment(asked_before))
        return [str(row["organization_id"]) for row in rows]

    async def to_repair(self, organization_id: str, finding_id: UUID | None = None) -> Sequence[ToRepair]:
        """What somebody wants repaired, the longest wanted first; or the one finding, if it is wanted."""
        rows = await fetch(self._pool, "wiring_to_repair", organization_id, finding_id)
        return [ToRepair(id=row["id"], kind=row["kind"], provider_id=row["provider_id"]) for row in rows]

    async def repaired(self, organization_id: str, finding: ToRepair, aspects: AbstractSet[str], *, at: int) -> None:
        """It was read back and is as it must be; `aspects` of it were brought back. Noted in the audit log."""
        told = ", ".join(sorted(aspects)) or "it agreed already"
        async with transaction(self._pool) as connection:
            before = await _open(connection, organization_id)
            await connection.execute(statement("wiring_repaired"), organization_id, finding.id, moment(at), told)
            await _tell(connection, organization_id, before)

    async def not_repaired(
        self,
        organization_id: str,
        finding: ToRepair,
        *,
        reason: str,
        at: int,
        given_up: bool,
        aspects: AbstractSet[str] | None = None,
    ) -> None:
        """An attempt came to nothing. `given_up`: somebody has to want it again, and the audit log says so."""
        now_differs = None if aspects is None else sorted(aspects)
        await fetch(
            self._pool,
            "wiring_not_repaired",
            organization_id,
            finding.id,
            moment(at),
            reason,
            given_up,
            now_differs,
        )


async def _open(connection: Connection, organization_id: str) -> int:
    """How much is open; nobody else changes it until the transaction is over."""
    await connection.execute(statement("wiring_lock"), organization_id)
    return int(await connection.fetchval(statement("wiring_open_count"), organization_id))


async def _tell(connection: Connection, organization_id: str, before: int) -> None:
    if int(await connection.fetchval(statement("wiring_open_count"), organization_id)) != before:
        await connection.execute(statement("wiring_tell"), organization_id, slot_of(organization_id))
