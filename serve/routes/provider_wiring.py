"""Whether an organization's assistants and numbers at VAPI still point at us, and putting that right."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Response

from actors.ports import UnavailableError
from serve.auth import Caller, GuardedRoute, permits
from serve.changes import Asked, Made, answer_of, found
from serve.errors import ConflictError, TemporarilyUnavailableError
from serve.list_cursor import LONGEST_PAGE, CursorText, Limit, read_page
from serve.services import Given
from serve.wiring_schemas import ProviderWiring, WiringCheck, WiringFinding
from storage.tenant_rows import TenantRows
from workflows.errors import ProviderUnavailableError
from workflows.wiring_desk import ABSENT

router = APIRouter(
    route_class=GuardedRoute, tags=["assistants"], prefix="/v1/organizations/{organization_id}/provider-wiring"
)

_READS: Final = permits("assistants:read")
_REPAIR_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 20.0


@router.get("", dependencies=[_READS])
async def get_provider_wiring(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    open_only: Annotated[bool, Query(alias="open", description="Only findings that are open.")] = False,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> ProviderWiring:
    """What the nightly look at VAPI found: server address, secret, backoff plan, messages and monitor of each record.

    While a finding is open an incident of the rule `provider-wiring-differs` is, too.
    """
    owner = (organization_id, "provider-wiring", open_only)
    async with services.viewing(caller) as rows:
        check = await rows.one("wiring_check")
        counted = found(await rows.one("wiring_open_count"), "organization")
        page, following = await read_page(
            rows, "wiring_findings_page", open_only, cursor=cursor, limit=limit, owner=owner
        )
    return ProviderWiring(
        check=WiringCheck.model_validate(check) if check is not None else None,
        open=counted["count"],
        findings=[WiringFinding.model_validate(row) for row in page],
        next_cursor=following,
    )


@router.post("/check", dependencies=[permits("assistants:write")])
async def check_provider_wiring(organization_id: str, services: Given, caller: Caller) -> ProviderWiring:
    """Look now instead of tonight, as after a key or a secret was changed; the findings that are open. Safe to repeat.

    Where VAPI does not answer within 20 s it is 503, and the look that failed stands in `check`.
    """
    try:
        async with asyncio.timeout(_LOOK_SECONDS):
            await services.provider.wiring.check(organization_id)
    except (ProviderUnavailableError, TimeoutError) as away:
        raise TemporarilyUnavailableError("VAPI does not answer. Try again shortly.") from away
    return await get_provider_wiring(
        organization_id=organization_id, services=services, caller=caller, open_only=True, limit=LONGEST_PAGE
    )


@router.get("/{finding_id}", dependencies=[_READS])
async def get_wiring_finding(finding_id: UUID, services: Given, caller: Caller) -> WiringFinding:
    """One finding."""
    async with services.viewing(caller) as rows:
        return await _shown(rows, finding_id)


@router.post(
    "/{finding_id}/repair",
    dependencies=[permits("assistants:write")],
    response_model=WiringFinding,
    responses={202: {"model": WiringFinding, "description": "VAPI does not answer: it is repaired once it does."}},
)
async def repair_wiring_finding(finding_id: UUID, change: Asked) -> Response:
    """Bring the record at VAPI back to how it must be, and read it back. What else it holds stays as it is.

    The wish is written down before VAPI is asked, so that it is carried out whatever happens meanwhile. Safe to repeat:
    a closed finding is answered as it is. What VAPI refuses stands in `repair_error`, and may be asked for again. The
    audit log has who asked, and what came of it.
    """

    async def make(rows: TenantRows) -> Made:
        finding = await _shown(rows, finding_id)
        if finding.closed_at is None:
            if ABSENT in finding.aspects:
                raise ConflictError("VAPI has no such record any more: give it another id, or remove it here.")
            if await rows.one("wiring_repair_ask", finding_id, change.services.now()) is not None:
                target = f"{finding.kind} {finding.provider_id}"
                await rows.audit("provider-wiring-repair-asked", str(finding_id), reason=target, result="pending")
        return Made(shown=finding)

    services, organization_id = change.services, change.caller.organization_id
    await change.answer(make)
    try:
        async with asyncio.timeout(_REPAIR_SECONDS):
            await services.provider.wiring.repair(organization_id, finding_id)
    except (ProviderUnavailableError, UnavailableError, TimeoutError):
        # It is written down: the workers go on with it.
        pass
    async with services.viewing(change.caller) as rows:
        finding = await _shown(rows, finding_id)
    waits = finding.closed_at is None and finding.repair_asked_at is not None
    return answer_of(Made(shown=finding, status=HTTPStatus.ACCEPTED if waits else HTTPStatus.OK))


async def _shown(rows: TenantRows, finding_id: UUID) -> WiringFinding:
    return WiringFinding.model_validate(found(await rows.one("wiring_finding", finding_id), "finding"))
