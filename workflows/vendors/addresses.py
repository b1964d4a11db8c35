"""Where requests may go whose URL a customer wrote: public addresses alone, whatever a name resolves to."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias, cast

import httpcore
import httpx

from workflows.vendors.tls import tls_context

Address: TypeAlias = IPv4Address | IPv6Address
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[Address]]]
"""Every address of a host name, in the order to try them. Raises OSError."""

# Listed, for `is_global` differs between Python's releases and lets several of these through.
_DENIED: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by carriers; a cloud's metadata
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a cloud's host, for its guests alone
        "169.254.0.0/16",  # link-local; clouds' metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # relays to 6to4
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved; broadcast
        "::/96",  # unspecified, loopback, and IPv4 in the oldest of its disguises
        "64:ff9b::/96",  # IPv4 behind a translator
        "64:ff9b:1::/48",
        "100::/64",  # discarded
        "2001::/23",  # protocol assignments; Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
        "5f00::/16",  # segment routing
        "fc00::/7",  # private; a cloud's metadata
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could mean this address; IPv4 in IPv6 counts as what it maps to."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    told = mapped or address
    return not any(told.version == network.version and told in network for network in _DENIED)


async def resolve(host: str, port: int) -> Sequence[Address]:
    """What the system's resolver makes of a host: names, and numbers in each of their spellings. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(told[4][0]) for told in found]


class PublicNetwork(httpcore.AsyncNetworkBackend):
    """Connects to public addresses alone.

    A host is resolved once for each connection, which goes to the very address that was checked: a name that points
    elsewhere a moment later gains nothing. Unix sockets are not offered.
    """

    def __init__(self, *, resolve: Resolve = resolve, network: httpcore.AsyncNetworkBackend | None = None) -> None:
        self._resolve = resolve
        self._network = network or cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises httpcore.ConnectError, also when no address of the host is public, and httpcore.ConnectTimeout."""
        try:
            async with asyncio.timeout(timeout):
                return await self._connect(host, port, local_address, socket_options)
        except TimeoutError as slow:
            raise httpcore.ConnectTimeout(f"{host} did not answer in time") from slow

    async def _connect(
        self,
        host: str,
        port: int,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            addresses = await self._resolve(host, port)
        except (OSError, UnicodeError) as unknown:
            raise httpcore.ConnectError(f"{host} cannot be resolved") from unknown
        failed: httpcore.ConnectError | None = None
        for address in filter(is_public, addresses):
            try:
                return await self._network.connect_tcp(
                    str(address), port, local_address=local_address, socket_options=socket_options
                )
            except httpcore.ConnectError as refused:
                failed = refused
        raise failed or httpcore.ConnectError(f"{host} has no public address")

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)


class PublicTransport(httpx.AsyncHTTPTransport):
    """httpx by way of a `PublicNetwork`. The client it is given to must follow no redirect it has not looked at."""

    def __init__(self, limits: httpx.Limits, *, network: httpcore.AsyncNetworkBackend | None = None) -> None:
        super().__init__(verify=tls_context(), limits=limits, trust_env=False)
        # httpx offers no way to hand a network over.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=network or PublicNetwork(),
        )
