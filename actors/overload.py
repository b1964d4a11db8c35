"""Counts what full mailboxes refused, and tells the log once per burst."""

import structlog

log = structlog.get_logger(__name__)

QUIET_MS = 10_000
"""A burst is over when nothing was refused for so long."""


class Overload:
    """Of one shard. Times in ms."""

    def __init__(self, shard: str) -> None:
        self.total = 0
        self._shard = shard
        self._last_at: int | None = None

    def refused(self, organization_id: str, now: int) -> None:
        """Count an item that was not taken; `organization_id` is named in the log if it begins a burst."""
        if self._last_at is None or now - self._last_at > QUIET_MS:
            log.warning("mailbox full", shard=self._shard, organization_id=organization_id, refused_so_far=self.total)
        self._last_at = now
        self.total += 1
