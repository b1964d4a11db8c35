"""How a moment is written for others."""

from datetime import UTC, datetime
from functools import lru_cache


@lru_cache(16_384)
def iso(at: int | None) -> str | None:
    """ISO 8601 in UTC with milliseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
