"""Posts signed bodies to the addresses customers gave: once, to public addresses alone, following nothing."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Final, Self

import httpcore
import httpx

from workflows.errors import RefusedError
from workflows.vendors.addresses import PublicTransport
from workflows.vendors.tls import tls_context

EXCERPT_BYTES: Final = 16_384
ATTEMPT_SECONDS: Final = 15.0
LONGEST_WAIT_SECONDS: Final = 86_400

_TIMEOUT: Final = httpx.Timeout(ATTEMPT_SECONDS, connect=5)
# No connection is kept: an address is checked for each request, and one that the other side has just closed fails none.
_LIMITS: Final = httpx.Limits(max_connections=200, max_keepalive_connections=0)
_HEADERS: Final = {
    "content-type": "application/json",
    "accept-encoding": "identity",
    "user-agent": "call-supervisor-webhooks/1",
}
_ERROR_LENGTH: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one request: an answer with the beginning of its body, or the reason that there is none.

    `retry_after`: seconds that the receiver asked us to wait.
    """

    status: int | None = None
    excerpt: str | None = None
    error: str | None = None
    retry_after: int | None = None
    duration_ms: int = 0

    @property
    def succeeded(self) -> bool:
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing any more."""
        return self.status == HTTPStatus.GONE


class WebhookSender:
    """One per process, used as an async context manager. No redirect is followed, no cookie kept, no proxy asked.

    `insecure` is for a stack on one machine: it permits http, and addresses that are not public.
    """

    def __init__(
        self,
        *,
        insecure: bool = False,
        network: httpcore.AsyncNetworkBackend | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._schemes = ("https", "http") if insecure else ("https",)
        self._monotonic = monotonic
        local = httpx.AsyncHTTPTransport(verify=tls_context(), limits=_LIMITS) if insecure else None
        self._http = httpx.AsyncClient(
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            transport=local or PublicTransport(_LIMITS, network=network),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str], *, at: datetime) -> Sent:
        """Post once, within ATTEMPT_SECONDS. Raises nothing: every failure is an answer. `at` is now."""
        began = self._monotonic()
        try:
            target = self._permitted(url)
            async with (
                asyncio.timeout(ATTEMPT_SECONDS),
                self._http.stream("POST", target, content=body, headers={**_HEADERS, **headers}) as response,
            ):
                excerpt = await _beginning(response)
                status, asked = response.status_code, response.headers.get("retry-after")
        except RefusedError as refused:
            return Sent(error=str(refused))
        except (TimeoutError, httpx.TimeoutException):
            return Sent(error="no answer in time", duration_ms=self._since(began))
        except (httpx.HTTPError, ssl.SSLError, OSError, UnicodeError) as failed:
            return Sent(error=_words(failed), duration_ms=self._since(began))
        return Sent(status=status, excerpt=excerpt, retry_after=_retry_after(asked, at), duration_ms=self._since(began))

    def _permitted(self, url: str) -> httpx.URL:
        try:
            target = httpx.URL(url)
        except (httpx.InvalidURL, UnicodeError):
            raise RefusedError("the address is no URL") from None
        if target.scheme not in self._schemes:
            raise RefusedError("only https is posted to")
        if not target.host or target.userinfo:
            raise RefusedError("the address needs a host, and may hold no credentials")
        return target

    def _since(self, began: float) -> int:
        return max(0, round((self._monotonic() - began) * 1000))


async def _beginning(response: httpx.Response) -> str:
    """As much of the body as is kept; the rest is not read, whatever its length."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= EXCERPT_BYTES:
            break
    # Postgres' text holds no NUL, and a byte that is no text grows when it is replaced.
    text = bytes(body[:EXCERPT_BYTES]).decode(errors="replace").replace("\0", "\ufffd")
    return text.encode()[:EXCERPT_BYTES].decode(errors="ignore")


def _words(failed: Exception) -> str:
    told = str(failed).replace("\0", "\ufffd")
    return f"{type(failed).__name__}: {told}"[:_ERROR_LENGTH] if told else type(failed).__name__


def _retry_after(asked: str | None, at: datetime) -> int | None:
    """Seconds by a number or a date; None when it tells neither."""
    if asked is None:
        return None
    text = asked.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:9]), LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(0, round((until - at).total_seconds())), LONGEST_WAIT_SECONDS)
