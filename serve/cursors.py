"""Where the next page of a list begins, as a text that belongs to just that list."""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import blake2b
from typing import Any, Final, Self, get_type_hints
from uuid import UUID

from serve.errors import InvalidParameterError, MalformedRequestError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_VERSION: Final = 1
_DIGEST_BYTES: Final = 16
# A moment in microseconds, an id, an integer of Postgres. A text, if any, is the last field, and ends the cursor.
_FORMS: Final[Mapping[type, str]] = {datetime: "q", UUID: "16s", int: "i", str: ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The last row of a page, in the fields of a subclass. Holds no secret, so it is not signed.

    `owner` is what it belongs to: an organization, the list's name and its filters. For another it is no cursor.
    """

    def encode(self, *owner: object) -> str:
        values = [getattr(self, each.name) for each in fields(self)]
        last = values.pop().encode() if _kinds(type(self))[-1] is str else b""
        packed = _layout(type(self)).pack(_VERSION, *map(_packed, values), _digest(owner)) + last
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, *owner: object) -> Self:
        """The cursor a text stands for. Raises MalformedRequestError unless it was made for just this list."""
        try:
            cursor = cls(**_unpacked(cls, text, owner))
            cursor.check()
        except (ValueError, struct.error, OverflowError, InvalidParameterError) as malformed:
            raise not_of_this_list() from malformed
        return cursor

    def check(self) -> None:
        """Raise ValueError or InvalidParameterError for fields that no page ends with."""


def not_of_this_list() -> MalformedRequestError:
    """What a text is answered that is no cursor of the list it was sent to."""
    return MalformedRequestError("The cursor is not one of this list; begin again without it.")


@cache
def _kinds(cursor: type[Cursor]) -> Sequence[type]:
    hints = get_type_hints(cursor)
    return [hints[each.name] for each in fields(cursor)]


@cache
def _layout(cursor: type[Cursor]) -> struct.Struct:
    return struct.Struct(f">B{''.join(_FORMS[kind] for kind in _kinds(cursor))}{_DIGEST_BYTES}s")


def _unpacked(cursor: type[Cursor], text: str, owner: tuple[object, ...]) -> Mapping[str, Any]:
    """Raises ValueError, OverflowError and struct.error."""
    layout, kinds = _layout(cursor), _kinds(cursor)
    packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    version, *values, told = layout.unpack_from(packed)
    if version != _VERSION or told != _digest(owner):
        raise ValueError("another list's, or another release's")
    if kinds[-1] is str:
        values.append(packed[layout.size :].decode())
    elif len(packed) != layout.size:
        raise ValueError("more than a cursor")
    return {each.name: _read(kind, value) for each, kind, value in zip(fields(cursor), kinds, values, strict=True)}


def _packed(value: datetime | UUID | int) -> int | bytes:
    match value:
        case datetime():
            return (value - _EPOCH) // _MICROSECOND
        case UUID():
            return value.bytes
        case _:
            return value


def _read(kind: type, value: Any) -> datetime | UUID | int | str:
    if kind is datetime:
        return _EPOCH + value * _MICROSECOND
    if kind is UUID:
        return UUID(bytes=value)
    if kind is str and "\0" in value:
        raise ValueError("a text that Postgres cannot hold")
    return value


def _digest(owner: tuple[object, ...]) -> bytes:
    return blake2b(repr(owner).encode(errors="surrogatepass"), digest_size=_DIGEST_BYTES).digest()
