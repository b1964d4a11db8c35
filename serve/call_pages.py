"""The date range of a page of calls, and the cursor that leads to the next one."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final, Self
from uuid import UUID

from serve.call_schemas import SaidPart
from serve.errors import InvalidParameterError, MalformedRequestError
from storage.call_filter import CallFilter, Position
from storage.calls import Row

DEFAULT_RANGE: Final = timedelta(days=7)
LONGEST_RANGE: Final = timedelta(days=93)
_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# version, from, to, created_at (microseconds), row id, digest of what the cursor belongs to
_LAYOUT: Final = struct.Struct(">Bqqq16s16s")
_VERSION: Final = 1


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
class Cursor:
    """Where the next page begins. Belongs to one organization and one filter; holds no secret, so it is not signed."""

    dates: DateRange
    position: Position

    def encode(self, organization_id: str, only: CallFilter) -> str:
        packed = _LAYOUT.pack(
            _VERSION,
            *(_micros(at) for at in (self.dates.since, self.dates.until, self.position.created_at)),
            self.position.row_id.bytes,
            _owner(organization_id, only),
        )
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, organization_id: str, only: CallFilter) -> Self:
        """The cursor a text stands for. Raises MalformedRequestError unless it was made for just this query."""
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, since, until, created_at, row_id, owner = _LAYOUT.unpack(packed)
            dates = DateRange.bounded(_moment(since), _moment(until))
            position = Position(created_at=_moment(created_at), row_id=UUID(bytes=row_id))
        except (ValueError, struct.error, OverflowError, InvalidParameterError) as malformed:
            raise _not_of_this_list() from malformed
        if version != _VERSION or owner != _owner(organization_id, only):
            raise _not_of_this_list()
        return cls(dates=dates, position=position)


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


def _owner(organization_id: str, only: CallFilter) -> bytes:
    told = repr((organization_id, only))
    return blake2b(told.encode(errors="surrogatepass"), digest_size=16).digest()


def _micros(at: datetime) -> int:
    return (at - _EPOCH) // _MICROSECOND


def _moment(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _refused(name: str, detail: str) -> InvalidParameterError:
    return InvalidParameterError(detail, [{"at": f"query.{name}", "detail": detail}])


def _not_of_this_list() -> MalformedRequestError:
    return MalformedRequestError("The cursor is not one of this list; begin again without it.")
