"""What customers' addresses are sent over real sockets: signed, once, to nowhere but the public internet."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from uuid import UUID

import httpcore
import pytest
import pytest_asyncio

from tests.fakes.webhook_receiver import WebhookReceiver, running_receiver
from workflows.delivery_signing import message_id, signed_headers
from workflows.errors import RefusedError
from workflows.vendors.addresses import Address, PublicNetwork
from workflows.vendors.webhook_sender import EXCERPT_BYTES, LONGEST_WAIT_SECONDS, WebhookSender

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
DELIVERY = UUID("0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0009")
CURRENT = f"whsec_{base64.b64encode(b'c' * 32).decode()}"
FORMER = f"whsec_{base64.b64encode(b'f' * 32).decode()}"

# Each is tried at a port of this machine that listens on every address of it.
LOCAL_SPELLINGS = [
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1",
    "017700000001", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "\u2460\u2461\u2466.0.0.1",
]  # fmt: skip
# Each is what a customer's name resolves to.
RESOLVED = [
    "10.0.0.1", "10.255.255.254", "100.64.0.1", "100.100.100.200", "127.0.0.1", "168.63.129.16", "169.254.169.254",
    "169.254.170.2", "172.16.0.1", "172.31.255.254", "192.0.0.192", "192.168.1.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "0.0.0.0", "::", "::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1", "2002:7f00:1::1", "2001:0:7f00:1::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    "5f00::1", "3fff::1",
]  # fmt: skip
REFUSED_URLS = [
    "http://hooks.example.com/", "HTTP://hooks.example.com/", "ftp://hooks.example.com/", "file:///etc/passwd",
    "gopher://hooks.example.com/", "ws://hooks.example.com/", "unix:///run/docker.sock", "//hooks.example.com/",
    "hooks.example.com", "https://user:word@hooks.example.com/", "https://user@hooks.example.com/", "https:///path",
    "https://", "https://[::1", "https://hooks.example.com:port/", "", "https://\ud800.example.com/",
]  # fmt: skip


class Network(httpcore.AsyncNetworkBackend):
    """Notes where it is asked to connect to, and refuses."""

    def __init__(self) -> None:
        self.connected: list[tuple[str, int]] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected.append((host, port))
        raise httpcore.ConnectError("nobody answers")


class Names:
    """A resolver whose every answer is the next of those given."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        return [ip_address(each) for each in self._answers.pop(0)]


@pytest_asyncio.fixture
async def receiver() -> AsyncIterator[WebhookReceiver]:
    async with running_receiver() as running:
        yield running


@pytest_asyncio.fixture
async def local() -> AsyncIterator[WebhookSender]:
    async with WebhookSender(insecure=True) as sender:
        yield sender


async def test_a_body_arrives_byte_for_byte_signed_by_both_secrets(
    local: WebhookSender, receiver: WebhookReceiver
) -> None:
    body = '{"name":"J\u00fcrgen"}'.encode()
    headers = signed_headers([CURRENT, FORMER], delivery_id=DELIVERY, timestamp=1_772_366_400, body=body)
    sent = await local.send(f"{receiver.base_url}/hook", body, headers, at=AT)
    assert (sent.status, sent.excerpt, sent.error) == (200, "ok", None)
    assert sent.succeeded
    [got] = receiver.received
    assert (got.path, got.body, got.headers["content-type"]) == ("/hook", body, "application/json")
    assert got.headers["webhook-id"] == message_id(DELIVERY) == f"msg_{DELIVERY.hex}"
    assert got.is_signed_by(CURRENT)
    assert got.is_signed_by(FORMER)
    assert not got.is_signed_by(f"whsec_{base64.b64encode(b'x' * 32).decode()}")


def test_a_secret_that_is_none_signs_nothing() -> None:
    with pytest.raises(RefusedError):
        signed_headers(["whsec_not base64"], delivery_id=DELIVERY, timestamp=0, body=b"")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(local: WebhookSender, receiver: WebhookReceiver, status: int) -> None:
    receiver.status = status
    receiver.headers = {"location": f"{receiver.base_url}/elsewhere"}
    sent = await local.send(f"{receiver.base_url}/hook", b"{}", {}, at=AT)
    assert sent.status == status
    assert not sent.succeeded
    assert [got.path for got in receiver.received] == ["/hook"]


