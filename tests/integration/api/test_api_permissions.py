"""What every route has in common: it asks for a permission, and asks before it reads."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from serve.auth import OPEN_PATHS, OPEN_PREFIXES, GuardedRoute, permits, permits_anyone_known
from serve.roles import LEAST_ROLE, Role, scopes_of
from storage.postgres import Pool
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member
from tests.integration.api.test_api_access import UNKNOWN, add_key, assert_problem, bearer

# What a caller may do whatever their organizations: learn who they are, manage their sessions, join.
ABOUT_ONESELF = {
    "/v1/session",
    "/v1/sessions",
    "/v1/sessions/{session_id}",
    "/v1/user",
    "/v1/invitations/accept",
    "/logout",
}


def routes_of(app: FastAPI) -> Iterator[APIRoute]:
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute):
            yield context.original_route


async def test_every_route_asks_for_a_scope_or_is_one_of_the_few_that_need_none(api: FastAPI) -> None:
    routes = list(routes_of(api))
    assert len(routes) > 15
    for route in routes:
        if route.path in OPEN_PATHS or route.path.startswith(OPEN_PREFIXES):
            continue
        assert isinstance(route, GuardedRoute), route.path
        if route.path in ABOUT_ONESELF:
            assert route.permission.scope is None
        else:
            assert route.permission.scope in LEAST_ROLE, route.path
            assert route.path.startswith("/v1/organizations/{organization_id}")


async def test_a_route_cannot_be_made_without_a_permission() -> None:
    router = APIRouter(route_class=GuardedRoute, prefix="/v1/organizations/{organization_id}/things")

    async def get_thing() -> None: ...

    with pytest.raises(LookupError, match="must ask for one permission"):
        router.get("")(get_thing)
    with pytest.raises(LookupError, match="must ask for one permission"):
        router.get("", dependencies=[permits("calls:read"), permits_anyone_known()])(get_thing)
    with pytest.raises(LookupError, match="must ask for one permission"):
        router.get("", dependencies=[Depends(get_thing)])(get_thing)
    with pytest.raises(ValueError, match="no role would have it"):
        permits("calls:reed")
    homeless = APIRouter(route_class=GuardedRoute)
    with pytest.raises(LookupError, match="names no organization"):
        homeless.get("/v1/things", dependencies=[permits("calls:read")])(get_thing)


@pytest.mark.parametrize("role", list(Role))
async def test_each_role_is_refused_exactly_what_the_table_does_not_give_it(  # noqa: PLR0917  # fixtures
    api: FastAPI, client: httpx.AsyncClient, pool: Pool, issuer: TokenIssuer, tenant: Tenant, role: Role
) -> None:
    await add_member(pool, issuer, tenant, "owner")
    for route in routes_of(api):
        if not isinstance(route, GuardedRoute) or route.permission.scope is None or route.path.endswith("/membership"):
            continue
        person = await add_member(pool, issuer, tenant, role)
        place = re.sub(r"\{\w+\}", UNKNOWN, route.path.replace("{organization_id}", tenant.organization_id))
        assert route.methods is not None
        (method,) = route.methods
        got = await client.request(method, place, headers=person.credential)
        if route.permission.scope in scopes_of(role):
            assert got.status_code != 403, (method, place, got.text)
        else:
            assert_problem(got, 403, "forbidden")


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"reason": 7}'], ids=["cut", "bytes", "type"])
async def test_who_may_not_learns_nothing_of_what_was_wrong_with_the_request(
    client: httpx.AsyncClient, pool: Pool, tenant: Tenant, stranger: Tenant, body: bytes
) -> None:
    narrow = bearer(await add_key(pool, tenant, "calls:read"))
    json = {"Content-Type": "application/json"}
    release = "/slots/some-call/release"
    own = await client.post(tenant.path + release, content=body, headers={**narrow, **json})
    assert_problem(own, 403, "forbidden")
    for headers in (narrow, tenant.credential):
        foreign = await client.post(stranger.path + release, content=body, headers={**headers, **json})
        assert_problem(foreign, 404, "not-found")
    nobodys = await client.post(tenant.path + release, content=body, headers=json)
    assert_problem(nobodys, 401, "unauthenticated")
