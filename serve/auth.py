"""Who is asking, and may they: a gate before every route, then the organization, then the scope.

The gate is the outermost layer, so that without a credential nothing else can be learnt: not whether a path exists, nor
what its parameters should look like. Only the paths of OPEN_PATHS and below OPEN_PREFIXES pass without one. Behind it
every route is a GuardedRoute, which asks for its permission before it reads the request.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from actors.ports import UnavailableError
from serve.client_limits import limits_of
from serve.errors import ForbiddenError, NotFoundError, RateLimitedError, ServeError, UnauthenticatedError
from serve.identity import Identity
from serve.page_paths import CALL_PAGES, PAGE_PATHS
from serve.problems import problem_response
from serve.roles import LEAST_ROLE, Role, scopes_of
from serve.services import Services, services_of
from storage.principals import Principal

OPEN_PATHS: Final = PAGE_PATHS | {
    *("/healthz", "/readyz", "/login", "/sign-in", "/invitation", "/docs", "/openapi.json", "/asyncapi.json")
}
OPEN_PREFIXES: Final = ("/static/", "/docs/", CALL_PAGES)

SESSION_COOKIE: Final = "session"
LOGIN_SCOPE: Final = "session:create"
SESSION_SCOPES: Final = scopes_of(Role.SUPERVISOR)
"""Of a session that no user stands behind: whoever was given the organization's login link."""
API_SCOPES: Final = frozenset(LEAST_ROLE)

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_PAGES: Final = frozenset({"same-origin", "none"})


class AuthenticationGate:
    """Answers 401 to whatever carries no valid credential; passes the rest on with `request.state.identity` set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_PREFIXES):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        try:
            request.state.identity = await authenticate(request, services_of(request))
        except (ServeError, UnavailableError) as refused:
            await problem_response(await _counted(request, refused))(scope, receive, send)
            return
        await self._app(scope, receive, send)


async def _counted(request: Request, refused: Exception) -> Exception:
    """The refusal, or that its sender has been refused too often."""
    if isinstance(refused, UnauthenticatedError):
        try:
            await limits_of(request).check(request, "authentication")
        except RateLimitedError as too_many:
            return too_many
    return refused


async def authenticate(request: Request, services: Services) -> Identity:
    """Whom the request comes from, by its `Authorization`, else by its session cookie.

    Raises UnauthenticatedError, ForbiddenError for a change that another site's page asks for with our cookie, and
    UnavailableError when it cannot be told.
    """
    header = request.headers.get("authorization")
    if header is not None:
        scheme, _, credential = header.partition(" ")
        identity = await services.identification.by_bearer(credential.strip()) if scheme.lower() == "bearer" else None
    else:
        token = request.cookies.get(SESSION_COOKIE)
        identity = await services.identification.by_session(token) if token else None
        from_elsewhere = request.headers.get("sec-fetch-site", "none") not in _OWN_PAGES
        if identity is not None and from_elsewhere and request.method not in _SAFE_METHODS:
            raise ForbiddenError("A session changes nothing on behalf of another site's page.")
    if identity is None:
        raise UnauthenticatedError
    return identity


@dataclass(frozen=True, slots=True)
class Permission:
    """What a route asks of its caller: a scope in the path's organization, or, without one, to be known at all.

    `or_scope` does as well: what the route gives then is less, and the route's to decide.
    """

    scope: str | None
    or_scope: str | None = None

    async def __call__(self, request: Request) -> None:
        """Let the caller pass, known from here on as `Caller`. Raises NotFoundError and ForbiddenError.

        Another organization answers exactly as one that does not exist.
        """
        if self.scope is None:
            return
        organization_id = request.path_params["organization_id"]
        principal = await services_of(request).identification.within(current_identity(request), organization_id)
        if principal is None:
            raise NotFoundError("There is nothing here.")
        if principal.scopes.isdisjoint({self.scope, self.or_scope}):
            raise ForbiddenError(f"The credential lacks the scope {self.scope}.")
        request.state.principal = principal


def permits(scope: str, *, or_scope: str | None = None) -> Any:
    """A dependency for a route or router below `/v1/organizations/{organization_id}`: the caller has `scope` there.

    Or `or_scope`, if there is one.
    """
    for each in (scope, or_scope or scope):
        if each not in LEAST_ROLE:
            raise ValueError(f"{each} is not in serve.roles: no role would have it")
    return Depends(Permission(scope, or_scope))


def permits_anyone_known() -> Any:
    """A dependency for a route about the caller themselves, whatever their organizations."""
    return Depends(Permission(None))


class GuardedRoute(APIRoute):
    """A route that asks for its permission before it reads parameters or body. Without one it cannot be made."""

    @property
    def permission(self) -> Permission:
        """What this route, or its router, asks for. Raises LookupError when that is nothing, or two things."""
        asked = [each.dependency for each in self.dependencies if isinstance(each.dependency, Permission)]
        if len(asked) != 1:
            raise LookupError(f"{self.path} must ask for one permission: see serve.auth.permits")
        if asked[0].scope is not None and "{organization_id}" not in self.path:
            raise LookupError(f"{self.path} asks for a scope but names no organization")
        return asked[0]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        permission, handle = self.permission, super().get_route_handler()

        async def ask_first(request: Request) -> Response:
            await permission(request)
            return await handle(request)

        return ask_first


def current_identity(request: Request) -> Identity:
    """Whoever the gate let in."""
    return cast("Identity", request.state.identity)


def current_principal(request: Request) -> Principal:
    """The caller, as what they are in the path's organization."""
    return cast("Principal", request.state.principal)


Known = Annotated[Identity, Depends(current_identity)]
Caller = Annotated[Principal, Depends(current_principal)]
