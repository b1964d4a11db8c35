"""The limit of requests per second that an organization has, on every answer of the REST API.

Fields as in draft-ietf-httpapi-ratelimit-headers-07: `RateLimit-Limit`, `-Remaining`, and `-Reset` in seconds.
"""

import math

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from actors.api_limits import Verdict
from serve.errors import RateLimitedError
from serve.identity import Identity
from serve.problems import problem_response
from serve.services import services_of

_ORGANIZATIONS = "/v1/organizations/"


class OrganizationRateLimit:
    """Answers 429 to what goes beyond the limit; it stands behind the gate, which knows whose request it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        identity = scope.get("state", {}).get("identity") if scope["type"] == "http" else None
        organization_id = _charged(identity, scope["path"]) if isinstance(identity, Identity) else None
        shares = services_of(Request(scope)).api_shares if organization_id is not None else None
        if organization_id is None or shares is None:
            await self._app(scope, receive, send)
            return
        verdict = await shares.take(organization_id)
        telling = _telling(send, verdict)
        if verdict.allowed:
            await self._app(scope, receive, telling)
            return
        refused = RateLimitedError(
            f"The organization may make {verdict.limit} requests per second.",
            retry_after_seconds=max(1, math.ceil(verdict.retry_after)),
        )
        await problem_response(refused)(scope, receive, telling)


def _charged(identity: Identity, path: str) -> str | None:
    """Whose limit a request counts against: the organization it names, if the caller has it, else the caller's own."""
    named = path.removeprefix(_ORGANIZATIONS).partition("/")[0] if path.startswith(_ORGANIZATIONS) else ""
    return named if named in identity.principals else next(iter(identity.principals), None)


def _telling(send: Send, verdict: Verdict) -> Send:
    fields = (
        (b"ratelimit-limit", str(verdict.limit).encode()),
        (b"ratelimit-remaining", str(verdict.remaining).encode()),
        (b"ratelimit-reset", str(math.ceil(verdict.full_after)).encode()),
    )

    async def send_with_limit(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *fields]}
        await send(message)

    return send_with_limit
