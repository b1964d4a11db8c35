"""What the doors of Stripe, Twilio and Resend have in common: a request, and what it is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

SECONDS: Final = 1.5
"""How long Postgres may take: within two the vendor is told to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorRequest:
    """A request as it came: header names are lower-case, `query` as in the address, `received_at` in ms."""

    headers: Mapping[bytes, bytes] = field(repr=False)
    query: str = field(repr=False)
    body: bytes = field(repr=False)
    received_at: int

    def header(self, name: bytes) -> str:
        """A header's value, empty when it is missing; bytes that are no text are replaced."""
        return self.headers.get(name, b"").decode("latin-1")


class VendorWebhook(Protocol):
    """One vendor's door."""

    content_type: str
    """Of its answers of success."""

    async def handle(self, request: VendorRequest) -> bytes:
        """Take one request; what it told is committed on return.

        Raises UnauthenticatedError, MalformedRequestError, UnavailableError.
        """
        ...
