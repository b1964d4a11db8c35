"""Milliseconds since the epoch, as the domain counts, to and from Postgres' timestamps: exact both ways."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def moment(at: int) -> datetime:
    """The timestamp of `at`. Raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + at * _MILLISECOND


def told_moment(at: int | None) -> datetime | None:
    """The timestamp of a time somebody else told; None when they told none or nonsense no calendar has."""
    try:
        return None if at is None else moment(at)
    except OverflowError:
        return None


def milliseconds(at: datetime) -> int:
    """The whole milliseconds of a timestamp."""
    return (at - _EPOCH) // _MILLISECOND
