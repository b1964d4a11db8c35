"""Which calls are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls; None filters nothing. `number` is the caller's or the called one, `words` occur in what was said."""

    status: str | None = None
    assistant_id: str | None = None
    direction: str | None = None
    number: str | None = None
    ended_class: str | None = None
    ended_reason: str | None = None
    fault_owner: str | None = None
    least_duration_ms: int | None = None
    most_duration_ms: int | None = None
    campaign_id: str | None = None
    has_recording: bool | None = None
    has_incident: bool | None = None
    tag: str | None = None
    words: str | None = None
    recorded_elsewhere: tuple[UUID, ...] | None = None
    """Calls, by row id, that have a recording which Postgres does not know of."""

    @property
    def columns(self) -> tuple[object, ...]:
        """The arguments of `calls_page` that narrow it, in order; `words` are looked up before."""
        return (
            self.status,
            self.assistant_id,
            self.direction,
            self.number,
            self.ended_class,
            self.ended_reason,
            self.fault_owner,
            self.least_duration_ms,
            self.most_duration_ms,
            self.campaign_id,
            self.has_recording,
            self.has_incident,
            self.recorded_elsewhere,
            self.tag,
        )

    def matches(self, row: Mapping[str, Any]) -> bool:
        """What the statement `calls_page` asks of a row's own columns, for rows that are not in Postgres."""
        duration_ms = row["duration_ms"]
        return (
            all(wanted is None or row[name] == wanted for name, wanted in self._equal.items())
            and (self.number is None or self.number in {row["from_number"], row["to_number"]})
            and (self.least_duration_ms is None or (duration_ms is not None and duration_ms >= self.least_duration_ms))
            and (self.most_duration_ms is None or (duration_ms is not None and duration_ms <= self.most_duration_ms))
        )

    @property
    def _equal(self) -> Mapping[str, str | None]:
        names = ("status", "assistant_id", "direction", "ended_class", "ended_reason", "fault_owner", "campaign_id")
        return {name: getattr(self, name) for name in names}

    @property
    def narrows(self) -> bool:
        """Whether anything beside `words` is asked for."""
        return any(each is not None for each in self.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A place in the order of calls: newest first, the row's id deciding between equal times."""

    created_at: datetime
    row_id: UUID
