"""An answer before the body was read whole arrives whole, however much the client sends before it looks."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.e2e.product import Product

TOLD_BYTES = 6_000_000
PIECE = b" " * 100_000
SECONDS = 20


def until_it_holds(connection: socket.socket, held: bytes, ending: bytes) -> bytes:
    while ending not in held:
        piece = connection.recv(65_536)
        assert piece, held
        held += piece
    return held


@pytest.mark.parametrize("path", ["/webhooks/vapi/{}", "/v1/organizations/{}/assistants", "/webhooks/nobody"])
def test_the_answer_comes_at_once_and_the_connection_lasts_for_the_rest(product: Product, path: str) -> None:
    address = urlsplit(product.base_url)
    head = "\r\n".join(
        (
            f"POST {path.format(product.organization_id)} HTTP/1.1",
            f"Host: {address.netloc}",
            f"X-Vapi-Secret: {product.vapi_secret}",
            f"Authorization: Bearer {product.api_key}",
            "Content-Type: application/json",
            f"Content-Length: {TOLD_BYTES}",
            "",
            "",
        )
    )
    with socket.create_connection((address.hostname, address.port), timeout=SECONDS) as connection:
        connection.sendall(head.encode() + PIECE)
        answer = until_it_holds(connection, b"", b"}")
        assert (b" 404 " if path.endswith("nobody") else b" 413 ") in answer.partition(b"\r\n")[0]
        assert b"application/problem+json" in answer
        for _ in range(TOLD_BYTES // len(PIECE) - 1):
            connection.sendall(PIECE)
        until_it_holds(connection, answer, b"\r\n0\r\n\r\n")
