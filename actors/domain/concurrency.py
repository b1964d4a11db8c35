"""How many calls were live at once, moment by moment of a day: an event sweep that follows each change of a call."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Self, TypeAlias

from actors.domain.capacity import CapacityUse, Limits

Span: TypeAlias = tuple[int, int | None]
"""[start, end) in ms since the epoch, provider's clock; no end while the call goes on."""

# From here on one sweep over all is cheaper than one for each.
_MANY = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """C(t), the number of spans with start <= t < end, over the window [`opens`, `closes`).

    Spans are clipped to the window, so one over midnight counts on both days for its part. `starts` and `ends` are
    sorted. `level_ms` holds for how long exactly C was each number above 0; a span without end counts until `closes`,
    which `until` takes back. `peak` is the maximum of C and `peak_at` the first moment it was reached: exact, where a
    sampled peak misses short ones. Equal for equal sets of spans, whatever changes led there.
    """

    opens: int
    closes: int
    starts: Sequence[int] = ()
    ends: Sequence[int] = ()
    level_ms: Mapping[int, int] = field(default_factory=dict[int, int])
    peak: int = 0
    peak_at: int | None = None

    def replacing(self, changes: Iterable[tuple[Span | None, Span | None]]) -> Self:
        """The same with spans in the place of others; None is no span. Costs what happened at once, not the day."""
        clipped = ((self._clipped(old), self._clipped(new)) for old, new in changes)
        differing = [(old, new) for old, new in clipped if old != new]
        if not differing:
            return self
        sweep = _Sweep(list(self.starts), list(self.ends), dict(self.level_ms), self.peak, self.peak_at)
        if len(differing) > _MANY and len(differing) > len(self.starts):
            sweep.begin_anew(differing)
        else:
            for old, new in differing:
                sweep.change(old, new)
        sweep.settle()
        return type(self)(
            opens=self.opens,
            closes=self.closes,
            starts=tuple(sweep.starts),
            ends=tuple(sweep.ends),
            level_ms={level: ms for level, ms in sweep.level_ms.items() if level and ms},
            peak=sweep.peak,
            peak_at=sweep.peak_at,
        )

    @property
    def known_until(self) -> int:
        """The last start or end in the window: what is known of C reaches so far. `opens` when there is none."""
        ended = bisect_left(self.ends, self.closes)
        last_start = self.starts[-1] if self.starts else self.opens
        return max(last_start, self.ends[ended - 1] if ended else self.opens)

    def average(self, until: int | None = None) -> float | None:
        """Sum of overlap / length of the window, up to `until` (not before `known_until`, its default).

        Weighted by time: the mean of samples would be wrong. None of an empty window.
        """
        until, levels = self._levels(until)
        if until <= self.opens:
            return None
        return sum(level * ms for level, ms in levels.items()) / (until - self.opens)

    def use(self, limits: Limits, until: int | None = None) -> CapacityUse:
        """What was used of limit(t) over the window, up to `until` (as for `average`).

        One limit all the time costs a look at each level. Over others the calls of the window are swept once.
        """
        until, levels = self._levels(until)
        stretches = list(limits.over(self.opens, until))
        capacity = used = saturated = 0
        for start, end, limit in stretches:
            if limit is None:
                continue
            capacity += limit * (end - start)
            if len(stretches) == 1:
                used = sum(level * ms for level, ms in levels.items())
                saturated = sum(ms for level, ms in levels.items() if level >= limit)
            else:
                used += self._overlap(start, end)
                saturated += self._time_at_least(limit, start, end)
        window = max(0, until - self.opens)
        return CapacityUse(window_ms=window, capacity_ms=capacity, used_ms=used, saturated_ms=saturated)

    def _overlap(self, start: int, end: int) -> int:
        """C integrated over [start, end): what is live at its start, and what starts and ends later."""
        begun, over = bisect_right(self.starts, start), bisect_right(self.ends, start)
        starts = self.starts[begun : bisect_left(self.starts, end)]
        ends = self.ends[over : bisect_left(self.ends, end)]
        return (begun - over) * (end - start) + len(starts) * end - sum(starts) - len(ends) * end + sum(ends)

    def _time_at_least(self, level: int, start: int, end: int) -> int:
        """How long C >= `level`, which is at least 1, in [start, end).

        From the nth start to the next one, C >= `level` until the (n - `level` + 1)th end: then so many are over that
        fewer than `level` of the n go on.
        """
        if self.peak < level:
            return 0
        first = max(level - 1, bisect_right(self.starts, start) - 1)
        starts = self.starts[first : bisect_left(self.starts, end)]
        if not starts:
            return 0
        begins = chain((max(start, starts[0]),), starts[1:])
        following = chain(starts[1:], (end,))
        lasted = 0
        for at, to, over in zip(begins, following, self.ends[first + 1 - level :], strict=False):
            if over > at:
                lasted += min(to, over) - at
        return lasted

    def _levels(self, until: int | None) -> tuple[int, Mapping[int, int]]:
        known = self.known_until
        until = min(self.closes, max(until if until is not None else known, known))
        level = len(self.starts) - bisect_right(self.ends, until)
        levels = dict(self.level_ms)
        if level and until < self.closes:
            levels[level] -= self.closes - until
        return until, levels

    def _clipped(self, span: Span | None) -> tuple[int, int] | None:
        if span is None:
            return None
        start, end = max(span[0], self.opens), self.closes if span[1] is None else min(span[1], self.closes)
        return (start, end) if start < end else None


