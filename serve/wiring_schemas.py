"""What the REST API tells of an organization's assistants and numbers at VAPI: whether they still point at us."""

from typing import Literal
from uuid import UUID

from pydantic import Field

from serve.schemas import Schema, Timestamp


class WiringCheck(Schema):
    """The last look, made every night. A failing one changes no finding."""

    attempted_at: Timestamp
    checked_at: Timestamp | None = Field(description="When all of them were last looked at; null while never.")
    records: int = Field(description="How many assistants and numbers those were.")
    error: str | None = Field(description="Why the last look failed; null when it did not.")
    failing_since: Timestamp | None


class WiringFinding(Schema):
    """An assistant or a number that VAPI keeps otherwise than it must: what happens in its calls may not reach us."""

    id: UUID
    kind: Literal["assistant", "phone-number"]
    subject_id: UUID = Field(description="The assistant or the phone number.")
    provider_id: str = Field(description="VAPI's id of it.")
    aspects: list[str] = Field(
        description="What differs: `server_url`, `secret`, `backoff_plan` (lost messages are not sent again),"
        " `server_messages` (some are not sent at all), `monitor` (live control without authentication); or `absent`:"
        " VAPI has no such record any more, which no repair brings back."
    )
    found_at: Timestamp
    seen_at: Timestamp = Field(description="When it was last seen.")
    closed_at: Timestamp | None
    closed_as: Literal["repaired", "agrees", "removed"] | None = Field(
        description="`repaired` by us and read back, `agrees` again without us, or `removed` from the organization."
    )
    repair_asked_at: Timestamp | None = Field(description="Set while a repair is wanted and not done.")
    repair_asked_by: str | None
    repair_attempted_at: Timestamp | None
    repair_error: str | None = Field(description="Why the last attempt to repair it came to nothing.")


class ProviderWiring(Schema):
    """The last look, null while there was none, and a page of findings, newest first."""

    check: WiringCheck | None
    open: int = Field(description="How many findings are open.")
    findings: list[WiringFinding]
    next_cursor: str | None
