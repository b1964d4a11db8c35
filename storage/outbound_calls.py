"""Calls we were asked to place: each is asked of the provider once, whatever becomes of the answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias
from uuid import UUID

from actors.domain.commands import InboxRow
from actors.domain.json_types import JSON
from actors.slots import slot_of
from storage.call_controls import put_call_control
from storage.inbox_rows import inbox_row
from storage.postgres import Pool, fetch, transaction
from storage.statements import statement
from storage.times import moment

Settled: TypeAlias = Literal["refused", "placed", "failed", "unknown"]

ABANDONED_SECONDS: Final = 60.0
"""So long a call that was asked for may wait to be dialled."""
UNSETTLED_SECONDS: Final = 15.0
"""So long the process that asked may still get its answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What came of a call. `call_id` and the sealed `control` address are of a placed one."""

    status: Settled
    reason: str | None = None
    call_id: str | None = None
    provider_status: int | None = None
    subscription_limits: JSON = None
    held_slots: int | None = None
    control: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """A call whose provider did not answer, or whose process died meanwhile."""

    organization_id: str
    outbound_id: UUID
    asked_at: datetime


class OutboundCalls:
    """Moves calls on. Every method raises StorageUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def ask(self, organization_id: str, outbound_id: UUID, *, at: int) -> InboxRow | None:
        """Put the question to the owner at `at` (ms); None when it was put before."""
        async with transaction(self._pool) as connection:
            await connection.execute(statement("outbound_lock"), UUID(organization_id))
            record = await connection.fetchrow(
                statement("outbound_ask"), UUID(organization_id), outbound_id, slot_of(organization_id), moment(at)
            )
        return inbox_row(record) if record is not None else None

    async def outcome(self, organization_id: str, row_id: int) -> str | None:
        """What the owner decided of the question."""
        rows = await fetch(self._pool, "row_outcome", row_id, UUID(organization_id))
        return rows[0]["outcome"] if rows else None

    async def begin(self, organization_id: str, outbound_id: UUID) -> bool:
        """Take the one right to ask the provider; False when somebody took it before."""
        return bool(await fetch(self._pool, "outbound_dialing", UUID(organization_id), outbound_id))

    async def settle(self, organization_id: str, outbound_id: UUID, settled: Settlement) -> None:
        """Write down what came of the call. Safe to repeat: the first settlement stays."""
        async with transaction(self._pool) as connection:
            await connection.execute(
                statement("outbound_settle"),
                UUID(organization_id),
                outbound_id,
                settled.status,
                settled.reason,
                settled.call_id,
                settled.provider_status,
                settled.subscription_limits,
                settled.held_slots,
            )
            if settled.control is not None and settled.call_id is not None:
                await put_call_control(
                    connection, organization_id=organization_id, call_id=settled.call_id, sealed=settled.control
                )

    async def unsettled(self) -> Sequence[Unsettled]:
        """At most 50 calls that are to be looked up at the provider, the oldest first.

        Those that nobody went on with before the provider was asked have failed.
        """
        await fetch(self._pool, "outbound_abandon", ABANDONED_SECONDS)
        rows = await fetch(self._pool, "outbound_unsettled", UNSETTLED_SECONDS)
        return [
            Unsettled(organization_id=str(row["organization_id"]), outbound_id=row["id"], asked_at=row["asked_at"])
            for row in rows
        ]
