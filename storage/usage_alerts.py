"""Warnings of usage and the messages that carry them: one of each for every recipient, however often it is tried."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID, uuid5

from storage.postgres import Pool, fetch
from storage.times import milliseconds, moment

KIND: Final = "usage"
PENDING: Final = "pending"
SENDING: Final = "sending"
"""An attempt was made whose end nobody wrote down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageAlert:
    """A mark that was reached. Times are ms; `limit_seconds` is what the percentage is of."""

    period_start: int
    percent: int
    used_seconds: int
    limit_seconds: int
    raised_at: int
    organization_name: str
    time_zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom a warning goes to; `suppressed` tells why it must not."""

    id: UUID
    channel: Literal["sms", "email"]
    address: str
    suppressed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A warning to a recipient, as a row of `notifications`. `created_at` (ms) is the warning's own moment."""

    id: UUID
    created_at: int
    status: str
    vendor_id: str | None

    @property
    def is_open(self) -> bool:
        return self.vendor_id is None and self.status in {PENDING, SENDING}


class UsageAlerts:
    """Every change is safe to repeat. Raises StorageUnavailableError."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def organizations(self) -> Sequence[str]:
        """Those with a warning that not everybody was told of."""
        return [str(row["organization_id"]) for row in await fetch(self._pool, "usage_alert_organizations")]

    async def next(self, organization_id: str) -> UsageAlert | None:
        """The oldest warning that not everybody was told of."""
        rows = await fetch(self._pool, "usage_alert_next", organization_id)
        if not rows:
            return None
        (row,) = rows
        return UsageAlert(
            period_start=milliseconds(row["period_start"]),
            percent=row["threshold_percent"],
            used_seconds=row["used_seconds"],
            limit_seconds=row["limit_seconds"],
            raised_at=milliseconds(row["raised_at"]),
            organization_name=row["name"],
            time_zone=row["time_zone"],
        )

    async def recipients(self, organization_id: str) -> Sequence[Recipient]:
        rows = await fetch(self._pool, "usage_alert_recipients", organization_id)
        return [Recipient(**dict(row)) for row in rows]

    async def message(
        self,
        organization_id: str,
        alert: UsageAlert,
        recipient: Recipient,
        provider: str,
        *,
        subject: str | None,
        body: str,
    ) -> Message:
        """The message that carries the warning to the recipient: there is one, whoever asks."""
        message_id = uuid5(recipient.id, f"usage:{alert.period_start}:{alert.percent}")
        (row,) = await fetch(
            self._pool,
            "usage_alert_message",
            organization_id,
            message_id,
            moment(alert.raised_at),
            recipient.channel,
            recipient.address,
            provider,
            subject,
            body,
        )
        return Message(id=message_id, created_at=alert.raised_at, status=row["status"], vendor_id=row["vendor_id"])

    async def attempt(self, organization_id: str, message: Message, *, at: int) -> None:
        """Note that it is about to be sent. Durable before it is."""
        await self._of(organization_id, message, "usage_alert_attempt", moment(at))

    async def sent(self, organization_id: str, message: Message, *, vendor_id: str, status: str, at: int) -> None:
        """The vendor has it."""
        await self._of(organization_id, message, "usage_alert_sent", vendor_id, status, moment(at))

    async def settle(self, organization_id: str, message: Message, *, status: str, error: str | None, at: int) -> None:
        """It is not sent, or put back to be sent later."""
        await self._of(organization_id, message, "usage_alert_settle", status, error, moment(at))

    async def suppress(self, organization_id: str, recipient: Recipient, reason: str) -> None:
        """Nothing is sent to the recipient any more."""
        await fetch(self._pool, "suppress_address", UUID(organization_id), recipient.channel, recipient.address, reason)

    async def told(self, organization_id: str, alert: UsageAlert, *, at: int) -> None:
        """Everybody was told, as far as they can be."""
        period_start = moment(alert.period_start)
        await fetch(self._pool, "usage_alert_told", organization_id, period_start, alert.percent, moment(at))

    async def _of(self, organization_id: str, message: Message, name: str, *told: object) -> None:
        await fetch(self._pool, name, organization_id, message.id, moment(message.created_at), *told)
