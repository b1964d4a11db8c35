"""What a period's usage comes to: what is over, and where its marks are."""

from typing import Final

MARKS_PERCENT: Final = (80, 100)
"""Of the limit: where somebody is told."""


def overage(used: int, included: int) -> int:
    """What was used beyond what the plan includes."""
    return max(0, used - included)


def mark(limit: int, percent: int) -> int:
    """The least usage that reaches `percent` of `limit`, in its unit."""
    return -(-limit * percent // 100)
