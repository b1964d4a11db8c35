"""What an organization's live state is after a start: Postgres' rows define it, a snapshot only makes it quicker."""

from actors.domain.alarm_rules import Rule, effective_rules
from actors.domain.alarms import Alarms
from actors.domain.call import Call
from actors.domain.local_day import local_date
from actors.domain.organization import Organization, decide_all, recall
from actors.ports import Ports, UnavailableError, UnknownOrganizationError

ENDED_KEPT_MS = 3_600_000
"""How long a call that ended stays in memory."""


async def recovered_state(ports: Ports, organization_id: str) -> Organization:
    """The state, but for the month's use. Raises UnavailableError, UnknownOrganizationError."""
    now = ports.clock.now()
    profile = await ports.journal.profile(organization_id)
    if profile is None:
        raise UnknownOrganizationError(organization_id)
    last = await ports.journal.last_sequence(organization_id)
    held = await _held(ports, organization_id)
    if held is not None and held.apply_sequence <= last:
        calls = await _caught_up(ports, held)
    else:
        rows = await ports.journal.rows_of_open_calls(organization_id, ended_after=now - ENDED_KEPT_MS)
        calls = dict(recall(organization_id, rows))
    day = local_date(now, profile.time_zone)
    return Organization(
        organization_id=organization_id,
        name=profile.name,
        time_zone=profile.time_zone,
        today=await ports.journal.day(organization_id, day, profile.time_zone),
        policy=profile.policy,
        apply_sequence=last,
        calls=calls,
        alarms=await recovered_alarms(ports, organization_id, rules=profile.alarm_rules, watched_from=now),
    )


async def recovered_alarms(
    ports: Ports, organization_id: str, *, rules: tuple[Rule, ...], watched_from: int, held: Alarms | None = None
) -> Alarms:
    """The alarms as Postgres has them. Of `held`, breaches go on, and what became of its open incidents is told.

    Raises UnavailableError.
    """
    now = ports.clock.now()
    cooling = max((rule.cooldown_ms for rule in effective_rules(rules)), default=0)
    found = await ports.journal.incidents(
        organization_id,
        closed_after=now - cooling,
        muted_after=now,
        incident_ids=[incident.incident_id for incident in held.open] if held is not None else [],
    )
    # Of several of one key the open one stands, else the one that ended last.
    ordered = sorted(found, key=lambda each: (each.is_open, each.closed_at or 0))
    return Alarms(
        own_rules=rules,
        incidents={incident.key: incident for incident in ordered},
        pending=held.pending if held is not None else {},
        watched_from=watched_from,
    )


async def _held(ports: Ports, organization_id: str) -> Organization | None:
    try:
        snapshot = await ports.snapshots.load(organization_id)
    except UnavailableError:
        return None
    return snapshot.state if snapshot is not None else None


async def _caught_up(ports: Ports, held: Organization) -> dict[str, Call]:
    """The snapshot's calls with the rows above it; a call the snapshot lacks is folded from its complete history."""
    rows = await ports.journal.rows_after(held.organization_id, held.apply_sequence)
    absent = sorted({row.call_id for row in rows if row.call_id is not None} - held.calls.keys())
    whole = await ports.journal.rows_of_calls(held.organization_id, absent) if absent else ()
    known = [row for row in rows if row.call_id in held.calls]
    return {**decide_all(held, known).state.calls, **recall(held.organization_id, whole)}
