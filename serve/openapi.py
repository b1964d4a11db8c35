"""The OpenAPI document: what FastAPI derives, with credentials and problem documents as they really are."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from serve.auth import OPEN_PATHS, SESSION_COOKIE
from serve.errors import PROBLEM_CONTENT_TYPE
from serve.problems import MAX_BODY_BYTES

TAGS: Final[Sequence[dict[str, Any]]] = (
    {"name": "organizations", "description": "Settings, and how webhooks do today."},
    {"name": "onboarding", "description": "Setting an organization up at its vendors, step by step."},
    {"name": "calls", "description": "Calls going on, calls of a date range, one call with everything known of it."},
    {"name": "slots", "description": "What holds each concurrency slot, and releasing one."},
    {"name": "dashboard", "description": "What a page shows before the live feed takes over."},
    {"name": "figures", "description": "The figures of a day, open or closed, as the live board has them."},
    {"name": "usage", "description": "Billing periods: used, included, over, charged, projected; plans on offer."},
    {"name": "billing", "description": "The subscription, what happened to the account, where to pay."},
    {"name": "alarms", "description": "Incidents, what somebody does about them, and the rules that raise them."},
    {"name": "assistants", "description": "Who answers, with what configuration, made from a template or not."},
    {"name": "phone numbers", "description": "Numbers, and the assistant that answers each."},
    {"name": "templates", "description": "Assistants to begin from, by industry."},
    {"name": "integrations", "description": "Endpoints to be told at, what they were told, and telling it again."},
    {"name": "notifications", "description": "Text messages and emails to people, and what became of each."},
    {"name": "audit log", "description": "Who did what, why, and what came of it."},
    {"name": "live", "description": "Tickets for the websocket that brings every change as it happens."},
    {"name": "members", "description": "An organization's people, and invitations to it."},
    {"name": "API keys", "description": "Made, rotated and revoked; a secret is shown once."},
    {"name": "session", "description": "Who a credential speaks for; the dashboard's login; a person's sessions."},
    {"name": "health", "description": "For load balancers and operators. No credential needed."},
)

_PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457. `type` is stable and tells programs what happened; `detail` tells people.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "examples": ["urn:call-supervisor:problem:not-found"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Each value that is not permitted.",
            "items": {
                "type": "object",
                "required": ["at", "detail"],
                "properties": {"at": {"type": "string"}, "detail": {"type": "string"}},
            },
        },
    },
}

_WITH_CREDENTIAL: Final = {
    "401": "The credential is missing or not known.",
    "403": "The credential lacks the scope.",
    "404": "There is no such thing, or it belongs to another organization.",
}
_WITH_PARAMETERS: Final = {
    "400": "What was sent cannot be read: a body that is no JSON, a cursor of another list.",
    "422": "A value is not permitted; `errors` lists each.",
}
_ALWAYS: Final = {
    "429": "Too many requests; the next one is served after `Retry-After` seconds.",
    "500": "The fault is on this side and was recorded.",
    "503": "A server behind this one is away; try again after `Retry-After` seconds.",
}
_WHEN_CHANGING: Final = {
    "409": "The present state forbids this, or a request with the same Idempotency-Key is at work.",
    "412": "It was changed since the caller read it.",
}
_WITH_BODY: Final = {"413": f"The body holds more than {MAX_BODY_BYTES} bytes."}
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """The document of `app`, made once."""
    if app.openapi_schema is None:
        app.openapi_schema = _complete(
            get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
        )
    return app.openapi_schema


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    components["securitySchemes"] = {
        "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key: `sup_…`."},
        "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Of Supabase Auth."},
        "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
    }
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM_SCHEMA
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                _complete_operation(item[method], is_open=path in OPEN_PATHS, changes=method != "get")
    return document


def _complete_operation(operation: dict[str, Any], *, is_open: bool, changes: bool) -> None:
    answers = operation["responses"]
    has_parameters = answers.pop("422", None) is not None
    if not is_open:
        operation["security"] = [{"apiKey": []}, {"accessToken": []}, {"session": []}]
    faults = {
        **({} if is_open else _WITH_CREDENTIAL),
        **(_WITH_PARAMETERS if has_parameters else {}),
        **(_WHEN_CHANGING if changes else {}),
        **(_WITH_BODY if "requestBody" in operation else {}),
        **_ALWAYS,
    }
    for status, description in faults.items():
        answers.setdefault(status, problem(description))


def provider_problems() -> dict[int | str, dict[str, Any]]:
    """The answers of routes that ask a provider, beside those all have."""
    return {
        502: problem("VAPI refused, or could not be reached; `provider_message` is what it said."),
        504: problem("VAPI did not answer: whether it did what it was asked is not known."),
    }


def problem(description: str) -> dict[str, Any]:
    """An answer that is a problem document, for a route's own `responses`."""
    return {
        "description": description,
        "content": {PROBLEM_CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
