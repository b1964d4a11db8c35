"""The two encodings of a feed: one with everything, and one without anything of a caller."""

from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final


class Encoding(StrEnum):
    """What a socket is sent. Each frame is encoded once for all sockets of one organization and encoding."""

    FULL = "full"
    WALLBOARD = "wallboard"

    def is_permitted(self, scopes: AbstractSet[str]) -> bool:
        """Whether whoever has these scopes may be sent it. Who may have everything may have less."""
        return not _SCOPES[self].isdisjoint(scopes)


FULL_SCOPE: Final = "live:read"
WALLBOARD_SCOPE: Final = "wallboard:read"
_SCOPES: Final = {
    Encoding.FULL: frozenset({FULL_SCOPE}),
    Encoding.WALLBOARD: frozenset({FULL_SCOPE, WALLBOARD_SCOPE}),
}
