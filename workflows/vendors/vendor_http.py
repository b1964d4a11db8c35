"""The HTTP beneath the vendors' packages: pooled, bounded in time and size, and never asking twice.

The packages' own clients repeat POSTs, ignore timeouts, connect anew for each request or lose the answer's headers
(twilio, resend), or keep the deadline of 80 s (stripe). Each gets one of these plugged in instead.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from workflows.errors import AbsentError, AmbiguousError, ProviderError, ProviderUnavailableError, RefusedError
from workflows.vendors.tls import tls_context

_TIMEOUT: Final = httpx.Timeout(15, connect=5, pool=5)
_TOTAL_SECONDS: Final = 25.0
_MAX_BYTES: Final = 4_000_000
# An idle connection that the server gave up meanwhile makes an answer ambiguous for nothing: let it go before.
_LIMITS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=5)
_SAFE: Final = frozenset({"GET", "HEAD"})
_LATER: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY})
_LONGEST_WAIT: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer, whatever its status."""

    status: int
    headers: httpx.Headers
    content: bytes


class VendorHttp:
    """One vendor's connections. Closed by its owner."""

    def __init__(self) -> None:
        self._http = httpx.AsyncClient(
            verify=tls_context(), timeout=_TIMEOUT, limits=_LIMITS, follow_redirects=False, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Reply:
        """Ask once, within 25 s.

        Raises ProviderUnavailableError when nothing was sent, and for any failure of a request that changes nothing;
        AmbiguousError when it was sent; RefusedError for an address that is none.
        """
        try:
            request = self._http.build_request(method, url, headers=headers, params=params, content=content)
            async with asyncio.timeout(_TOTAL_SECONDS):
                response = await self._http.send(request, auth=auth, stream=True)
                try:
                    return Reply(
                        status=response.status_code, headers=response.headers, content=await _content(response)
                    )
                finally:
                    await response.aclose()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as wrong:
            raise RefusedError(type(wrong).__name__) from wrong
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as away:
            raise ProviderUnavailableError(type(away).__name__) from away
        except (httpx.HTTPError, httpx.StreamError, TimeoutError) as silent:
            unknown = ProviderUnavailableError if method.upper() in _SAFE else AmbiguousError
            raise unknown(type(silent).__name__) from silent


async def _content(response: httpx.Response) -> bytes:
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > _MAX_BYTES:
            raise httpx.ReadError("the answer is too large")
    return bytes(content)


def failure(
    status: int, headers: Mapping[str, str], *, code: str | None = None, changes_something: bool = True
) -> ProviderError:
    """The error that an answer of this status means. `code` is the vendor's own name for the reason."""
    told = f"status {status}" if code is None else f"status {status}, {code}"
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        return AbsentError(told)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        # Turned away at the door: never carried out.
        return ProviderUnavailableError(told, retry_after_seconds=retry_after(headers))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _LATER or status < HTTPStatus.BAD_REQUEST:
        unknown = AmbiguousError if changes_something else ProviderUnavailableError
        return unknown(told, retry_after_seconds=retry_after(headers))
    return RefusedError(told, code=code, status=status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds of `Retry-After`, at most a day; None when it is missing or makes no sense."""
    told = {name.lower(): value for name, value in headers.items()}.get("retry-after", "").strip()
    if not told:
        return None
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(told).astimezone(UTC) - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    # Also false for what is no number at all.
    return max(0.0, min(seconds, _LONGEST_WAIT)) if seconds == seconds else None  # noqa: PLR0124
