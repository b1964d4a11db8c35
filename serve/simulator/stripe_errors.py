"""Stripe's errors in its own form."""

from typing import Final

from storage.simulated_vendors import Document

_TOO_MANY: Final = 429


def stripe_error(
    message: str, *, kind: str = "invalid_request_error", code: str | None = None, param: str | None = None
) -> Document:
    """The body of an error."""
    told = {"type": kind, "message": message, "code": code, "param": param}
    return {"error": {name: value for name, value in told.items() if value is not None}}


def stripe_fault(status: int) -> Document:
    """The body of a simulated fault."""
    return stripe_error("simulated fault", kind="api_error", code="rate_limit" if status == _TOO_MANY else None)


class StripeRefusedError(Exception):
    """What a request is refused with."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = stripe_error(message, code=code, param=param)


def missing(kind: str, name: str) -> StripeRefusedError:
    """There is no such thing."""
    return StripeRefusedError(f"No such {kind}: '{name}'", status=404, code="resource_missing", param="id")
