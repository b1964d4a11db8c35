"""What the doors answer when they do not do what was asked: one tree, one mapping to RFC 9457 problem documents.

ServeError
├── MalformedRequestError     400  the body or a parameter cannot be read
├── UnauthenticatedError      401  no credential, or none that is known
├── ForbiddenError            403  the credential does not reach that far
├── NotFoundError             404
├── MethodNotAllowedError     405
├── BodyTooSlowError          408  the body was not whole in time
├── ConflictError             409  the state of the thing forbids it
├── PreconditionFailedError   412  the thing is no longer what the caller read
├── BodyTooLargeError         413
├── InvalidParameterError     422  readable, but a value is out of its range
├── PreconditionRequiredError 428  the caller did not tell what it read
├── RateLimitedError          429
├── ProviderRefusedError      502  a provider answered, and refused
├── TemporarilyUnavailableError 503  a server behind us is away; the same request may succeed later
└── ProviderSilentError       504  a provider did not answer: whether it did what it was asked is not known
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

import orjson

from actors.ports import UnavailableError
from storage.errors import NotPermittedError

PROBLEM_CONTENT_TYPE = "application/problem+json"
_TYPE_PREFIX = "urn:call-supervisor:problem:"
_RETRY_AFTER_SECONDS = 1


class ServeError(Exception):
    """Root. `detail` is a sentence for the caller: it names the fault and never a secret."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    kind: ClassVar[str] = "internal"
    title: ClassVar[str] = "The request failed"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    def headers(self) -> dict[str, str]:
        """Header fields the status calls for."""
        return {}

    def members(self) -> dict[str, object]:
        """Further members of the problem document."""
        return {}


class MalformedRequestError(ServeError):
    status = HTTPStatus.BAD_REQUEST
    kind = "malformed-request"
    title = "The request cannot be read"


class UnauthenticatedError(ServeError):
    """The same bytes whatever was wrong: nobody learns which organizations exist."""

    status = HTTPStatus.UNAUTHORIZED
    kind = "unauthenticated"
    title = "A valid credential is required"

    def __init__(self, detail: str = "The credential is missing or is not known.") -> None:
        super().__init__(detail)

    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(ServeError):
    status = HTTPStatus.FORBIDDEN
    kind = "forbidden"
    title = "The credential does not permit this"


class NotFoundError(ServeError):
    status = HTTPStatus.NOT_FOUND
    kind = "not-found"
    title = "There is no such thing"


class MethodNotAllowedError(ServeError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    kind = "method-not-allowed"
    title = "The method is not served here"

    def __init__(self, allowed: str) -> None:
        super().__init__(f"Only {allowed} is served here.")
        self.allowed = allowed

    def headers(self) -> dict[str, str]:
        return {"Allow": self.allowed}


class BodyTooSlowError(ServeError):
    status = HTTPStatus.REQUEST_TIMEOUT
    kind = "body-too-slow"
    title = "The body did not arrive in time"

    def __init__(self, limit_seconds: float) -> None:
        super().__init__(f"A body has to arrive within {limit_seconds:g} seconds.")

    def headers(self) -> dict[str, str]:
        # The rest of the body is not read: the connection cannot be used again.
        return {"Connection": "close"}


class ConflictError(ServeError):
    status = HTTPStatus.CONFLICT
    kind = "conflict"
    title = "The present state forbids this"


class PreconditionFailedError(ServeError):
    status = HTTPStatus.PRECONDITION_FAILED
    kind = "precondition-failed"
    title = "It was changed meanwhile"


class PreconditionRequiredError(ServeError):
    status = HTTPStatus.PRECONDITION_REQUIRED
    kind = "precondition-required"
    title = "It must be told what the change starts from"


class BodyTooLargeError(ServeError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    kind = "body-too-large"
    title = "The body is too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"A body may hold {limit_bytes} bytes.")

    def headers(self) -> dict[str, str]:
        # The rest of the body is not read: the connection cannot be used again.
        return {"Connection": "close"}


class InvalidParameterError(ServeError):
    """`errors` lists each fault as {"at": …, "detail": …}."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    kind = "invalid-parameter"
    title = "A value is not permitted"

    def __init__(self, detail: str, errors: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(detail)
        self.errors = errors

    def members(self) -> dict[str, object]:
        return {"errors": [dict(each) for each in self.errors]} if self.errors else {}


class RateLimitedError(ServeError):
    status = HTTPStatus.TOO_MANY_REQUESTS
    kind = "rate-limited"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after_seconds)}


class ProviderRefusedError(ServeError):
    """`provider_message` is what the provider said, in its own words; None when it said nothing."""

    status = HTTPStatus.BAD_GATEWAY
    kind = "provider-refused"
    title = "The provider refused"

    def __init__(self, detail: str, *, provider_status: int | None, provider_message: str | None) -> None:
        super().__init__(detail)
        self.provider_status = provider_status
        self.provider_message = provider_message

    def members(self) -> dict[str, object]:
        return {"provider_status": self.provider_status, "provider_message": self.provider_message}


class TemporarilyUnavailableError(ServeError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    kind = "temporarily-unavailable"
    title = "A server behind this one is away"

    def __init__(self, detail: str = "Nothing was accepted. Try again shortly.") -> None:
        super().__init__(detail)

    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(_RETRY_AFTER_SECONDS)}


class ProviderSilentError(ServeError):
    status = HTTPStatus.GATEWAY_TIMEOUT
    kind = "provider-silent"
    title = "The provider did not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A problem document ready to send. `headers` holds the content type and what the status calls for."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def problem(error: Exception) -> Problem:
    """The document for any exception. What is not a ServeError tells the caller nothing of its cause."""
    told = _served(error)
    document: dict[str, object] = {
        "type": _TYPE_PREFIX + told.kind,
        "title": told.title,
        "status": int(told.status),
        "detail": told.detail,
        **told.members(),
    }
    return Problem(
        status=int(told.status),
        headers={"Content-Type": PROBLEM_CONTENT_TYPE, "Cache-Control": "no-store", **told.headers()},
        body=orjson.dumps(document),
    )


def _served(error: Exception) -> ServeError:
    if isinstance(error, ServeError):
        return error
    if isinstance(error, NotPermittedError):
        return ForbiddenError("The role does not permit this.")
    if isinstance(error, (UnavailableError, TimeoutError)):
        return TemporarilyUnavailableError()
    return ServeError("The fault is on this side and was recorded.")
