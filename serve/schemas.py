"""What answers of the REST API are made of. Names carry their units; times are ISO 8601 in UTC, as in the live feed."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, PlainSerializer, WithJsonSchema

from actors.domain.iso_time import iso
from storage.times import milliseconds

Timestamp: TypeAlias = Annotated[
    datetime,
    PlainSerializer(lambda at: iso(milliseconds(at)), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


class Schema(BaseModel):
    model_config = ConfigDict(frozen=True)


class PartStatus(Schema):
    """One server this process stands on."""

    ok: bool
    required: bool
    detail: str


class Readiness(Schema):
    ready: bool
    parts: dict[str, PartStatus]


class Health(Schema):
    status: Literal["alive"] = "alive"


class LiveTicket(Schema):
    """Opens one websocket. Good once, until `expires_at`."""

    ticket: str
    url: str
    expires_at: Timestamp
