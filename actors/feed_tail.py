"""What an organization's feed does not hold yet."""

from collections import deque

from actors.domain.views import View
from actors.ports import Lease, LiveFeed

BUFFERED = 200
"""Entries kept while Redis is away. After a hole readers take a snapshot anyway."""


class FeedTail:
    """Entries in order, at most BUFFERED of them, until the feed has them.

    While Redis is away the oldest give way; the hole in `n` tells readers to take a snapshot. The first entry is empty:
    with it a new owner's epoch stands in the feed.
    """

    def __init__(self, organization_id: str, *, lease: Lease, feed: LiveFeed, first_n: int) -> None:
        self._organization_id = organization_id
        self._lease = lease
        self._to = feed
        self._n = first_n
        self._waiting: deque[tuple[int, list[View]]] = deque([(first_n, [])], maxlen=BUFFERED)

    @property
    def position(self) -> str:
        """Of the last entry."""
        return f"{self._lease.epoch}-{self._n}"

    @property
    def next_n(self) -> int:
        """Where the feed would go on under this lease."""
        return self._n + 1

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def add(self, entry: list[View]) -> None:
        self._n += 1
        self._waiting.append((self._n, entry))

    async def publish(self) -> None:
        """Append what waits, in order. Raises StaleOwnerError, UnavailableError; what waits then stays."""
        while self._waiting:
            n, events = self._waiting[0]
            await self._to.publish(self._organization_id, epoch=self._lease.epoch, n=n, events=events)
            if self._waiting and self._waiting[0][0] == n:
                self._waiting.popleft()
