"""The dashboard's login: a link becomes a cookie."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, RedirectResponse

from serve.auth import LOGIN_SCOPE, SESSION_SCOPES
from serve.client_limits import limited
from serve.deployment import Deployed
from serve.errors import UnauthenticatedError
from serve.openapi import problem
from serve.routes.page import STATIC
from serve.routes.session import set_session_cookie
from serve.services import Given, Services
from storage.sessions import Holder

router = APIRouter(tags=["session"])


@router.get(
    "/login",
    status_code=303,
    response_class=RedirectResponse,
    dependencies=[limited("login")],
    responses={401: problem("The link is not known, was used, or ran out. A browser gets a page that says so.")},
)
async def log_in(
    services: Given,
    deployed: Deployed,
    request: Request,
    token: Annotated[str, Query(description="From the login link.")] = "",
) -> Response:
    """Turn a login link into a session of 24 hours and show the dashboard. A link works once, except locally.

    It is the session of the person the link was made for, or of the organization's supervisors.
    """
    holder = await _holder(services, token, reusable=deployed.is_local)
    if holder is None:
        if "text/html" in request.headers.get("accept", ""):
            return FileResponse(STATIC / "login.html", status_code=401, headers={"Cache-Control": "no-store"})
        raise UnauthenticatedError
    answer = RedirectResponse("/", status_code=303)
    set_session_cookie(answer, await services.sessions.open(holder), deployed)
    return answer


async def _holder(services: Services, token: str, *, reusable: bool) -> Holder | None:
    """Whose session the link opens, which is used up with it unless `reusable`; None when it opens none."""
    principal = await services.api_keys.verify(token)
    if principal is None or LOGIN_SCOPE not in principal.scopes:
        return None
    if not reusable and not await services.api_keys.spend(principal):
        return None
    if principal.user_id is not None:
        return Holder(subject=f"user:{principal.user_id}", user_id=principal.user_id)
    return Holder(subject=principal.subject, organization_id=principal.organization_id, scopes=SESSION_SCOPES)
