"""What a page shows before the live feed takes over."""

import asyncio

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, permits
from serve.cached_reads import CachedReads, server_timing
from serve.organization_schemas import Dashboard
from serve.services import Given

router = APIRouter(route_class=GuardedRoute, tags=["dashboard"], prefix="/v1/organizations/{organization_id}/dashboard")


@router.get("", dependencies=[permits("calls:read")])
async def get_dashboard(
    organization_id: str,  # noqa: ARG001  # the gate has compared it with the caller's
    services: Given,
    caller: Caller,
    response: Response,
) -> Dashboard:
    """The organization, its figures of today, its 20 newest calls of the last 7 days and its assistants.

    Figures are as live as the feed's; calls are at most 10 s old, the rest 5 minutes unless it was changed here.
    `Server-Timing` tells for each part whether it came from the owner, from Redis or from Postgres.
    """
    reads = CachedReads(services, caller)
    organization = await reads.organization()
    figures, recent_calls, assistants = await asyncio.gather(
        reads.figures(organization), reads.recent_calls(), reads.assistants()
    )
    response.headers["Server-Timing"] = server_timing(reads.provenance)
    return Dashboard(
        organization=organization,
        figures=figures,
        recent_calls=list(recent_calls),
        assistants=list(assistants),
    )
