"""The plans there are to choose from."""

from fastapi import APIRouter

from serve.auth import Caller, GuardedRoute, permits
from serve.services import Given
from serve.usage_schemas import OfferedPlan, PlanList

router = APIRouter(route_class=GuardedRoute, tags=["usage"], prefix="/v1/organizations/{organization_id}/plans")


@router.get("", dependencies=[permits("usage:read")])
async def list_plans(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
) -> PlanList:
    """Every plan on offer, the cheapest first. The organization's own stands in its usage."""
    async with services.viewing(caller) as rows:
        return PlanList(plans=[OfferedPlan.of(row) for row in await rows.all("plans_offered")])
