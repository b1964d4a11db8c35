"""Positions in a live feed: an owner's epoch, and the number of an entry within it."""

import re
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias

_TEXT: Final = re.compile(r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})")
_MAX: Final = 2**64 - 1

Break: TypeAlias = Literal["gap", "epoch"]
"""Why what follows a position is not known: entries are missing, or another owner has begun."""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """`<epoch>-<n>`: the id of a feed's entry. Ordered as Redis orders ids; `n` has no holes within an epoch."""

    epoch: int
    n: int

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The position a text stands for, or None when it is not exactly how we write one."""
        matched = _TEXT.fullmatch(text)
        if matched is None:
            return None
        epoch, n = int(matched[1]), int(matched[2])
        return cls(epoch, n) if max(epoch, n) <= _MAX else None

    def __str__(self) -> str:
        return f"{self.epoch}-{self.n}"


BEFORE_ALL: Final = Position(0, 0)
"""Older than any entry. Redis refuses it as an id, so it never names one."""


def break_between(before: Position, after: Position) -> Break | None:
    """Why `after` is not what follows `before`, or None when it is."""
    if after.epoch != before.epoch:
        return "epoch"
    return None if after.n == before.n + 1 else "gap"
