"""What a call is charged: whole seconds, and by the plan what they add to the period they fall into."""

from dataclasses import dataclass
from typing import Final

from actors.domain.usage import overage

LATEST_MS: Final = 35 * 24 * 3_600_000
"""So long ago the payment provider takes usage; a call that is told of later is charged when it is told of."""
_SECOND_MS: Final = 1_000
_MINUTE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A plan's: seconds that cost nothing in each period, and what a minute beyond them costs (micro-units)."""

    included_seconds: int = 0
    minute_price_micros: int = 0


def billable_seconds(duration_ms: int | None) -> int:
    """Talk time in begun seconds; none of a call that nobody answered."""
    return -(-max(0, duration_ms or 0) // _SECOND_MS)


def worth(seconds: int, terms: Terms) -> int:
    """What a period's seconds cost together, rounded once to the nearest micro-unit."""
    return (2 * overage(seconds, terms.included_seconds) * terms.minute_price_micros + _MINUTE_SECONDS) // (
        2 * _MINUTE_SECONDS
    )


def added_worth(before: int, seconds: int, terms: Terms) -> int:
    """What `seconds` add to a period that holds `before`, so that its entries sum up to `worth` of all its seconds."""
    return worth(before + seconds, terms) - worth(before, terms)


def charged_moment(ended_at: int | None, told_at: int) -> int:
    """When a call counts: where it ended, unless its provider's clock tells of a future or of too distant a past (ms).

    `told_at` is when we were told of the end, which stands in for it.
    """
    if ended_at is None or not told_at - LATEST_MS <= ended_at <= told_at:
        return told_at
    return ended_at
