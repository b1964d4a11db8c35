"""How many calls were permitted at once, moment by moment, and how much of that was used."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple, Self

from actors.domain.json_types import JSON


class Stretch(NamedTuple):
    """[start, end) in ms since the epoch, over which one limit held; None is no limit."""

    start: int
    end: int
    limit: int | None


@dataclass(frozen=True, slots=True)
class Limits:
    """limit(t): `changes` are (since when, how many calls at once) in their order, None for no limit.

    The first is taken to have held before, too. Without changes nothing was ever limited.
    """

    changes: tuple[tuple[int, int | None], ...] = ()

    @classmethod
    def always(cls, limit: int | None) -> Self:
        return cls(((0, limit),))

    def over(self, opens: int, closes: int) -> Iterator[Stretch]:
        """[opens, closes) in stretches of one limit; nothing of an empty window, or where nothing is known."""
        place = max(0, bisect_right(self.changes, opens, key=itemgetter(0)) - 1)
        for at, (_, limit) in enumerate(self.changes[place:], place + 1):
            ends = min(closes, self.changes[at][0]) if at < len(self.changes) else closes
            if opens < ends:
                yield Stretch(opens, ends, limit)
                opens = ends


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityUse:
    """Sums over a window of `window_ms`; those of several windows add up.

    Over its stretches that had a limit: `capacity_ms` is limit(t) integrated, `used_ms` is C(t) integrated, the overlap
    of all calls with them, and `saturated_ms` how long C(t) >= limit(t) held.
    """

    window_ms: int
    capacity_ms: int = 0
    used_ms: int = 0
    saturated_ms: int = 0

    @property
    def capacity_share(self) -> float | None:
        """Overlap / integral of the limit, both where there was a limit; None where there never was one."""
        return self.used_ms / self.capacity_ms if self.capacity_ms else None

    @property
    def saturated_share(self) -> float | None:
        """Time with C(t) >= limit(t) / length of the window, which nothing fills without a limit; None if never one."""
        return self.saturated_ms / self.window_ms if self.capacity_ms else None

    def plus(self, other: Self) -> Self:
        return type(self)(
            window_ms=self.window_ms + other.window_ms,
            capacity_ms=self.capacity_ms + other.capacity_ms,
            used_ms=self.used_ms + other.used_ms,
            saturated_ms=self.saturated_ms + other.saturated_ms,
        )


def limits_from(told: JSON) -> Limits:
    """Out of `[[ms since the epoch, calls at once], …]` in order. Total: what cannot be read is left out."""
    pairs = [each for each in told if isinstance(each, list)] if isinstance(told, list) else []
    return Limits(
        tuple(
            (since, limit if isinstance(limit, int) and limit > 0 else None)
            for since, limit in (pair for pair in pairs if len(pair) == 2)  # noqa: PLR2004  # a pair
            if isinstance(since, int)
        )
    )


def limits_facts(limits: Limits) -> JSON:
    """What `limits_from` reads as `limits`."""
    return [[since, limit] for since, limit in limits.changes]
