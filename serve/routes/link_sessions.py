"""Sessions that an organization's login links opened for nobody in particular: listed, ended one by one or all."""

from typing import Final

from fastapi import APIRouter, Response

from serve.auth import GuardedRoute, permits
from serve.changes import Asked, Made
from serve.errors import NotFoundError
from serve.people_schemas import OpenSession, OpenSessions
from serve.services import Given
from storage.sessions import owner_of_links
from storage.tenant_rows import TenantRows

router = APIRouter(
    route_class=GuardedRoute, tags=["session"], prefix="/v1/organizations/{organization_id}/link-sessions"
)

_WRITES: Final = permits("api-keys:write")


@router.get("", dependencies=[permits("api-keys:read")])
async def list_link_sessions(organization_id: str, services: Given) -> OpenSessions:
    """Open sessions of the organization's login links, newest first. People's own sessions are theirs alone."""
    sessions = await services.sessions.of(owner_of_links(organization_id))
    return OpenSessions(sessions=[OpenSession.of(each, is_current=False) for each in sessions])


@router.delete("", dependencies=[_WRITES], status_code=204, response_class=Response)
async def end_link_sessions(organization_id: str, services: Given, change: Asked) -> Response:
    """End every session of the organization's login links. The links themselves are API keys: revoke those too."""

    async def make(rows: TenantRows) -> Made:
        await rows.audit("link-sessions-ended", organization_id)
        await services.sessions.end_all(owner_of_links(organization_id))
        await services.credentials_changed(organization_id)
        return Made(shown=None)

    return await change.answer(make)


@router.delete("/{session_id}", dependencies=[_WRITES], status_code=204, response_class=Response)
async def end_link_session(organization_id: str, session_id: str, services: Given, change: Asked) -> Response:
    """End one session of the organization's login links."""

    async def make(rows: TenantRows) -> Made:
        await rows.audit("link-session-ended", session_id)
        if not await services.sessions.end_one(owner_of_links(organization_id), session_id):
            raise NotFoundError("There is no such session.")
        await services.credentials_changed(organization_id)
        return Made(shown=None)

    return await change.answer(make)
