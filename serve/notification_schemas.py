"""What the REST API shows of messages to people."""

from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import Field

from serve.schemas import Schema, Timestamp

Channel: TypeAlias = Literal["sms", "email"]


class NotificationSummary(Schema):
    """One message to one recipient, without what it says."""

    id: UUID
    call_id: str | None
    kind: str = Field(description="What it tells of.", examples=["call-completed"])
    channel: Channel
    recipient: str
    provider: str
    status: str = Field(
        description="`pending`, `sending`, `off` (no provider is set), `suppressed` (the recipient must not be written "
        "to) and `failed` are ours; the others the provider's own words, such as `delivered`, `undelivered`, `bounced`."
    )
    error: str | None = Field(description="Why it did not arrive, as a code of the provider's or in our words.")
    resend_of: UUID | None = Field(description="The message that did not arrive and that this one says again.")
    sent_at: Timestamp | None = Field(description="When the provider took it.")
    updated_at: Timestamp = Field(description="When its status was last told.")
    created_at: Timestamp = Field(description="When what it tells of happened: a call, when it was first seen.")


class NotificationPage(Schema):
    notifications: list[NotificationSummary]
    next_cursor: str | None
