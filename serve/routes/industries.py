"""The industries that templates are of."""

from fastapi import APIRouter

from serve.auth import Caller, GuardedRoute, permits
from serve.resource_schemas import Industry, IndustryList
from serve.services import Given

router = APIRouter(
    route_class=GuardedRoute, tags=["templates"], prefix="/v1/organizations/{organization_id}/industries"
)


@router.get("", dependencies=[permits("templates:read")])
async def list_industries(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
) -> IndustryList:
    """Every industry, in the order to show them in."""
    async with services.viewing(caller) as rows:
        return IndustryList(industries=[Industry.model_validate(row) for row in await rows.all("industries")])
