"""Invitations by email: made and revoked by an organization's admins, accepted by the person of that address."""

from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response

from serve.auth import Caller, GuardedRoute, Known, permits, permits_anyone_known
from serve.changes import AskedInOwnRole, Made
from serve.deployment import Deployed
from serve.errors import ConflictError, ForbiddenError, NotFoundError
from serve.people_schemas import (
    Acceptance,
    Accepted,
    InvitationList,
    InvitationRequest,
    InvitationView,
    NewInvitation,
)
from serve.routes.members import require_reach
from serve.services import Given
from storage import cache_keys
from storage.members import InvitationUnderWayError, TenantMembers, accept_invitation
from storage.tenant_rows import TenantRows

router = APIRouter(route_class=GuardedRoute, tags=["members"])

_PLACE: Final = "/v1/organizations/{organization_id}/invitations"


@router.get(_PLACE, dependencies=[permits("members:write")])
async def list_invitations(organization_id: str, services: Given, caller: Caller) -> InvitationList:
    """Invitations that were neither accepted nor revoked, newest first."""
    async with services.reading(caller) as reads:
        rows = await TenantMembers(reads.connection, organization_id).invitations()
    now = services.now()
    return InvitationList(invitations=[InvitationView.of(row, now) for row in rows])


@router.post(_PLACE, status_code=201, dependencies=[permits("members:write")], response_model=NewInvitation)
async def invite(
    *,
    organization_id: str,
    asked: InvitationRequest,
    services: Given,
    deployed: Deployed,
    caller: Caller,
    change: AskedInOwnRole,
) -> Response:
    """Invite an address for 7 days, in place of an earlier invitation to it. Only an owner invites an owner."""
    require_reach(caller, asked.role)
    now = services.now()

    async def make(rows: TenantRows) -> Made:
        members = TenantMembers(rows.connection, organization_id)
        if await members.is_member(asked.email):
            raise ConflictError("The person of this address is a member.")
        try:
            made = await members.invite(email=asked.email, role=asked.role, invited_by=caller.subject, now=now)
        except InvitationUnderWayError as busy:
            raise ConflictError("Somebody else invites this address at this moment.") from busy
        url = deployed.invitation_url(made.token, made.row["expires_at"])
        return Made(shown=NewInvitation.of_new(made, now, url=url), status=HTTPStatus.CREATED, tagged=False)

    return await change.answer(make)


@router.delete(
    f"{_PLACE}/{{invitation_id}}", status_code=204, response_class=Response, dependencies=[permits("members:write")]
)
async def revoke_invitation(organization_id: str, invitation_id: UUID, services: Given, caller: Caller) -> None:
    """Revoke an open invitation."""
    async with services.writing(caller) as connection:
        if not await TenantMembers(connection, organization_id).revoke_invitation(invitation_id):
            raise NotFoundError("There is no such invitation.")


@router.post("/v1/invitations/accept", dependencies=[permits_anyone_known()])
async def accept(asked: Acceptance, services: Given, identity: Known) -> Accepted:
    """Become a member by an invitation's token: once, in time, and only the person it was sent to."""
    if identity.user_id is None or identity.email is None:
        raise ForbiddenError("Only a person with an address accepts: sign in with an access token.")
    organization_id = await accept_invitation(
        services.pool, user_id=identity.user_id, email=identity.email, token=asked.token
    )
    if organization_id is None:
        raise NotFoundError("There is no such invitation for you.")
    services.identification.forget(identity.user_id)
    # Their record may have been made by it.
    await services.cache.invalidate(cache_keys.user(identity.user_id))
    return Accepted(organization_id=organization_id)
