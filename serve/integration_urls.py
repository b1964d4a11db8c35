"""Where a customer may want events to be posted to. What counts is checked again at each connection."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from serve.errors import InvalidParameterError
from workflows.vendors.addresses import is_public, resolve

_RESOLVE_SECONDS: Final = 3.0
_PORTS: Final = {"https": 443, "http": 80}


async def require_endpoint(url: str, *, insecure: bool) -> None:
    """Raise InvalidParameterError unless `url` is https to a public address; `insecure` permits http to anywhere."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _refused("It is no URL.") from None
    if not host or parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("It needs a host, and may hold neither credentials nor a fragment.")
    if insecure:
        return
    if parts.scheme != "https":
        raise _refused("Only https is posted to.")
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            addresses = await resolve(host, port or _PORTS[parts.scheme])
    except (OSError, UnicodeError, ValueError):  # a timeout is an OSError
        raise _refused("Its host cannot be resolved.") from None
    if not addresses or not all(is_public(address) for address in addresses):
        raise _refused("Its host is not on the public internet.")


def _refused(detail: str) -> InvalidParameterError:
    return InvalidParameterError("The URL is not permitted.", [{"at": "body.url", "detail": detail}])
