"""The cursor that leads from one page of incidents to the next."""

import base64
import struct
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Final, Self
from uuid import UUID

from serve.errors import MalformedRequestError
from storage.times import milliseconds, moment

# version, opened_at (ms), incident id, digest of what the cursor belongs to
_LAYOUT: Final = struct.Struct(">Bq16s16s")
_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentCursor:
    """The last incident of a page: newest first, the id deciding between equal times. Holds no secret."""

    opened_at: datetime
    incident_id: UUID

    def encode(self, organization_id: str, *, only_open: bool | None) -> str:
        packed = _LAYOUT.pack(
            _VERSION, milliseconds(self.opened_at), self.incident_id.bytes, _owner(organization_id, only_open)
        )
        return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()

    @classmethod
    def decode(cls, text: str, organization_id: str, *, only_open: bool | None) -> Self:
        """The cursor a text stands for. Raises MalformedRequestError unless it was made for just this query."""
        try:
            packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            version, opened_ms, incident_id, owner = _LAYOUT.unpack(packed)
            opened_at = moment(opened_ms)
        except (ValueError, struct.error, OverflowError) as malformed:
            raise _not_of_this_list() from malformed
        if version != _VERSION or owner != _owner(organization_id, only_open):
            raise _not_of_this_list()
        return cls(opened_at=opened_at, incident_id=UUID(bytes=incident_id))


def _owner(organization_id: str, only_open: bool | None) -> bytes:  # noqa: FBT001  # part of what is digested
    return blake2b(repr((organization_id, only_open)).encode(), digest_size=16).digest()


def _not_of_this_list() -> MalformedRequestError:
    return MalformedRequestError("The cursor is not one of this list; begin again without it.")
