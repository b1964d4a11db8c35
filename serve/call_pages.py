"""The date range of a page of calls, and the cursor that leads to the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Self
from uuid import UUID

from serve.call_schemas import SaidPart
from serve.cursors import Cursor
from serve.errors import InvalidParameterError
from storage.call_filter import Position
from storage.calls import Row

DEFAULT_RANGE: Final = timedelta(days=7)
LONGEST_RANGE: Final = timedelta(days=93)
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateRange:
    """[since, until), always bounded: partitions outside it are never read."""

    since: datetime
    until: datetime

    @classmethod
    def asked(cls, since: datetime | None, until: datetime | None, *, now: datetime) -> Self:
        """The range a request asks for: up to now, and 7 days long, unless it says so. Raises InvalidParameterError."""
        for name, given in (("from", since), ("to", until)):
            if given is not None and not _EARLIEST <= given <= _LATEST:
                raise _refused(name, "The years 2000 to 2199 are served.")
        end = until or now
        return cls.bounded(since or end - DEFAULT_RANGE, end)

    @classmethod
    def bounded(cls, since: datetime, until: datetime) -> Self:
        """The range, if it is one and not too long. Raises InvalidParameterError."""
        if since >= until:
            raise _refused("from", "`from` must lie before `to`.")
        if until - since > LONGEST_RANGE:
            raise _refused("from", f"At most {LONGEST_RANGE.days} days may lie between `from` and `to`.")
        return cls(since=since.astimezone(UTC), until=until.astimezone(UTC))

    @property
    def start(self) -> Position:
        """The position before the newest call of the range."""
        return Position(created_at=self.until, row_id=UUID(int=0))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCursor(Cursor):
    """The last call of a page, with the range it is of."""

    since: datetime
    until: datetime
    created_at: datetime
    row_id: UUID

    @classmethod
    def at(cls, dates: DateRange, position: Position) -> Self:
        return cls(since=dates.since, until=dates.until, created_at=position.created_at, row_id=position.row_id)

    @property
    def dates(self) -> DateRange:
        """Raises InvalidParameterError, but not of a cursor that was read."""
        return DateRange.bounded(self.since, self.until)

    @property
    def position(self) -> Position:
        return Position(created_at=self.created_at, row_id=self.row_id)

    def check(self) -> None:
        DateRange.bounded(self.since, self.until)


def position_after(rows: Sequence[Row]) -> Position:
    """The position after the last of a page's rows."""
    return Position(created_at=rows[-1]["created_at"], row_id=rows[-1]["id"])


def said_parts(marked: str) -> list[list[SaidPart]]:
    """The fragments of a highlighted transcript, each in parts, as `calls_highlighted` marks them."""
    fragments: list[list[SaidPart]] = []
    for fragment in filter(None, marked.split("\x01")):
        before, *rest = fragment.split("\x02")
        parts = [SaidPart(text=before, match=False)]
        for each in rest:
            found, _, after = each.partition("\x03")
            parts += [SaidPart(text=found, match=True), SaidPart(text=after, match=False)]
        fragments.append([part for part in parts if part.text])
    return fragments


def _refused(name: str, detail: str) -> InvalidParameterError:
    return InvalidParameterError(detail, [{"at": f"query.{name}", "detail": detail}])
