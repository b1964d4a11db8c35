"""The last entries of a feed, in memory: most who come back have missed no more."""

from collections import deque
from collections.abc import Sequence
from itertools import islice

from storage.live_position import BEFORE_ALL, Position
from storage.live_reader import FeedEntry


class Recent:
    """Entries of one epoch without a hole, bounded in number and bytes; the oldest give way."""

    def __init__(self, *, entries: int, size: int) -> None:
        self._entries: deque[FeedEntry] = deque()
        self._most = entries
        self._most_bytes = size
        self._bytes = 0

    @property
    def last(self) -> Position:
        """The newest entry's position, `BEFORE_ALL` when there is none."""
        return self._entries[-1].position if self._entries else BEFORE_ALL

    @property
    def first(self) -> Position:
        return self._entries[0].position if self._entries else BEFORE_ALL

    def append(self, entry: FeedEntry) -> None:
        """Keep an entry that follows the last one."""
        self._entries.append(entry)
        self._bytes += len(entry.events)
        while len(self._entries) > self._most or (self._bytes > self._most_bytes and len(self._entries) > 1):
            self._bytes -= len(self._entries.popleft().events)

    def clear(self) -> None:
        self._entries.clear()
        self._bytes = 0

    def after(self, position: Position) -> Sequence[FeedEntry] | None:
        """What followed a position; None when its entry is not among those kept."""
        if not self._entries or position.epoch != self.first.epoch or not self.first <= position <= self.last:
            return None
        return list(islice(self._entries, position.n - self.first.n + 1, None))
