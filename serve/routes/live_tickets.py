"""Tickets for the live hub."""

from dataclasses import replace
from datetime import timedelta

from fastapi import APIRouter

from serve.auth import Caller, GuardedRoute, Known, permits
from serve.client_limits import limited
from serve.deployment import Deployed
from serve.live.encoding import FULL_SCOPE, WALLBOARD_SCOPE, Encoding
from serve.schemas import LiveTicket
from serve.services import Given
from storage.tickets import TICKET_SECONDS

router = APIRouter(route_class=GuardedRoute, tags=["live"], prefix="/v1/organizations/{organization_id}/live-tickets")


@router.post("", status_code=201, dependencies=[permits(FULL_SCOPE, or_scope=WALLBOARD_SCOPE), limited("live-tickets")])
async def create_live_ticket(
    *, organization_id: str, services: Given, deployed: Deployed, identity: Known, caller: Caller
) -> LiveTicket:
    """A ticket that opens one websocket within 60 seconds, and where to open it.

    The socket stays open as long as the session, key or token that asked for the ticket permits it. With
    `live:read` it brings the whole board; with `wallboard:read` alone its figures and nothing of any caller.
    """
    standing = identity.standing(organization_id)
    if not Encoding.FULL.is_permitted(caller.scopes):
        standing = replace(standing, is_for_a_wallboard=True)
    expires_at = services.now() + timedelta(seconds=TICKET_SECONDS)
    ticket = await services.tickets.issue(standing)
    url = f"{deployed.live_url}/live/{organization_id}?ticket={ticket}"
    return LiveTicket(ticket=ticket, url=url, expires_at=expires_at)
