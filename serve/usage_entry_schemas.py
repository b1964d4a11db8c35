"""What the REST API shows of the ledger's entries, and where a page of them ends."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self, TypeAlias

from fastapi import Query
from pydantic import Field

from serve.cursors import Cursor
from serve.schemas import Schema, Timestamp
from storage.calls import Row

EntryCursorText: TypeAlias = Annotated[
    str | None, Query(alias="cursor", max_length=4_000, description="`next_cursor` of the page before.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCursor(Cursor):
    """The last entry of a page."""

    charged_at: datetime
    entry: int
    call_id: str


class UsageEntry(Schema):
    """What one entry adds. The first of a call is its charge; further ones correct it, and nothing is changed."""

    call_id: str
    entry: int
    kind: Literal["charge", "correction"]
    seconds: int = Field(description="Negative only in a correction.")
    amount_micros: int
    currency: str
    reason: str = Field(description="`call`, or why it is corrected.")
    charged_at: Timestamp = Field(description="The moment that decides the period and the day: the call's end.")
    booked_at: Timestamp


class UsageEntryPage(Schema):
    entries: list[UsageEntry]
    next_cursor: str | None

    @classmethod
    def of(cls, rows: Sequence[Row], limit: int, owner: Sequence[object]) -> Self:
        """The page out of `limit` + 1 rows asked for, and the cursor of the next one, if any."""
        page, following = rows[:limit], None
        if len(rows) > limit:
            place = {name: page[-1][name] for name in ("charged_at", "call_id", "entry")}
            following = EntryCursor(**place).encode(*owner)
        return cls(entries=[UsageEntry.model_validate(row) for row in page], next_cursor=following)
