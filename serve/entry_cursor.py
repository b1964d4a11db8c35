"""Where the next page of the ledger begins: newest first, the call and its entry deciding between equal times."""

import base64
import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Final, Self, TypeAlias

from fastapi import Query

from serve.errors import MalformedRequestError

EntryCursorText: TypeAlias = Annotated[
    str | None, Query(alias="cursor", max_length=4_000, description="`next_cursor` of the page before.")
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# version, charged_at (microseconds), entry, digest of what the cursor belongs to; the call's id follows
_LAYOUT: Final = struct.Struct(">Bqi16s")
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCursor:
    """The last entry of a page. `owner` of its list: organization and period. Holds no secret."""

    charged_at: datetime
    call_id: str
    entry: int

    def encode(self, *owner: object) -> str:
        micros = (self.charged_at - _EPOCH) // _MICROSECOND
        packed = _LAYOUT.pack(_VERSION, micros, self.entry, _digest(owner)) + self.call_id.encode()
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, *owner: object) -> Self:
        """The cursor a text stands for. Raises MalformedRequestError unless it was made for just this list."""
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, micros, entry, told = _LAYOUT.unpack_from(packed)
            charged_at = _EPOCH + micros * _MICROSECOND
            call_id = packed[_LAYOUT.size :].decode()
        except (ValueError, struct.error, OverflowError) as malformed:
            raise _not_of_this_list() from malformed
        if version != _VERSION or told != _digest(owner) or "\0" in call_id:
            raise _not_of_this_list()
        return cls(charged_at=charged_at, call_id=call_id, entry=entry)


def _digest(owner: tuple[object, ...]) -> bytes:
    return blake2b(repr(owner).encode(errors="surrogatepass"), digest_size=16).digest()


def _not_of_this_list() -> MalformedRequestError:
    return MalformedRequestError("The cursor is not one of this list; begin again without it.")
