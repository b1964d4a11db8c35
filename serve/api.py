"""The REST API as one application: the gate, the routes, the documents, the page."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.middleware import Middleware

from serve.api_limits import OrganizationRateLimit
from serve.auth import OPEN_PATHS, AuthenticationGate, GuardedRoute
from serve.body_limit import BodyLimit
from serve.browser_headers import SecurityHeaders
from serve.conditional import ConditionalReads
from serve.config import Settings
from serve.deployment import Deployment
from serve.lingering_close import LingeringClose
from serve.live.asyncapi import asyncapi_document
from serve.openapi import TAGS, openapi_document
from serve.problems import install_problem_handlers
from serve.routes import (
    alarms,
    api_keys,
    assistants,
    audit_log,
    billing,
    call_exports,
    calls,
    control,
    dashboard,
    deliveries,
    documents,
    figures,
    health,
    industries,
    integrations,
    invitations,
    link_sessions,
    live_tickets,
    login,
    members,
    notes,
    notifications,
    onboarding,
    organization_settings,
    organizations,
    outbound_calls,
    page,
    phone_numbers,
    plans,
    provider_wiring,
    reconciliations,
    recordings,
    session,
    slots,
    stats,
    tags,
    templates,
    usage,
    usage_entries,
    user,
    watching,
)
from serve.services import OpenServices, open_services

# Of the interface, as in its paths.
_VERSION: Final = "1"
_DESCRIPTION: Final = """\
Calls of voice assistants as they happen and as they were.

Every path needs `Authorization: Bearer <API key>` or the dashboard's session cookie, unless it says otherwise. What
belongs to another organization answers exactly as what does not exist. Faults are RFC 9457 problem documents.
"""


def create_api(settings: Settings, services: OpenServices | None = None) -> FastAPI:
    """The application; its lifespan opens the services and closes them, so any server may run it.

    Without `services` it stands on the servers of the settings. It starts, and answers 503, while they are away.
    """
    opening = services or partial(open_services, settings)
    deployment = Deployment.of(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with opening() as opened:
            app.state.services = opened
            yield

    app = FastAPI(
        title="Call supervisor",
        description=_DESCRIPTION,
        version=_VERSION,
        lifespan=lifespan,
        openapi_tags=list(TAGS),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        # A redirect would answer before the gate's rules and routes have spoken.
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        middleware=[
            Middleware(LingeringClose),
            Middleware(SecurityHeaders, live_origin=_origin(deployment.live_url)),
            Middleware(AuthenticationGate),
            Middleware(OrganizationRateLimit),
            Middleware(BodyLimit),
            Middleware(ConditionalReads),
        ],
    )
    app.state.deployment = deployment
    install_problem_handlers(app)
    # Recordings before calls: a call's id may hold anything, so its route takes every path that is left.
    for noun in (
        health,
        login,
        session,
        user,
        link_sessions,
        organizations,
        organization_settings,
        onboarding,
        dashboard,
        figures,
        stats,
        usage,
        usage_entries,
        billing,
        live_tickets,
        watching,
        slots,
        alarms,
        assistants,
        phone_numbers,
        templates,
        industries,
        plans,
        integrations,
        deliveries,
        notifications,
        audit_log,
        notes,
        tags,
        control,
        outbound_calls,
        reconciliations,
        provider_wiring,
        members,
        invitations,
        api_keys,
        recordings,
        call_exports,
        calls,
    ):
        _refuse_unguarded(noun.router)
        app.include_router(noun.router)
    documents.install(app, _document_of(app), partial(asyncapi_document, deployment.live_url))
    page.install(app, deployment)
    return app


def _refuse_unguarded(router: APIRouter) -> None:
    """Raise TypeError for a route that would answer whoever has any credential."""
    for route in router.routes:
        if not isinstance(route, GuardedRoute) and getattr(route, "path", None) not in OPEN_PATHS:
            raise TypeError(f"{route} must be a serve.auth.GuardedRoute: give its router that route_class")


def _document_of(app: FastAPI) -> Callable[[], dict[str, object]]:
    return partial(openapi_document, app)


def _operation_id(route: APIRoute) -> str:
    return route.name


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
