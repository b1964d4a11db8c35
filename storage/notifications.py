"""Messages to people, one row each. Every change is safe to repeat. Raises StorageUnavailableError throughout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from storage.postgres import Pool, fetch, transaction
from storage.statements import statement
from storage.times import milliseconds, moment

Channel: TypeAlias = Literal["sms", "email"]

PENDING: Final = "pending"
SENDING: Final = "sending"
"""An attempt was made whose end nobody wrote down."""

MAX_RECIPIENTS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What there is to tell of a processed call. `created_at` is when it was first seen."""

    id: UUID
    created_at: datetime
    organization_name: str
    time_zone: str
    direction: str | None
    from_number: str | None
    to_number: str | None
    assistant_name: str | None
    ended_reason: str | None
    duration_ms: int | None
    summary: str | None
    actions: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom messages go to; `suppressed` tells why they must not."""

    id: UUID
    channel: Channel
    address: str
    suppressed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A message to be written down. A `status` other than pending is its end already, with `error` as the reason."""

    id: UUID
    recipient: Recipient
    provider: str
    subject: str | None
    body: str
    status: str = PENDING
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRef:
    """A message. `created_at` is part of its key."""

    organization_id: str
    id: UUID
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it stands. `attempted_at` (ms): since when the vendor may have it without our knowing."""

    channel: Channel
    recipient: str
    call_id: str | None
    status: str
    vendor_id: str | None
    subject: str | None
    body: str
    attempted_at: int | None
    suppressed: str | None

    @property
    def is_open(self) -> bool:
        return self.vendor_id is None and self.status in {PENDING, SENDING}


class Notifications:
    """Reads and writes of messages about calls."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def notice(self, organization_id: str, call_id: str) -> Notice | None:
        """What there is to tell of a call; None when the organization has no such call."""
        rows = await fetch(self._pool, "notice_of_call", UUID(organization_id), call_id)
        return Notice(**dict(rows[0])) if rows else None

    async def recipients(self, organization_id: str, kind: str) -> Sequence[Recipient]:
        """Who wants to be told of a kind of thing, the first 200."""
        rows = await fetch(self._pool, "notification_recipients_of", UUID(organization_id), kind, MAX_RECIPIENTS)
        return [Recipient(**dict(row)) for row in rows]

    async def plan(
        self, organization_id: str, call_id: str, kind: str, created_at: datetime, drafts: Sequence[Draft]
    ) -> Sequence[MessageRef]:
        """Write messages about a call down, each once; those of it that are still to be sent."""
        async with transaction(self._pool) as connection:
            for draft in drafts:
                await connection.execute(
                    statement("plan_notification"),
                    UUID(organization_id),
                    draft.id,
                    created_at,
                    call_id,
                    kind,
                    draft.recipient.channel,
                    draft.recipient.address,
                    draft.provider,
                    draft.status,
                    draft.error,
                    draft.subject,
                    draft.body,
                )
            rows = await connection.fetch(
                statement("unsent_notifications"), UUID(organization_id), call_id, created_at, kind
            )
        return [MessageRef(organization_id=organization_id, **dict(row)) for row in rows]

    async def message(self, ref: MessageRef) -> Message | None:
        """The message as it stands."""
        rows = await self._of(ref, "notification")
        if not rows:
            return None
        row = {**rows[0]}
        attempted_at = row.pop("attempted_at")
        body = row.pop("body")
        return Message(
            **row,
            body=body or "",
            attempted_at=None if attempted_at is None else milliseconds(attempted_at),
        )

    async def attempt(self, ref: MessageRef, *, at: int) -> None:
        """Note that it is about to be sent. Durable before it is."""
        await self._of(ref, "attempt_notification", moment(at))

    async def postpone(self, ref: MessageRef, *, at: int) -> None:
        """The attempt certainly came to nothing."""
        await self._of(ref, "postpone_notification", moment(at))

    async def sent(self, ref: MessageRef, *, vendor_id: str, status: str, at: int) -> None:
        """The vendor has it."""
        await self._of(ref, "sent_notification", vendor_id, status, moment(at))

    async def settle(self, ref: MessageRef, *, status: str, error: str, at: int) -> bool:
        """It is not sent, and why. Whether it was open until now."""
        return bool(await self._of(ref, "settle_notification", status, error, moment(at)))

    async def suppress(self, organization_id: str, channel: Channel, address: str, reason: str) -> None:
        """Nothing is sent to the address any more."""
        await fetch(self._pool, "suppress_address", UUID(organization_id), channel, address, reason)

    async def _of(self, ref: MessageRef, name: str, *told: object) -> Sequence[Mapping[str, Any]]:
        rows = await fetch(self._pool, name, UUID(ref.organization_id), ref.id, ref.created_at, *told)
        return [dict(row) for row in rows]
