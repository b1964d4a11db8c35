"""What a period's usage comes to: what is over, what it will be at the period's end, when a mark is passed."""

from typing import Final

from actors.domain.billing_period import Period

MARKS_PERCENT: Final = (80, 100)
"""Of the limit: where somebody is told."""
_DAY_MS: Final = 24 * 3_600_000


def overage(used: int, included: int) -> int:
    """What was used beyond what the plan includes."""
    return max(0, used - included)


def projected(used: int, period: Period, at: int) -> int | None:
    """What will have been used at the period's end if it goes on as it went: a line through zero at its start.

    used / (at - start) * (end - start), to the nearest whole; calls still to come are worth what passed ones were.
    None within the first day, which tells nothing of the others, and once the period is over.
    """
    elapsed = at - period.start
    if elapsed < _DAY_MS or at >= period.end:
        return None
    return (2 * used * (period.end - period.start) + elapsed) // (2 * elapsed)


def mark(limit: int, percent: int) -> int:
    """The least usage that reaches `percent` of `limit`, in its unit."""
    return -(-limit * percent // 100)


def expected_at(level: int, used: int, period: Period, at: int) -> int | None:
    """When `projected`'s line reaches `level` (ms): start + (at - start) * level / used.

    None where it is reached already, and where the line does not reach it within the period.
    """
    if used >= level or projected(used, period, at) is None or used == 0:
        return None
    reached = period.start - (-(at - period.start) * level // used)
    return reached if reached < period.end else None
