"""When an endpoint may be tried: a few attempts at once, a line for the others, and a circuit while it fails.

Pure: times are told. Whatever is decided here delays an attempt and never drops one.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

AT_ONCE: Final = 5
LONGEST_WAIT: Final = timedelta(minutes=15)
"""Nobody is sent away for longer, however long the line is."""
DISABLED_AFTER: Final = timedelta(days=5)

OPENS_AFTER: Final = 10
_FAILING_SHARE: Final = 0.7
_WINDOW: Final = timedelta(minutes=5)
_OPEN_FOR: Final = timedelta(seconds=30)
_OPEN_AT_MOST: Final = timedelta(minutes=5)
_THROTTLED_AT_MOST: Final = timedelta(hours=1)
_LEAST_GAP: Final = timedelta(milliseconds=20)
_PACE_WEIGHT: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """What is known of one endpoint; see `integration_health` in migrations/0034_endpoint_health.sql."""

    consecutive_failures: int = 0
    window_started_at: datetime | None = None
    window_attempts: int = 0
    window_failures: int = 0
    open_until: datetime | None = None
    opened: int = 0
    probing: bool = False
    line_until: datetime | None = None
    pace_ms: int = 0

    def admit(
        self, *, at: datetime, under_way: int, waited: bool, jitter: float
    ) -> tuple["EndpointHealth", datetime | None]:
        """Let one attempt through (None), or send it away until a moment of its own.

        `waited`: it was sent away before, so that nobody in line goes ahead of it. `jitter` in [0, 1) spreads those
        that would otherwise come back together.
        """
        if self.open_until is not None:
            if at < self.open_until:
                return self._in_line(at, jitter, earliest=self.open_until)
            # Half open: this one attempt decides, and everybody else waits for it.
            return replace(self, open_until=at + _OPEN_FOR, probing=True), None
        overtakes = not waited and self.line_until is not None and self.line_until > at
        if under_way >= AT_ONCE or overtakes:
            return self._in_line(at, jitter, earliest=at)
        return self, None

    def _in_line(self, at: datetime, jitter: float, *, earliest: datetime) -> tuple["EndpointHealth", datetime]:
        gap = max(_LEAST_GAP, timedelta(milliseconds=self.pace_ms) / AT_ONCE)
        turn = max(earliest, self.line_until or earliest) + gap
        last = at + LONGEST_WAIT
        if turn > last:
            return replace(self, line_until=last), last - LONGEST_WAIT / 2 * jitter
        return replace(self, line_until=turn), turn

    def succeeded(self, *, at: datetime, duration_ms: int) -> "EndpointHealth":
        """After an attempt that was taken: the circuit is closed, whoever comes next goes ahead."""
        counted = self._counted(at, duration_ms, failed=False)
        closed = replace(counted, consecutive_failures=0, open_until=None, opened=0, probing=False)
        if self.open_until is None:
            return closed
        # What was counted while it failed is no reason to open again.
        return replace(closed, window_started_at=None, window_attempts=0, window_failures=0, line_until=None)

    def failed(self, *, at: datetime, duration_ms: int, throttled: int | None) -> "EndpointHealth":
        """After any other attempt. `throttled`: seconds that the endpoint asked everybody to wait."""
        counted = self._counted(at, duration_ms, failed=True)
        counted = replace(counted, consecutive_failures=self.consecutive_failures + 1)
        # What was under way when it opened fails too, and says nothing new.
        if self.probing or (self.open_until is None and counted.is_broken):
            wait = min(_OPEN_FOR * 2 ** min(self.opened, 8), _OPEN_AT_MOST)
            counted = replace(counted, open_until=at + wait, opened=self.opened + 1, probing=False)
        if throttled:
            until = at + min(timedelta(seconds=throttled), _THROTTLED_AT_MOST)
            counted = replace(counted, open_until=max(until, counted.open_until or until))
        return counted

    @property
    def is_broken(self) -> bool:
        """Whether so much failed that the circuit has to open."""
        in_a_row = self.consecutive_failures >= OPENS_AFTER
        mostly = self.window_attempts >= OPENS_AFTER and self.window_failures >= _FAILING_SHARE * self.window_attempts
        return in_a_row or mostly

    def _counted(self, at: datetime, duration_ms: int, *, failed: bool) -> "EndpointHealth":
        fresh = self.window_started_at is None or at - self.window_started_at > _WINDOW
        attempts, failures = (0, 0) if fresh else (self.window_attempts, self.window_failures)
        first = self.window_attempts == 0 and self.pace_ms == 0
        pace = duration_ms if first else round(self.pace_ms + (duration_ms - self.pace_ms) * _PACE_WEIGHT)
        return replace(
            self,
            window_started_at=at if fresh else self.window_started_at,
            window_attempts=attempts + 1,
            window_failures=failures + failed,
            pace_ms=pace,
        )
