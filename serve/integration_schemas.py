"""What the REST API takes and shows of integrations and of what was delivered to them."""

from typing import Annotated, Literal, Self, TypeAlias
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints, field_validator, model_validator

from serve.resource_schemas import Asked, DeliveryStatus, Name
from serve.schemas import Schema, Timestamp
from storage.calls import Row

EventName: TypeAlias = Literal["call.started", "call.completed", "incident.opened", "incident.closed"]
Events: TypeAlias = Annotated[list[EventName], Field(min_length=1, max_length=50)]
Url: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^https?://[\x21-\x7e]+$", max_length=2_000)
]


class NewIntegration(Asked):
    """An endpoint that wants to be told."""

    name: Name
    url: Url = Field(description="Where events are posted to: https, a public address, no credentials in it.")
    events: Events

    @field_validator("events")
    @classmethod
    def each_once(cls, events: list[EventName]) -> list[EventName]:
        return sorted(set(events))


class IntegrationChange(Asked):
    """Members that are absent stay as they are. `enabled: true` also forgets that deliveries failed."""

    name: Name = ""
    url: Url = ""
    events: Events = Field(default=[])
    enabled: bool = True

    @field_validator("events")
    @classmethod
    def each_once(cls, events: list[EventName]) -> list[EventName]:
        return sorted(set(events))


class IntegrationView(Schema):
    """Without its signing secret, which is shown once: when it is made."""

    id: UUID
    name: str
    url: str
    events: list[str]
    enabled: bool
    disabled_at: Timestamp | None
    disabled_reason: str | None = Field(
        description="`gone` (it answered 410), `failing` (for days) or `manual`; null while enabled."
    )
    failing_since: Timestamp | None
    missed_since: Timestamp | None = Field(
        description="Since when it missed deliveries, disabled for failing: a replay from here on brings them."
    )
    previous_secret_expires_at: Timestamp | None = Field(
        description="Until when the former signing secret signs beside the new one."
    )
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, row: Row) -> "IntegrationView":
        return cls.model_validate({**row, "enabled": row["disabled_at"] is None})


class IntegrationWithSecret(IntegrationView):
    """The only answer that shows the signing secret."""

    signing_secret: str


class IntegrationPage(Schema):
    integrations: list[IntegrationView]
    next_cursor: str | None


class IntegrationHealth(Schema):
    """Whether an integration is tried. While the circuit is open nothing is, and nothing is lost: it waits."""

    integration_id: UUID
    circuit: Literal["closed", "open", "probing"] = Field(description="`probing`: one attempt decides.")
    open_until: Timestamp | None = Field(description="When it is tried again; null while the circuit is closed.")
    consecutive_failures: int

    @classmethod
    def of(cls, row: Row) -> "IntegrationHealth":
        opened = "probing" if row["probing"] else "open"
        return cls.model_validate({**row, "circuit": opened if row["open_until"] is not None else "closed"})


class IntegrationHealthList(Schema):
    """Integrations that were tried, newest first, 200 at most: one that never was has no health yet."""

    health: list[IntegrationHealth]


class SecretRotation(Asked):
    """How long the former secret goes on signing beside the new one."""

    previous_valid_hours: Annotated[float, Field(ge=0.1, le=168)] = 24


class DeliverySummary(Schema):
    """One event for one integration."""

    id: UUID
    integration_id: UUID
    event: str
    call_id: str | None
    status: DeliveryStatus
    attempts: int
    next_attempt_at: Timestamp | None
    settled_at: Timestamp | None
    created_at: Timestamp


class DeliveryAttempt(Schema):
    """`response_status` is null when no answer came; then `error` says why."""

    attempt: int
    attempted_at: Timestamp
    duration_ms: int
    response_status: int | None
    response_excerpt: str | None
    error: str | None


class DeliveryView(DeliverySummary):
    payload: str = Field(description="The body, byte for byte as it is signed and sent.")
    tried: list[DeliveryAttempt]


class DeliveryInList(DeliverySummary):
    """With how its last attempt ended, as `tried` of the delivery itself tells of each; null before the first."""

    last_attempt_at: Timestamp | None
    last_response_status: int | None = Field(description="Null when no answer came; then `last_error` says why.")
    last_error: str | None


class DeliveryPage(Schema):
    deliveries: list[DeliveryInList]
    next_cursor: str | None


class ReplayRange(Asked):
    """Deliveries made in [`from`, `to`), of one status if told."""

    since: AwareDatetime = Field(alias="from")
    until: AwareDatetime = Field(alias="to")
    only_status: DeliveryStatus | None = Field(default=None, alias="status")

    @model_validator(mode="after")
    def is_a_range(self) -> Self:
        if self.since >= self.until:
            raise ValueError("`from` must lie before `to`")
        return self


class ReplayView(Schema):
    """A request to send deliveries again: `pending` until they were."""

    id: UUID
    integration_id: UUID
    delivery_id: UUID | None = Field(description="The one delivery it is about; null for a range.")
    since: Timestamp
    until: Timestamp
    only_status: DeliveryStatus | None
    status: Literal["pending", "done"]
    deliveries: int | None = Field(description="How many were sent again; null while pending.")
    requested_by: str
    created_at: Timestamp
    done_at: Timestamp | None


class ReplayPage(Schema):
    replays: list[ReplayView]
    next_cursor: str | None
