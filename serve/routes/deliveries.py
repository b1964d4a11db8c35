"""What was sent to integrations, every attempt of it, and asking for it again."""

from datetime import timedelta
from http import HTTPStatus
from typing import Final
from uuid import UUID, uuid4

from fastapi import APIRouter, Response

from serve.about_call import Since, Until, dates_of
from serve.auth import Caller, GuardedRoute, permits
from serve.call_query import ShortText
from serve.changes import Asked, Made, found
from serve.integration_schemas import (
    DeliveryAttempt,
    DeliveryInList,
    DeliveryPage,
    DeliveryView,
    IntegrationHealth,
    IntegrationHealthList,
    ReplayPage,
    ReplayView,
)
from serve.list_cursor import LONGEST_PAGE, CursorText, Limit, read_page
from serve.resource_schemas import DeliveryStatus
from serve.services import Given
from storage.tenant_rows import TenantRows

router = APIRouter(route_class=GuardedRoute, tags=["integrations"], prefix="/v1/organizations/{organization_id}")

_READS: Final = permits("integrations:read")
_LEAST: Final = timedelta(microseconds=1)


@router.get("/integration-health", dependencies=[_READS])
async def list_integration_health(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
) -> IntegrationHealthList:
    """How the organization's integrations fare: failures in a row, and the circuit that keeps attempts back."""
    async with services.viewing(caller) as rows:
        told = await rows.all("integration_health_of_all", LONGEST_PAGE)
    return IntegrationHealthList(health=[IntegrationHealth.of(row) for row in told])


@router.get("/deliveries", dependencies=[_READS])
async def list_deliveries(
    *,
    organization_id: str,
    services: Given,
    caller: Caller,
    since: Since = None,
    until: Until = None,
    integration_id: UUID | None = None,
    status: DeliveryStatus | None = None,
    call_id: ShortText | None = None,
    cursor: CursorText = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """Deliveries of a date range of at most 93 days, or all about a call, newest first.

    Each comes with how its last attempt ended. A cursor belongs to the filters it was made with.
    """
    owner = (organization_id, "deliveries", since, until, integration_id, status, call_id)
    async with services.viewing(caller) as rows:
        dates = await dates_of(rows, call_id, since, until, now=services.now())
        await rows.plan_for_arguments()
        page, following = await read_page(
            rows,
            "deliveries_page",
            *dates,
            integration_id,
            status,
            call_id,
            cursor=cursor,
            limit=limit,
            owner=owner,
        )
    return DeliveryPage(deliveries=[DeliveryInList.model_validate(row) for row in page], next_cursor=following)


@router.get("/deliveries/{delivery_id}", dependencies=[_READS])
async def get_delivery(delivery_id: UUID, services: Given, caller: Caller) -> DeliveryView:
    """One delivery with its body and every attempt."""
    async with services.viewing(caller) as rows:
        row = found(await rows.one("delivery", delivery_id), "delivery")
        tried = await rows.all("attempts_of_delivery", delivery_id, row["created_at"])
    return DeliveryView.model_validate({**row, "tried": [DeliveryAttempt.model_validate(each) for each in tried]})


@router.post(
    "/deliveries/{delivery_id}/replay",
    dependencies=[permits("deliveries:replay")],
    status_code=HTTPStatus.ACCEPTED,
    response_model=ReplayView,
)
async def replay_delivery(delivery_id: UUID, change: Asked) -> Response:
    """Ask for a delivery to be sent again. Answers the request, `pending` until that is done."""
    replay_id = uuid4()

    async def make(rows: TenantRows) -> Made:
        row = found(await rows.one("delivery", delivery_id), "delivery")
        found(await rows.one("integration", row["integration_id"]), "integration")
        since = row["created_at"]
        await rows.one("replay_add", replay_id, row["integration_id"], delivery_id, since, since + _LEAST, None)
        await rows.audit("delivery-replayed", str(delivery_id), result="pending")
        replay = found(await rows.one("replay", replay_id), "replay")
        return Made(shown=ReplayView.model_validate(replay), status=HTTPStatus.ACCEPTED)

    return await change.answer(make)


@router.get("/delivery-replays", dependencies=[_READS])
async def list_replays(
    organization_id: str, services: Given, caller: Caller, cursor: CursorText = None, limit: Limit = 50
) -> ReplayPage:
    """Requests to send deliveries again, newest first."""
    owner = (organization_id, "delivery-replays")
    async with services.viewing(caller) as rows:
        page, following = await read_page(rows, "replays_page", cursor=cursor, limit=limit, owner=owner)
    return ReplayPage(replays=[ReplayView.model_validate(row) for row in page], next_cursor=following)
