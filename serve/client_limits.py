"""Limits by client address, for what a stranger may ask: log in, open live sockets, try credentials."""

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final, TypeAlias

import structlog
from fastapi import Depends, Request

from actors.domain.rate_limit import Bucket, Rate
from serve.errors import RateLimitedError
from storage.errors import StorageUnavailableError

LIMITS: Final = {
    "login": Rate(per_second=2, burst=40),
    "live-tickets": Rate(per_second=100, burst=1_000),
    "authentication": Rate(per_second=20, burst=400),
}
"""By endpoint; `authentication` counts only what fails. Credentials are of 256 bits: these keep a flood of guesses from
Postgres, and let the thousand sockets of one office's proxy come back at once after a cut."""

_IPV6_PREFIX: Final = 64
_KEPT: Final = 10_000

TakeShared: TypeAlias = Callable[[str, str, Rate], Awaitable[float]]

log = structlog.get_logger(__name__)


class ClientLimits:
    """Counted for all replicas by Redis; while it is away each replica goes by its part, never without a limit."""

    def __init__(
        self,
        take_shared: TakeShared,
        *,
        trusted_proxies: int,
        replicas: int,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take_shared = take_shared
        self._trusted_proxies = trusted_proxies
        self._replicas = replicas
        self._monotonic = monotonic
        self._alone: OrderedDict[tuple[str, str], Bucket] = OrderedDict()
        self._is_alone = False

    async def check(self, request: Request, endpoint: str) -> None:
        """Count one request. Raises RateLimitedError when its address has had too many."""
        address = client_address(request, trusted_proxies=self._trusted_proxies)
        rate = LIMITS[endpoint]
        try:
            wait = await self._take_shared(address, endpoint, rate)
            self._is_alone = False
        except StorageUnavailableError as away:
            if not self._is_alone:
                log.warning("limits without redis", endpoint=endpoint, reason=str(away))
            self._is_alone = True
            wait = self._take_alone(address, endpoint, rate)
        if wait > 0:
            raise RateLimitedError("Too many requests from this address.", retry_after_seconds=math.ceil(wait))

    def _take_alone(self, address: str, endpoint: str, rate: Rate) -> float:
        part = replace(
            rate, per_second=rate.per_second / self._replicas, burst=max(1, math.floor(rate.burst / self._replicas))
        )
        key, now = (address, endpoint), self._monotonic()
        granted, bucket = self._alone.get(key, Bucket()).take(part, now)
        self._alone[key] = bucket
        self._alone.move_to_end(key)
        if len(self._alone) > _KEPT:
            self._alone.popitem(last=False)
        return 0.0 if granted else bucket.retry_after(part, now)


def limited(endpoint: str) -> Any:
    """A dependency for a route: count each request by its client's address."""

    async def count(request: Request) -> None:
        await limits_of(request).check(request, endpoint)

    return Depends(count)


def limits_of(request: Request) -> ClientLimits:
    """The limits of the application that serves this request."""
    limits = request.app.state.services.client_limits
    if not isinstance(limits, ClientLimits):
        raise TypeError("the services hold the limits")
    return limits


def client_address(request: Request, *, trusted_proxies: int) -> str:
    """Where a request comes from, an IPv6 address as its /64: one household or one server has that many.

    The proxies we trust each append to `X-Forwarded-For` whom they were asked by, so that the first of them wrote the
    entry `trusted_proxies` from the right; whatever stands further left, the client may have made up.
    """
    told = ",".join(request.headers.getlist("x-forwarded-for")).split(",") if trusted_proxies else []
    peer = request.client.host if request.client is not None else "unknown"
    text = told[-trusted_proxies].strip() if len(told) >= trusted_proxies > 0 else peer
    return _network(text) or _network(peer) or "unknown"


def _network(text: str) -> str | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ip_network((int(address), _IPV6_PREFIX), strict=False))
    return str(address)
