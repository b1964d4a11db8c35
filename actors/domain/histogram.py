"""Counts by size, from which percentiles are read: what was added can be taken out again, in any order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self, TypeVar

K = TypeVar("K")

# Values below 2^7 are kept exactly; above, the 7 leading bits: a bucket is at most 1/64 of its value wide.
_KEPT_BITS = 7


def nearest_rank(ordered: Sequence[int], percent: int) -> int | None:
    """The percentile of sorted values: the least that `percent` (1 to 100) of all do not exceed; None of none."""
    return ordered[(len(ordered) * percent + 99) // 100 - 1] if ordered else None


def recounted(counts: Mapping[K, int], removed: Iterable[K], added: Iterable[K]) -> dict[K, int]:
    """How often each occurs without `removed`, which are in it, and with `added`; what does not is left out."""
    changed = dict(counts)
    for key in added:
        changed[key] = changed.get(key, 0) + 1
    for key in removed:
        changed[key] = changed.get(key, 0) - 1
        if not changed[key]:
            del changed[key]
    return changed


def bucket(value: int) -> int:
    """The least value of the bucket that holds `value` (not negative)."""
    dropped = max(0, value.bit_length() - _KEPT_BITS)
    return value >> dropped << dropped


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values fell into each bucket; buckets are named by their least value, empty ones left out.

    Equal for equal multisets of values, whatever was added or taken out in between.
    """

    counts: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    def replacing(self, removed: Iterable[int], added: Iterable[int]) -> Self:
        """The histogram without `removed`, which it holds, and with `added`. Values are not negative."""
        removed, added = tuple(removed), tuple(added)
        if removed == added:
            return self
        return type(self)(recounted(self.counts, map(bucket, removed), map(bucket, added)))

    def percentiles(self, *shares: float) -> list[int | None]:
        """The nearest-rank percentiles: the least value that `share` of all do not exceed; None of nothing.

        `shares` do not fall. Exact below 128; above, the middle of the bucket, off by at most 1/128.
        """
        if not self.counts:
            return [None] * len(shares)
        n, keys = self.n, iter(sorted(self.counts))
        key = next(keys)
        passed = self.counts[key]
        found: list[int | None] = []
        for share in shares:
            while passed < share * n:
                key = next(keys)
                passed += self.counts[key]
            found.append(key + ((1 << max(0, key.bit_length() - _KEPT_BITS)) >> 1))
        return found
