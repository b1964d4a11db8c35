"""GCRA, the generic cell rate algorithm: requests per second without windows, in one number.

Virtual scheduling as ITU-T I.371 and the ATM Forum's Traffic Management 4.0 (section 4.4.3) give it. With T = 1 / rate
the emission interval and τ = (burst - 1) · T the tolerance, `at` holds the theoretical arrival time of the next
request: one at `now` conforms if now ≥ at - τ, and then at := max(at, now) + T.
"""

from dataclasses import dataclass
from math import floor
from typing import Final, Self

_EPSILON: Final = 1e-6
"""Of one request: what sums of floating-point seconds may be off by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """So many requests per second, `burst` (≥ 1) of them at once."""

    per_second: float
    burst: int

    @property
    def interval(self) -> float:
        """Seconds between requests at the full rate (T)."""
        return 1 / self.per_second


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """The state of one limit: the theoretical arrival time, in seconds of whatever clock `now` is read from."""

    at: float = 0.0

    def available(self, rate: Rate, now: float) -> int:
        """How many requests conform at `now`."""
        return max(0, floor(rate.burst - self.full_after(rate, now) / rate.interval + _EPSILON))

    def take(self, rate: Rate, now: float, *, wanted: int = 1) -> tuple[int, Self]:
        """How many of the requests wanted conform, and the state once those were made. A clock set back harms nothing.

        The state is never further ahead than the burst, so that a wrong clock is forgotten within it.
        """
        granted = min(wanted, self.available(rate, now))
        return granted, type(self)(at=now + self.full_after(rate, now) + granted * rate.interval)

    def full_after(self, rate: Rate, now: float) -> float:
        """Seconds until the whole burst is there again, if nothing is asked meanwhile."""
        return min(max(0.0, self.at - now), rate.burst * rate.interval)

    def retry_after(self, rate: Rate, now: float) -> float:
        """Seconds until one request conforms; 0 when one does now."""
        early = self.full_after(rate, now) - (rate.burst - 1) * rate.interval
        return early if early > _EPSILON * rate.interval else 0.0