async def test_cookies_are_neither_kept_nor_sent(local: WebhookSender, receiver: WebhookReceiver) -> None:
    receiver.headers = {"set-cookie": "session=1; Path=/"}
    for _ in range(2):
        await local.send(f"{receiver.base_url}/hook", b"{}", {}, at=AT)
    assert all("cookie" not in got.headers for got in receiver.received)


@pytest.mark.parametrize(
    "body", [b"x" * 1_000_000, b"\xff" * 100_000, b"\0" * 20_000, "\u20ac".encode() * 10_000], ids=len
)
async def test_of_an_answer_the_beginning_is_kept_as_text(
    local: WebhookSender, receiver: WebhookReceiver, body: bytes
) -> None:
    receiver.body = body
    sent = await local.send(f"{receiver.base_url}/hook", b"{}", {}, at=AT)
    assert sent.excerpt is not None
    assert EXCERPT_BYTES - 4 < len(sent.excerpt.encode()) <= EXCERPT_BYTES
    assert "\0" not in sent.excerpt


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Sun, 01 Mar 2026 12:01:30 GMT", 90),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0),
        ("99999999999999999999", LONGEST_WAIT_SECONDS),
        ("-5", None),
        ("soon", None),
        ("\u0661", None),
    ],
)
async def test_a_receiver_may_ask_for_time(
    local: WebhookSender, receiver: WebhookReceiver, asked: str, seconds: int | None
) -> None:
    receiver.status, receiver.headers = 429, {"retry-after": asked}
    sent = await local.send(f"{receiver.base_url}/hook", b"{}", {}, at=AT)
    assert (sent.status, sent.retry_after) == (429, seconds)


async def test_nobody_there_is_an_answer_too(local: WebhookSender) -> None:
    sent = await local.send("http://127.0.0.1:1/hook", b"{}", {}, at=AT)
    assert sent.status is None
    assert sent.error is not None
    assert sent.error.startswith("ConnectError")


@pytest.mark.parametrize("host", LOCAL_SPELLINGS)
async def test_no_spelling_of_this_machine_is_connected_to(host: str) -> None:
    reached = asyncio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        writer.close()

    async with await asyncio.start_server(accept, None, 0) as server, WebhookSender() as sender:
        port = server.sockets[0].getsockname()[1]
        for scheme in ("https", "http"):
            sent = await sender.send(f"{scheme}://{host}:{port}/hook", b"{}", {}, at=AT)
            assert sent.status is None
            assert sent.error
    assert not reached.is_set()


@pytest.mark.parametrize("address", RESOLVED)
async def test_no_name_leads_into_a_network_of_ours(address: str) -> None:
    network = Network()
    guarded = PublicNetwork(resolve=Names([address]).resolve, network=network)
    async with WebhookSender(network=guarded) as sender:
        sent = await sender.send("https://hooks.example.com/hook", b"{}", {}, at=AT)
    assert network.connected == []
    assert sent.error is not None
    assert "no public address" in sent.error


async def test_a_name_that_turns_gains_nothing() -> None:
    """DNS rebinding: what is connected to is what was checked, and each attempt checks anew."""
    network = Network()
    names = Names(["8.8.8.8"], ["169.254.169.254"], ["10.0.0.1", "8.8.4.4", "::1"])
    async with WebhookSender(network=PublicNetwork(resolve=names.resolve, network=network)) as sender:
        for _ in range(3):
            await sender.send("https://rebinding.example.com/hook", b"{}", {}, at=AT)
    assert network.connected == [("8.8.8.8", 443), ("8.8.4.4", 443)]


@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_what_is_no_https_address_is_not_posted_to(url: str) -> None:
    network = Network()
    guarded = PublicNetwork(resolve=Names(["8.8.8.8"]).resolve, network=network)
    async with WebhookSender(network=guarded) as sender:
        sent = await sender.send(url, b"{}", {}, at=AT)
    assert sent.status is None
    assert sent.error
    assert network.connected == []
