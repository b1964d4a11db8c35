"""Incidents: what raised an alarm, and what somebody does about it."""

from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, status

from actors.domain.alarm_rules import DEFAULT_RULES, rule_facts, rules_from
from actors.domain.commands import ALARM_RULES_CONFIGURED, INCIDENT_ROWS, IncidentAction
from serve.alarm_schemas import AlarmRule, AlarmRules, IncidentPage, IncidentView, OwnAlarmRules
from serve.auth import Caller, GuardedRoute, permits
from serve.errors import ConflictError, NotFoundError
from serve.incident_pages import IncidentCursor
from serve.services import Given, Services
from storage.principals import Principal
from workflows.activities.internal_rows import InternalRow

router = APIRouter(route_class=GuardedRoute, tags=["alarms"], prefix="/v1/organizations/{organization_id}")

_ROWS: Final = {action: kind for kind, action in INCIDENT_ROWS.items()}
_READS: Final = permits("alarms:read")
_WRITES: Final = permits("alarms:write")


@router.get("/incidents", dependencies=[_READS])
async def list_incidents(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    only_open: Annotated[
        bool | None, Query(alias="open", description="`true`: those open, `false`: those that ended.")
    ] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> IncidentPage:
    """Incidents, newest first. A cursor belongs to the filter it was made with."""
    before = IncidentCursor.decode(cursor, organization_id, only_open=only_open) if cursor is not None else None
    async with services.reading(caller) as reads:
        rows = await reads.incidents_before(
            opened_at=before.opened_at if before is not None else None,
            incident_id=before.incident_id if before is not None else None,
            only_open=only_open,
            limit=limit + 1,
        )
    page = rows[:limit]
    following = None
    if len(rows) > limit:
        last = IncidentCursor(opened_at=page[-1]["opened_at"], incident_id=page[-1]["incident_id"])
        following = last.encode(organization_id, only_open=only_open)
    return IncidentPage(incidents=[IncidentView.of(row) for row in page], next_cursor=following)


@router.post(
    "/incidents/{incident_id}/acknowledge", dependencies=[_WRITES], status_code=status.HTTP_202_ACCEPTED
)  # fmt: skip
async def acknowledge_incident(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    incident_id: UUID,
    services: Given,
    caller: Caller,
) -> IncidentView:
    """Say that somebody looks after it. Answers the incident as it was; the live feed tells when it is done."""
    return await _act(services, caller, incident_id, "acknowledge", key="once")


@router.post("/incidents/{incident_id}/resolve", dependencies=[_WRITES], status_code=status.HTTP_202_ACCEPTED)
async def resolve_incident(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    incident_id: UUID,
    services: Given,
    caller: Caller,
) -> IncidentView:
    """End it. Should the breach last, another opens once its rule has cooled."""
    return await _act(services, caller, incident_id, "resolve", key="once")


@router.post("/incidents/{incident_id}/mute", dependencies=[_WRITES], status_code=status.HTTP_202_ACCEPTED)
async def mute_incident(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    incident_id: UUID,
    services: Given,
    caller: Caller,
) -> IncidentView:
    """Silence it, and the next of the same rule and call, for 15 minutes from now. It stays open and visible."""
    return await _act(services, caller, incident_id, "mute", key=str(uuid4()))


@router.get("/alarm-rules", dependencies=[_READS])
async def get_alarm_rules(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
) -> AlarmRules:
    """Every rule, those switched off too; `own` ones were set by the organization, the others are defaults."""
    async with services.reading(caller) as reads:
        held = await reads.alarm_rules()
    return _rules([AlarmRule.of(rule, own=True) for rule in rules_from(held)])


@router.put("/alarm-rules", dependencies=[_WRITES], status_code=status.HTTP_202_ACCEPTED)
async def put_alarm_rules(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    rules: OwnAlarmRules,
    services: Given,
    caller: Caller,
) -> AlarmRules:
    """Replace the organization's own rules. One with a default's name replaces it; `enabled: false` switches it off.

    Taken when answered, in force within seconds: an open incident that no rule watches any more recovers then.
    """
    told = [rule.rule() for rule in rules.rules]
    await services.rows.accept(
        InternalRow(
            organization_id=caller.organization_id,
            call_id=None,
            type=ALARM_RULES_CONFIGURED,
            key=f"{ALARM_RULES_CONFIGURED}:{uuid4()}",
            facts={"rules": [rule_facts(rule) for rule in told], "by": caller.subject},
        )
    )
    return _rules([AlarmRule.of(rule, own=True) for rule in told])


def _rules(own: list[AlarmRule]) -> AlarmRules:
    names = {rule.name for rule in own}
    defaults = [AlarmRule.of(rule, own=False) for rule in DEFAULT_RULES if rule.name not in names]
    return AlarmRules(rules=[*own, *defaults])


async def _act(
    services: Services, caller: Principal, incident_id: UUID, action: IncidentAction, *, key: str
) -> IncidentView:
    async with services.reading(caller) as reads:
        row = await reads.incident(incident_id)
    if row is None:
        raise NotFoundError("There is no such incident.")
    if row["closed_at"] is not None:
        raise ConflictError("The incident has ended.")
    kind = _ROWS[action]
    await services.rows.accept(
        InternalRow(
            organization_id=caller.organization_id,
            call_id=None,
            type=kind,
            key=f"{kind}:{incident_id}:{key}",
            facts={"incident_id": str(incident_id), "by": caller.subject},
        )
    )
    return IncidentView.of(row)