@dataclass(slots=True)
class _Sweep:
    """The structure while it changes."""

    starts: list[int]
    ends: list[int]
    level_ms: dict[int, int]
    peak: int
    peak_at: int | None
    peak_lost: bool = False

    def change(self, old: tuple[int, int] | None, new: tuple[int, int] | None) -> None:
        """Only the difference of the two spans is walked: the end of a call touches what comes after it, no more."""
        if old is None or new is None or old[1] <= new[0] or new[1] <= old[0]:
            if old is not None:
                self._remove(*old)
            if new is not None:
                self._add(*new)
            return
        (was_start, was_end), (start, end) = old, new
        if start < was_start:
            self._add(start, was_start)
            self._join(was_start)
        elif start > was_start:
            self._split(start)
            self._remove(was_start, start)
        if end > was_end:
            self._add(was_end, end)
            self._join(was_end)
        elif end < was_end:
            self._split(end)
            self._remove(end, was_end)

    def begin_anew(self, changes: Sequence[tuple[tuple[int, int] | None, tuple[int, int] | None]]) -> None:
        """The same for a whole day at once: one sweep over every edge."""
        for old, _ in changes:
            if old is not None:
                _drop(self.starts, old[0])
                _drop(self.ends, old[1])
        self.starts.extend(new[0] for _, new in changes if new is not None)
        self.ends.extend(new[1] for _, new in changes if new is not None)
        self.starts.sort()
        self.ends.sort()
        self.level_ms = {}
        if self.starts:
            for at, to, level in self._walk(self.starts[0], self.ends[-1]):
                self.level_ms[level] = self.level_ms.get(level, 0) + to - at
        self.peak_lost = True

    def settle(self) -> None:
        """Find the peak anew if what held it is gone: C rises at starts alone."""
        if not self.peak_lost:
            return
        self.peak, self.peak_at, self.peak_lost = 0, None, False
        ended, ends = 0, self.ends
        for started, at in enumerate(self.starts, 1):
            while ends[ended] <= at:
                ended += 1
            if started - ended > self.peak:
                self.peak, self.peak_at = started - ended, at

    def _add(self, start: int, end: int) -> None:
        for at, to, level in self._walk(start, end):
            self._shift(level, level + 1, to - at)
            if level + 1 > self.peak or (level + 1 == self.peak and (self.peak_at is None or at < self.peak_at)):
                self.peak, self.peak_at = level + 1, at
        insort(self.starts, start)
        insort(self.ends, end)

    def _remove(self, start: int, end: int) -> None:
        _drop(self.starts, start)
        _drop(self.ends, end)
        for at, to, level in self._walk(start, end):
            self._shift(level + 1, level, to - at)
        if self.peak_at is not None and start <= self.peak_at < end:
            self.peak_lost = True

    def _join(self, at: int) -> None:
        """Two spans that meet at `at` are one: C stays."""
        _drop(self.starts, at)
        _drop(self.ends, at)

    def _split(self, at: int) -> None:
        """One span is two that meet at `at`: C stays."""
        insort(self.starts, at)
        insort(self.ends, at)

    def _shift(self, before: int, after: int, ms: int) -> None:
        self.level_ms[before] = self.level_ms.get(before, 0) - ms
        self.level_ms[after] = self.level_ms.get(after, 0) + ms

    def _walk(self, start: int, end: int) -> Iterator[tuple[int, int, int]]:
        """[start, end) in pieces over which C stands still: from, to, C."""
        starts, ends = self.starts, self.ends
        started, ended, at = bisect_right(starts, start), bisect_right(ends, start), start
        while at < end:
            level, to = started - ended, end
            if started < len(starts):
                to = min(to, starts[started])
            if ended < len(ends):
                to = min(to, ends[ended])
            yield at, to, level
            while started < len(starts) and starts[started] == to:
                started += 1
            while ended < len(ends) and ends[ended] == to:
                ended += 1
            at = to


def _drop(edges: list[int], at: int) -> None:
    # An edge that is not there, of a row an older release wrote, must cost a figure its exactness, not a call its life.
    if edges:
        del edges[min(bisect_left(edges, at), len(edges) - 1)]
