"""The dashboard's login: a link becomes a cookie."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from serve.auth import LOGIN_SCOPE, SESSION_SCOPES
from serve.client_limits import limited
from serve.deployment import Deployed
from serve.errors import UnauthenticatedError
from serve.openapi import problem
from serve.routes.session import set_session_cookie
from serve.services import Given
from storage.sessions import Holder

router = APIRouter(tags=["session"])


@router.get(
    "/login",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[limited("login")],
    responses={401: problem("The link is not known, was used, or ran out.")},
)
async def log_in(
    services: Given, deployed: Deployed, token: Annotated[str, Query(description="From the login link.")] = ""
) -> Response:
    """Turn a login link into a session of 24 hours and show the dashboard. A link works once, except locally.

    It is the session of the person the link was made for, or of the organization's supervisors.
    """
    principal = await services.api_keys.verify(token)
    if principal is None or LOGIN_SCOPE not in principal.scopes:
        raise UnauthenticatedError
    if not deployed.reusable_logins and not await services.api_keys.spend(principal):
        raise UnauthenticatedError
    if principal.user_id is not None:
        holder = Holder(subject=f"user:{principal.user_id}", user_id=principal.user_id)
    else:
        organization_id = principal.organization_id
        holder = Holder(subject=principal.subject, organization_id=organization_id, scopes=SESSION_SCOPES)
    answer = RedirectResponse("/", status_code=303)
    set_session_cookie(answer, await services.sessions.open(holder), deployed)
    return answer
