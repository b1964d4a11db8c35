"""Who am I, and the sessions of people: opened with an access token, listed, ended one by one or all."""

from fastapi import APIRouter, Request, Response

from serve.auth import SESSION_COOKIE, GuardedRoute, Known, permits_anyone_known
from serve.client_limits import limited
from serve.deployment import Deployed, Deployment
from serve.errors import ForbiddenError, NotFoundError
from serve.identity import Identity
from serve.people import user_of
from serve.people_schemas import OpenSession, OpenSessions, PermittedOrganization, Person, SessionView
from serve.services import Given, Services
from storage.sessions import SESSION_SECONDS, Holder, owner_of_person

router = APIRouter(route_class=GuardedRoute, tags=["session"], dependencies=[permits_anyone_known()])


@router.get("/v1/session")
async def get_session(services: Given, identity: Known) -> SessionView:
    """Who the credential stands for, the organizations it speaks for, and what it permits in each."""
    permitted: list[PermittedOrganization] = []
    for principal in identity.principals.values():
        async with services.reading(principal) as reads:
            organization = await reads.organization()
        if organization is not None:
            permitted.append(PermittedOrganization.of(principal, organization))
    return SessionView.of(await _person(services, identity), sorted(permitted, key=lambda each: each.name))


@router.post("/v1/sessions", status_code=201, dependencies=[limited("login")])
async def open_session(
    request: Request, answer: Response, services: Given, deployed: Deployed, identity: Known
) -> OpenSession:
    """Turn a person's access token into a session of 24 hours, as a cookie that no script can read."""
    user_id = _person_of(identity)
    if "authorization" not in request.headers:
        raise ForbiddenError("A session opens no other session: send an access token.")
    holder = Holder(subject=identity.subject, user_id=user_id, email=identity.email)
    token = await services.sessions.open(holder)
    opened = await services.sessions.find(token)
    if opened is None:
        raise NotFoundError("The session was ended at once.")
    set_session_cookie(answer, token, deployed)
    return OpenSession.of(opened, is_current=True)


@router.get("/v1/sessions")
async def list_sessions(services: Given, identity: Known) -> OpenSessions:
    """The caller's own open sessions, newest first."""
    sessions = await services.sessions.of(owner_of_person(_person_of(identity)))
    return OpenSessions(
        sessions=[OpenSession.of(each, is_current=each.session_id == identity.session_id) for each in sessions]
    )


@router.delete("/v1/sessions", status_code=204, response_class=Response)
async def end_sessions(services: Given, identity: Known) -> None:
    """End every session of the caller, this one too."""
    await services.sessions.end_all(owner_of_person(_person_of(identity)))
    await services.credentials_changed(*identity.principals)


@router.delete("/v1/sessions/{session_id}", status_code=204, response_class=Response)
async def end_session(session_id: str, services: Given, identity: Known) -> None:
    """End one of the caller's own sessions."""
    if not await services.sessions.end_one(owner_of_person(_person_of(identity)), session_id):
        raise NotFoundError("There is no such session.")
    await services.credentials_changed(*identity.principals)


@router.post("/logout", status_code=204, response_class=Response)
async def log_out(request: Request, services: Given, deployed: Deployed) -> Response:
    """End the session of the cookie, if there is one. Its open sockets are closed within ten seconds."""
    token = request.cookies.get(SESSION_COOKIE)
    if token:
        ended = await services.identification.by_session(token)
        await services.sessions.end(token)
        if ended is not None:
            await services.credentials_changed(*ended.principals)
    answer = Response(status_code=204)
    answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict", secure=deployed.is_secure)
    return answer


def set_session_cookie(answer: Response, token: str, deployed: Deployment) -> None:
    """Give the browser a session: out of reach of scripts, and never sent on behalf of another site's page."""
    answer.set_cookie(
        SESSION_COOKIE, token, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=deployed.is_secure
    )


async def _person(services: Services, identity: Identity) -> Person | None:
    if identity.user_id is None:
        return None
    known = await user_of(services, identity.user_id)
    email = identity.email or (known.email if known is not None else None)
    return Person(user_id=identity.user_id, email=email, name=known.name if known is not None else None)


def _person_of(identity: Identity) -> str:
    if identity.user_id is None:
        raise ForbiddenError("Only a person has sessions: sign in with an access token.")
    return identity.user_id
