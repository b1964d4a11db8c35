"""What Postgres does with incidents: which are asked for, and which it refuses."""

from collections.abc import Mapping, Sequence

from actors.domain.alarms import Incident


def wanted_incidents(
    held: Mapping[str, Incident], *, closed_after: int, muted_after: int, named: Sequence[str]
) -> Sequence[Incident]:
    """As `journal_incidents`."""
    return [
        each
        for each in held.values()
        if each.closed_at is None
        or each.closed_at > closed_after
        or (each.muted_until or 0) > muted_after
        or each.incident_id in named
    ]


def opens_twice(held: Mapping[str, Incident], written: Sequence[Incident]) -> bool:
    """Whether the index over open incidents refuses the batch."""
    opened = [each.key for each in {**held, **{each.incident_id: each for each in written}}.values() if each.is_open]
    return len(opened) != len(set(opened))
