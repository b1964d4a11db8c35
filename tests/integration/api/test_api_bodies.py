"""How much a request may carry, and what is answered to more."""

from collections.abc import AsyncIterator

import httpx

from serve.problems import MAX_BODY_BYTES
from tests.integration.api.conftest import Tenant
from tests.integration.api.test_api_access import assert_problem

Client = httpx.AsyncClient

JSON = {"Content-Type": "application/json"}


def note_of(size: int) -> bytes:
    body = b'{"text":"x"'
    return body + b" " * (size - len(body) - 1) + b"}"


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Sent without a length."""
    for begin in range(0, len(body), 4_096):
        yield body[begin : begin + 4_096]


async def test_a_body_that_is_too_large_is_refused_with_a_problem_document(client: Client, tenant: Tenant) -> None:
    headers = {**tenant.credential, **JSON}
    place = f"{tenant.path}/assistants"
    for content in (note_of(MAX_BODY_BYTES + 1), in_pieces(note_of(MAX_BODY_BYTES + 1))):
        got = await client.post(place, content=content, headers=headers)
        assert_problem(got, 413, "body-too-large")
        assert str(MAX_BODY_BYTES) in got.json()["detail"]
        assert got.headers["connection"] == "close"
        assert "content-security-policy" in got.headers
    for content in (note_of(MAX_BODY_BYTES), in_pieces(note_of(MAX_BODY_BYTES))):
        assert_problem(await client.post(place, content=content, headers=headers), 422, "invalid-parameter")


async def test_a_body_of_nobody_is_not_looked_at(client: Client, tenant: Tenant) -> None:
    got = await client.post(f"{tenant.path}/assistants", content=note_of(MAX_BODY_BYTES + 1), headers=JSON)
    assert_problem(got, 401, "unauthenticated")


async def test_the_document_names_the_refusal_where_there_is_a_body(client: Client) -> None:
    document = (await client.get("/openapi.json")).json()
    for item in document["paths"].values():
        for operation in item.values():
            refusal = operation["responses"].get("413")
            assert (refusal is not None) == ("requestBody" in operation)
            assert refusal is None or "application/problem+json" in refusal["content"]
