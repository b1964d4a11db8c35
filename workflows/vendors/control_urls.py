"""Addresses that VAPI takes commands for a call at: whoever holds one commands the call."""

from typing import Final
from urllib.parse import urlsplit

from actors.domain.json_types import JSON
from workflows.vendors.vapi_values import mapping

DOMAIN: Final = "vapi.ai"
"""Control addresses lie on hosts below this domain, over https."""

_LONGEST_URL: Final = 2_000


def control_url(call: dict[str, JSON]) -> str | None:
    """The control address of a call object, as webhooks and `POST /call` bring it, if it has one."""
    url = mapping(call.get("monitor")).get("controlUrl")
    return url if isinstance(url, str) and len(url) <= _LONGEST_URL else None


def may_control(url: str, *, trusted_origin: str | None = None) -> bool:
    """Whether commands may go there: https on a host of VAPI's, without credentials or another port.

    The URL came with a webhook: it must never lead into our own network. `trusted_origin` (`http://host:port`) is the
    local simulator's.
    """
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    if trusted_origin is not None and f"{parts.scheme}://{parts.netloc}" == trusted_origin:
        return True
    host = parts.hostname or ""
    is_plain = parts.scheme == "https" and port in {None, 443} and "@" not in parts.netloc
    return is_plain and host.endswith(f".{DOMAIN}") and not parts.fragment
