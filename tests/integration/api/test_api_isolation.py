"""No operation shows, changes or admits to anything of another organization: every one of the document, generated.

A new route is covered by being there: its parameters and body are filled with every id another organization has.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI

from serve.auth import API_SCOPES, OPEN_PATHS
from serve.openapi import openapi_document
from serve.services import Services
from storage.api_keys import add_api_key, new_api_key
from storage.postgres import Pool, transaction
from storage.sessions import Holder
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import BASE_URL, Person, Tenant, add_member
from tests.integration.api.stored_calls import store_call, store_event
from tests.integration.api.test_api_access import bearer
from tests.integration.api.test_api_sessions import cookie
from tests.integration.tenant_rows import add_row

Headers = dict[str, str]

OF_EVERYBODY = {"template_id", "plan_id"}
"""What rows name of the catalogue is no organization's own."""

TABLES = """
    select distinct relname from pg_class
    join pg_attribute on attrelid = pg_class.oid and attname = 'organization_id' and not attisdropped
    where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
    order by relname
"""
UNAUTHENTICATED = {"none", "expired key", "expired token", "forged session"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    method: str
    path: str
    parameters: Sequence[dict[str, Any]]
    body: dict[str, Any] | None

    @property
    def items(self) -> list[str]:
        """The path's parameters beside the organization."""
        return [name for name in re.findall(r"\{(\w+)\}", self.path) if name != "organization_id"]

    @property
    def queries(self) -> list[str]:
        return [each["name"] for each in self.parameters if each["in"] == "query"]

    def place(self, organization_id: str, item: str) -> str:
        return re.sub(r"\{\w+\}", item, self.path.replace("{organization_id}", organization_id))


@dataclass(slots=True, kw_only=True)
class Stranger:
    """Another organization, with a row in every table. `ids` are all that can be named of it."""

    tenant: Tenant
    ids: list[str] = field(default_factory=list[str])
    cursor: str = ""


def operations(api: FastAPI) -> list[Operation]:
    document = openapi_document(api)
    found: list[Operation] = []
    for path, item in document["paths"].items():
        for method, told in item.items():
            if path not in OPEN_PATHS:
                body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
                found.append(
                    Operation(
                        method=method.upper(),
                        path=path,
                        parameters=told.get("parameters", ()),
                        body=_resolved(document, body) if body else None,
                    )
                )
    return found


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def filled(schema: dict[str, Any], foreign: str) -> dict[str, Any]:
    """A body in which every member names what is another's."""
    told: dict[str, Any] = {"organization_id": foreign}
    for name, member in schema.get("properties", {}).items():
        kind = member.get("type")
        if "enum" in member or "$ref" in member:
            told[name] = "viewer"
        else:
            told[name] = [foreign] if kind == "array" else 1 if kind == "integer" else foreign
    return told


def nobodys(identity: str) -> str:
    """The same text but for a letter: nobody's id, of the same form."""
    return identity[:-1] + ("0" if identity[-1] != "0" else "1")


@pytest.fixture
async def theirs(pool: Pool, client: httpx.AsyncClient, stranger: Tenant) -> Stranger:
    made = Stranger(tenant=stranger)
    for number in range(3):
        await store_call(
            pool,
            stranger.organization_id,
            f"theirs-{number}",
            customer_name="a name of theirs",
            created_at=datetime.now(UTC) - timedelta(minutes=number + 1),
        )
    await store_event(pool, stranger.organization_id, event_key="theirs", call_id="theirs-0")
    tables = [row["relname"] for row in await pool.fetch(TABLES)]
    ids = {stranger.organization_id, "theirs-0", base64.urlsafe_b64encode(b"theirs").decode()}
    for table in tables:
        async with pool.acquire() as connection:
            await add_row(connection, table, stranger.organization_id)
            query = f"select * from {table} where organization_id = $1"  # noqa: S608  # a name from the catalog
            rows = await connection.fetch(query, UUID(stranger.organization_id))
        for row in rows:
            told = {name: value for name, value in row.items() if name.endswith("id") and name not in OF_EVERYBODY}
            ids |= {str(value) for value in told.values() if isinstance(value, UUID | str)}
    made.ids = sorted(each for each in ids if len(each) > 3)
    page = await client.get(f"{stranger.path}/calls", params={"limit": 1}, headers=stranger.credential)
    made.cursor = page.json()["next_cursor"]
    return made


@pytest.fixture
async def credentials(pool: Pool, services: Services, issuer: TokenIssuer, tenant: Tenant) -> dict[str, Headers]:
    owner, viewer = await add_member(pool, issuer, tenant, "owner"), await add_member(pool, issuer, tenant, "viewer")
    link = Holder(subject="key:link", organization_id=tenant.organization_id, scopes=API_SCOPES)
    return {
        "key": tenant.credential,
        "owner elsewhere": owner.credential,
        "viewer elsewhere": viewer.credential,
        "session": cookie(await services.sessions.open(_holder(owner))),
        "link session": cookie(await services.sessions.open(link)),
        "nobody's member": bearer(issuer.token(sub=str(uuid4()))),
        "none": {},
        "expired key": bearer(await _expired_key(pool, tenant)),
        "expired token": bearer(issuer.token(sub=owner.user_id, iat=1, exp=2)),
        "forged session": cookie("x" * 43),
    }


def _holder(person: Person) -> Holder:
    return Holder(subject=f"user:{person.user_id}", user_id=person.user_id, email=person.email)


async def _expired_key(pool: Pool, tenant: Tenant) -> str:
    key = new_api_key()
    async with transaction(pool) as connection:
        await add_api_key(
            connection,
            key,
            organization_id=tenant.organization_id,
            name="expired",
            scopes=sorted(API_SCOPES),
            expires_at=datetime.now(UTC) - timedelta(seconds=1),
        )
    return key.text


async def everything_of(pool: Pool, organization_id: str) -> dict[str, list[str]]:
    """Every row of an organization, as text."""
    kept: dict[str, list[str]] = {}
    for row in await pool.fetch(TABLES):
        table = row["relname"]
        query = f"select t::text as row from {table} t where organization_id = $1 order by 1"  # noqa: S608  # likewise
        rows = await pool.fetch(query, UUID(organization_id))
        kept[table] = [each["row"] for each in rows]
    return kept


class Asker:
    """Sends requests and counts them; no answer may hold what belongs to `theirs`."""

    def __init__(self, api: FastAPI, theirs: Stranger) -> None:
        self._api = api
        self._theirs = theirs
        self._address = 0
        self.cases = 0

    async def alike(
        self, method: str, places: tuple[str, str], named: tuple[str, str], **request: Any
    ) -> httpx.Response:
        """Ask for what is another's and for what is nobody's: one answer, but for the name that was asked for."""
        self.cases += 1
        theirs, none = [await self.ask(method, place, **request) for place in places]
        assert theirs.status_code == none.status_code, (method, places, theirs.text, none.text)
        if theirs.is_error:
            assert theirs.text.replace(named[0], "") == none.text.replace(named[1], ""), (method, places)
            assert _without_length(theirs) == _without_length(none), (method, places)
        self.holds_nothing(theirs, named[0])
        return theirs

    async def ask(self, method: str, place: str, **request: Any) -> httpx.Response:
        # Each from an address of its own: else the limit on strangers would answer instead.
        self._address += 1
        transport = httpx.ASGITransport(
            app=self._api, raise_app_exceptions=False, client=(str(ip_address("10.0.0.0") + self._address), 1)
        )
        async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
            return await client.request(method, place, **request)

    def holds_nothing(self, answer: httpx.Response, named: str) -> None:
        told = answer.text.replace(named, "")
        shown = [each for each in (*self._theirs.ids, "a name of theirs") if each in told]
        assert not shown, (answer.request.method, answer.request.url, shown)


def _without_length(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name != "content-length"}


def _body(operation: Operation, foreign: str) -> dict[str, Any]:
    return {"json": filled(operation.body, foreign)} if operation.body is not None else {}


def _within(found: Sequence[Operation]) -> Iterator[Operation]:
    return (each for each in found if "{organization_id}" in each.path)


async def test_another_organization_in_the_path_is_as_none(
    api: FastAPI, pool: Pool, credentials: dict[str, Headers], theirs: Stranger
) -> None:
    found, asker = operations(api), Asker(api, theirs)
    before = await everything_of(pool, theirs.tenant.organization_id)
    mine, nobody = theirs.tenant.organization_id, nobodys(theirs.tenant.organization_id)
    for operation, (name, headers) in product(_within(found), credentials.items()):
        broken: dict[str, Any] = {"content": b"{", "headers": {"Content-Type": "application/json"}}
        for request in ({}, _body(operation, mine), broken):
            sent: dict[str, Any] = {**request, "headers": {**headers, **request.get("headers", {})}}
            for item in ("theirs-0", str(uuid4())) if operation.items else ("",):
                places = operation.place(mine, item), operation.place(nobody, item)
                got = await asker.alike(operation.method, places, (mine, nobody), **sent)
                assert got.status_code == (401 if name in UNAUTHENTICATED else 404), (operation, name, got.text)
    assert await everything_of(pool, theirs.tenant.organization_id) == before
    print(f"\n{asker.cases} cases: another organization in the path")  # noqa: T201  # the count is asked for
    assert asker.cases > 500


async def test_what_is_anothers_in_ones_own_path_query_and_body_is_as_nothing(
    api: FastAPI,
    pool: Pool,
    credentials: dict[str, Headers],
    theirs: Stranger,
    tenant: Tenant,
) -> None:
    found, asker = operations(api), Asker(api, theirs)
    before = await everything_of(pool, theirs.tenant.organization_id)
    own = tenant.organization_id
    for operation, name in product(found, ("key", "session")):
        # What ends the caller's own session or membership is asked for last.
        if operation.path in {"/logout", "/v1/sessions", "/v1/organizations/{organization_id}/membership"}:
            continue
        headers = credentials[name]
        for foreign in theirs.ids if operation.items else ():
            places = operation.place(own, foreign), operation.place(own, nobodys(foreign))
            request = {"headers": headers, **_body(operation, "x")}
            await asker.alike(operation.method, places, (foreign, nobodys(foreign)), **request)
        item = operation.place(own, "nothing")
        for query, foreign in product(operation.queries, (*theirs.ids[:8], theirs.cursor)):
            asker.cases += 1
            got = await asker.ask(operation.method, item, params={query: foreign}, headers=headers)
            assert got.status_code < 500 or got.status_code == 503, got.text
            asker.holds_nothing(got, foreign)
            assert query != "cursor" or got.status_code >= 400, (operation, got.text)
        for foreign in theirs.ids if operation.body is not None else ():
            asker.cases += 1
            got = await asker.ask(operation.method, item, headers=headers, **_body(operation, foreign))
            assert got.status_code < 500 or got.status_code == 503, got.text
            asker.holds_nothing(got, foreign)
    assert await everything_of(pool, theirs.tenant.organization_id) == before
    print(f"\n{asker.cases} cases: what is another's in one's own")  # noqa: T201  # the count is asked for
    assert asker.cases > 500


async def test_a_ticket_opens_only_the_feed_it_was_made_for(
    client: httpx.AsyncClient, services: Services, credentials: dict[str, Headers], theirs: Stranger
) -> None:
    foreign = f"{theirs.tenant.path}/live-tickets"
    for name, headers in credentials.items():
        client.cookies.clear()
        got = await client.post(foreign, headers=headers)
        assert got.status_code == (401 if name in UNAUTHENTICATED else 404)
    made = (await client.post(foreign, headers=theirs.tenant.credential)).json()
    standing = await services.tickets.redeem(made["ticket"])
    assert standing is not None
    assert standing.organization_id == theirs.tenant.organization_id
