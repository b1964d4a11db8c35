"""An organization's settings and how its webhooks do."""

from fastapi import APIRouter

from serve.auth import Caller, GuardedRoute, permits
from serve.deployment import Deployed
from serve.errors import NotFoundError
from serve.local_day import local_day
from serve.organization_schemas import OrganizationDetail, OrganizationView, WebhookFigures
from serve.services import Given

router = APIRouter(route_class=GuardedRoute, tags=["organizations"], prefix="/v1/organizations/{organization_id}")


@router.get("", dependencies=[permits("organization:read")])
async def get_organization(
    organization_id: str, services: Given, caller: Caller, deployed: Deployed
) -> OrganizationDetail:
    """Settings without secrets, and today's webhooks: received, duplicates, waiting to be applied."""
    now = services.now()
    async with services.reading(caller) as reads:
        organization = await reads.organization()
        if organization is None:
            raise NotFoundError("There is nothing here.")
        day = local_day(now, organization["time_zone"])
        figures = await reads.webhook_figures(day.start)
    waiting_since = figures["oldest"]
    return OrganizationDetail(
        **OrganizationView.of(organization).model_dump(),
        webhook_url=f"{deployed.public_base_url}/webhooks/vapi/{organization_id}",
        webhooks=WebhookFigures(
            date=day.date,
            received=figures["received"],
            duplicates=figures["duplicates"],
            unapplied=figures["unapplied"],
            lag_seconds=max(0.0, (now - waiting_since).total_seconds()) if waiting_since is not None else 0.0,
        ),
    )
