"""A customer's URL leads to public addresses alone, however it is spelt and whatever its name resolves to."""

import asyncio
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

import httpcore
import httpx
import pytest

from workflows.vendors.addresses import Address, PublicNetwork, PublicTransport, is_public, resolve

DENIED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::169.254.169.254",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fdff::1",
    "fe80::1",
    "fe80::1%1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
PERMITTED = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "168.63.129.17",
    "169.253.255.255",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00:1450::1",
    "2003::1",
]
SPELLINGS = ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "0", "localhost", "[::1]"]


class Network(httpcore.AsyncNetworkBackend):
    """Notes where it is asked to connect to; nobody answers at `silent`."""

    def __init__(self, *, silent: Sequence[str] = ()) -> None:
        self.connected: list[tuple[str, int]] = []
        self._silent = silent

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        if host in self._silent:
            raise httpcore.ConnectError("nobody answers")
        return httpcore.AsyncMockStream([])


class Names:
    """A resolver whose every answer is the next of those given."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        return [ip_address(each) for each in self._answers.pop(0)]


@pytest.mark.parametrize("address", DENIED)
async def test_what_is_not_public_is_denied(address: str) -> None:
    assert not is_public(ip_address(address))
    network = Network()
    with pytest.raises(httpcore.ConnectError, match="no public address"):
        await PublicNetwork(resolve=Names([address]).resolve, network=network).connect_tcp("hooks.example.com", 443)
    assert network.connected == []


@pytest.mark.parametrize("address", PERMITTED)
def test_what_is_public_is_permitted(address: str) -> None:
    assert is_public(ip_address(address))


async def test_a_connection_goes_to_the_address_that_was_checked() -> None:
    network = Network()
    public = PublicNetwork(resolve=Names(["8.8.8.8"], ["127.0.0.1"]).resolve, network=network)
    await public.connect_tcp("rebinding.example.com", 443)
    with pytest.raises(httpcore.ConnectError):
        await public.connect_tcp("rebinding.example.com", 443)
    assert network.connected == [("8.8.8.8", 443)]


async def test_of_several_addresses_the_public_ones_are_tried_in_turn() -> None:
    network = Network(silent=["8.8.8.8"])
    names = Names(["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111"])
    await PublicNetwork(resolve=names.resolve, network=network).connect_tcp("hooks.example.com", 443)
    assert network.connected == [("8.8.8.8", 443), ("2606:4700::1111", 443)]


async def test_a_resolver_that_hangs_is_given_up() -> None:
    async def never(*_: object) -> Sequence[Address]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(httpcore.ConnectTimeout):
        await PublicNetwork(resolve=never, network=Network()).connect_tcp("hooks.example.com", 443, timeout=0.01)


@pytest.mark.parametrize("host", SPELLINGS)
async def test_no_spelling_of_this_host_is_connected_to(host: str) -> None:
    asked = asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        writer.close()

    server = await asyncio.start_server(accept, None, 0)
    port = server.sockets[0].getsockname()[1]
    async with httpx.AsyncClient(transport=PublicTransport(httpx.Limits()), trust_env=False) as client:
        for scheme in ("http", "https"):
            with pytest.raises(httpx.ConnectError):
                await client.get(f"{scheme}://{host}:{port}/")
    assert not asked.is_set()
    server.close()
    await server.wait_closed()


async def test_the_systems_resolver_reads_numbers_in_each_of_their_spellings() -> None:
    assert [str(address) for address in await resolve("0x7f000001", 443)] == ["127.0.0.1"]
