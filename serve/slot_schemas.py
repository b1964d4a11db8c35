"""What holds an organization's concurrency slots, and releasing one."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from actors.domain.policy import MinutesPolicy
from serve.schemas import Schema, Timestamp


class Slot(Schema):
    """A call that holds a slot, or whose slot was released. Times of evidence are ours."""

    call_id: str
    state: Literal["reserved", "live"] = Field(description="`reserved` for a minute from the request, until it begins.")
    assistant_id: str | None
    campaign_id: str | None
    since: Timestamp
    admission: str | None = Field(description="`accepted`, `accepted:unchecked`, or null for calls that never asked.")
    evidence_at: Timestamp
    evidence_kind: str
    evidence: Literal["confirmed", "quiet", "unconfirmed"]
    released_at: Timestamp | None


class AssistantSlots(Schema):
    assistant_id: str
    limit: int | None
    in_use: int


class CampaignSlots(Schema):
    campaign_id: str
    limit: int | None
    in_use: int


class PlanMinutes(Schema):
    """Minutes of the calendar month. `used` is null while there is no cap; `reserved` by the calls going on."""

    cap: int | None
    policy: MinutesPolicy
    used: int | None
    reserved: int


class SlotLedger(Schema):
    """What the next request will be decided by. A null limit is none."""

    as_of: Timestamp
    limit: int | None
    in_use: int
    reserved: int
    assistants: list[AssistantSlots]
    campaigns: list[CampaignSlots]
    minutes: PlanMinutes
    slots: list[Slot]
    released: list[Slot]


class SlotReleaseRequest(Schema):
    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]*$")
    ]


class SlotReleased(Schema):
    """`already-ended`: the call held no slot any more."""

    call_id: str
    result: Literal["released", "already-ended"]
