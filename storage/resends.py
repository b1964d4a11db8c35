"""Messages that did not arrive for a reason that passes, and what says each again: one, however often it is tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid5

from storage.notifications import MessageRef
from storage.postgres import Pool, fetch
from storage.times import moment

WORTH_MS: Final = 86_400_000
"""So long after it was first due a message is still news."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResendRule:
    """After a `reason` of the provider's a message of this generation (how many were sent before) goes again."""

    provider: str
    reason: str
    generation: int
    pause: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Resend:
    """A message that is being sent again."""

    ref: MessageRef
    kind: str


class Resends:
    """By rules. Every change is safe to repeat. Times are ms. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool, rules: Sequence[ResendRule]) -> None:
        self._pool = pool
        self._rules = (
            [each.provider for each in rules],
            [each.reason for each in rules],
            [each.generation for each in rules],
            [each.pause for each in rules],
        )

    async def organizations(self, *, at: int) -> Sequence[str]:
        """Those with something to send again."""
        rows = await fetch(self._pool, "resend_organizations", moment(at - WORTH_MS), moment(at), *self._rules)
        return [str(row["organization_id"]) for row in rows]

    async def plan(self, organization_id: str, *, at: int, limit: int) -> int:
        """Write down anew what is to be sent again by now; how many messages those were."""
        since, owner = moment(at - WORTH_MS), UUID(organization_id)
        due = await fetch(self._pool, "resends_due", since, moment(at), *self._rules, owner, limit)
        for row in due:
            again = uuid5(row["id"], "resend")
            await fetch(self._pool, "resend_add", owner, row["id"], row["created_at"], again)
        return len(due)

    async def open(self, organization_id: str, *, at: int, limit: int) -> Sequence[Resend]:
        """What is being sent again, the longest due first."""
        rows = await fetch(self._pool, "resends_open", UUID(organization_id), moment(at - WORTH_MS), limit)
        return [
            Resend(
                ref=MessageRef(organization_id=organization_id, id=row["id"], created_at=row["created_at"]),
                kind=row["kind"],
            )
            for row in rows
        ]
