"""Incidents: what raised an alarm, and what somebody does about it."""

from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Header, Query, Response, status

from actors.domain.alarm_rules import DEFAULT_RULES
from actors.domain.commands import INCIDENT_ROWS, IncidentAction
from actors.ports import Delivery
from serve.alarm_schemas import AlarmRule, AlarmRules, IncidentPage, IncidentView, OwnAlarmRules
from serve.auth import Caller, GuardedRoute, permits
from serve.changes import versions_of
from serve.errors import ConflictError, NotFoundError, PreconditionFailedError, PreconditionRequiredError
from serve.incident_pages import IncidentCursor
from serve.openapi import problem
from serve.services import Given, Services
from storage.alarm_rules import OwnRules, RulesChangedError, read_alarm_rules, replace_alarm_rules
from storage.incident_acts import act_on_incident
from storage.principals import Principal
from storage.times import milliseconds

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
    response: Response,
) -> AlarmRules:
    """Every rule, those switched off too; `own` ones were set by the organization, the others are defaults.

    A change has to name their `ETag`.
    """
    async with services.reading(caller) as reads:
        own = await read_alarm_rules(reads.connection, caller.organization_id)
    return _rules(own, response)


@router.put(
    "/alarm-rules",
    dependencies=[_WRITES],
    status_code=status.HTTP_202_ACCEPTED,
    responses={428: problem("No `If-Match`: nothing tells what the change starts from.")},
)
async def put_alarm_rules(
    *,
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    rules: OwnAlarmRules,
    services: Given,
    caller: Caller,
    response: Response,
    if_match: Annotated[
        str | None,
        Header(
            max_length=1_000,
            description="The `ETag` of what was read: 412 if somebody has set others by now. `*` replaces whatever is"
            " there. Without it: 428.",
        ),
    ] = None,
) -> AlarmRules:
    """Replace the organization's own rules. One with a default's name replaces it; `enabled: false` switches it off.

    Set when answered, in force within seconds: an open incident that no rule watches any more recovers then.
    """
    if if_match is None:
        raise PreconditionRequiredError("Name the `ETag` of the rules that were read in `If-Match`.")
    try:
        replaced = await replace_alarm_rules(
            services.pool,
            organization_id=caller.organization_id,
            rules=[rule.rule() for rule in rules.rules],
            actor=caller.subject,
            at=milliseconds(services.now()),
            only_from=versions_of(if_match),
        )
    except RulesChangedError as changed:
        raise PreconditionFailedError("The rules were changed since. Read them again.") from changed
    if replaced is None:
        raise NotFoundError("There is nothing here.")
    if services.owners is not None:
        services.owners.offer(Delivery(organization_id=caller.organization_id, item=replaced.row))
    return _rules(replaced.own, response)


def _rules(own: OwnRules, response: Response) -> AlarmRules:
    response.headers["ETag"] = f'"{own.version}"'
    names = {rule.name for rule in own.rules}
    defaults = [AlarmRule.of(rule, own=False) for rule in DEFAULT_RULES if rule.name not in names]
    return AlarmRules(rules=[*(AlarmRule.of(rule, own=True) for rule in own.rules), *defaults])


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
    told = await act_on_incident(
        services.pool,
        organization_id=caller.organization_id,
        incident_id=str(incident_id),
        kind=kind,
        key=f"{kind}:{incident_id}:{key}",
        actor=caller.subject,
        at=milliseconds(services.now()),
    )
    if told is not None and services.owners is not None:
        services.owners.offer(Delivery(organization_id=caller.organization_id, item=told))
    return IncidentView.of(row)
