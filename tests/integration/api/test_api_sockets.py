"""The live hub with the credentials the API knows: who hears an organization, and that nobody else does."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError

from actors.organization_actor import BoardSnapshot
from serve.live.access import Access
from serve.live.hub import LiveHub
from serve.services import Services
from storage.display_names import DisplayNames
from storage.live_reader import FeedReader
from storage.postgres import Pool
from storage.redis import open_redis
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member, new_person
from tests.integration.api.test_api_access import add_key, bearer
from tests.integration.api.test_api_isolation import Headers, credentials
from tests.integration.live_owner import OPTIONS, Owner, frame

__all__ = ["credentials"]

Owners = Mapping[str, Owner]


@pytest_asyncio.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(redis_url) as opened:
        yield opened


@pytest_asyncio.fixture
async def owners(redis_client: Redis, tenant: Tenant, stranger: Tenant) -> Owners:
    made = {who.organization_id: Owner(redis_client, who.organization_id) for who in (tenant, stranger)}
    for owner in made.values():
        await owner.open()
        await owner.call(1)
    return made


@pytest_asyncio.fixture
async def hub(redis_client: Redis, services: Services, owners: Owners) -> AsyncIterator[LiveHub]:
    async def board(organization_id: str) -> BoardSnapshot | None:
        owner = owners.get(organization_id)
        return await owner.board(organization_id) if owner is not None else None

    hub = LiveHub(
        OPTIONS,
        feed=FeedReader(redis_client),
        boards=board,
        access=Access(services.tickets, services.identification),
        watch=lambda _: None,
        wallboard_secret=b"secret",
        presence=services.presence,
        names=DisplayNames(services.pool).of,
        changes=services.credential_changes,
    )
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


@pytest.fixture
def swiftly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What makes this quick is not what makes it happen: sockets are looked at every minute and after a change."""
    monkeypatch.setattr("serve.live.looks.HEARD_SECONDS", 0.05)
    for believed in ("serve.live.looks.BELIEVED_SECONDS", "storage.api_keys.CACHE_SECONDS"):
        monkeypatch.setattr(believed, 0.05)
    monkeypatch.setattr("serve.identity.MEMBERSHIP_SECONDS", 0.05)


def listen(hub: LiveHub, organization_id: str, headers: Headers, query: str = "") -> connect:
    url = f"ws://127.0.0.1:{hub.port}/live/{organization_id}{query}"
    return connect(url, additional_headers=headers, max_size=None, proxy=None)


async def refused(socket: ClientConnection) -> tuple[int, str]:
    """How it was closed, nothing having been said before."""
    async with asyncio.timeout(30):
        with pytest.raises(ConnectionClosedError) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


async def ticket(client: httpx.AsyncClient, who: Tenant, headers: Headers) -> str:
    client.cookies.clear()
    got = await client.post(f"{who.path}/live-tickets", headers=headers)
    assert got.status_code == 201, got.text
    return got.json()["ticket"]


@pytest.mark.parametrize("role", ["viewer", "owner"])
async def test_an_access_token_hears_its_organization_as_long_as_its_person_is_a_member(  # noqa: PLR0917  # fixtures
    hub: LiveHub,
    owners: Owners,
    pool: Pool,
    services: Services,
    issuer: TokenIssuer,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
) -> None:
    monkeypatch.setattr("serve.live.access.ADMISSION_SECONDS", 0.5)
    await add_member(pool, issuer, tenant, "owner")
    person = await add_member(pool, issuer, tenant, role)
    async with listen(hub, tenant.organization_id, person.credential) as socket:
        snapshot = await frame(socket, "snapshot")
        assert [call["call_id"] for call in snapshot["state"]["calls"]] == ["call-1"]
        await owners[tenant.organization_id].call(2)
        events = await frame(socket, "events")
        assert events["events"][0]["call"]["call_id"] == "call-2"
        await pool.execute("delete from organization_members where user_id = $1", UUID(person.user_id))
        services.identification.forget(person.user_id)
        async with asyncio.timeout(30):
            await socket.wait_closed()
        assert socket.close_code == 4503
    async with listen(hub, tenant.organization_id, person.credential) as socket:
        assert await refused(socket) == (4503, "not permitted")


async def test_who_watches_is_shown_by_the_name_the_organization_knows_and_to_it_alone(  # noqa: PLR0917  # fixtures
    hub: LiveHub, client: httpx.AsyncClient, pool: Pool, issuer: TokenIssuer, tenant: Tenant, stranger: Tenant
) -> None:
    named, unnamed = [await add_member(pool, issuer, tenant, role) for role in ("owner", "viewer")]
    await pool.execute("update users set name = 'Ada' where id = $1", UUID(named.user_id))
    wanted = {f"user:{named.user_id}": "Ada", f"user:{unnamed.user_id}": None}
    async with (
        listen(hub, stranger.organization_id, stranger.credential) as other,
        listen(hub, tenant.organization_id, {}, f"?ticket={await ticket(client, tenant, named.credential)}") as socket,
        listen(hub, tenant.organization_id, unnamed.credential),
        listen(hub, tenant.organization_id, tenant.credential),
    ):
        while len(shown := (await frame(socket, "presence"))["watching"]) != 3:
            pass
        names = {each["subject"]: each["name"] for each in shown}
        key = next(subject for subject in names if subject.startswith("key:"))
        assert names == {**wanted, key: "of the test"}
        foreign = (await frame(other, "presence"))["watching"]
        assert [(each["name"], each["subject"] in names) for each in foreign] == [("of the test", False)]
    assert await DisplayNames(pool).of(stranger.organization_id, names) == {}, "a name is its organization's"


async def test_which_call_somebody_has_open_is_told_by_them_and_to_their_organization(  # noqa: PLR0917  # fixtures
    hub: LiveHub,
    client: httpx.AsyncClient,
    pool: Pool,
    tenant: Tenant,
    stranger: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serve.live.presence.TELL_SECONDS", 0.25)

    async def until_open(socket: ClientConnection, calls: list[str]) -> None:
        async with asyncio.timeout(30):
            while [each["calls"] for each in (await frame(socket, "presence"))["watching"]] != [calls]:
                pass

    async with (
        listen(hub, tenant.organization_id, tenant.credential) as socket,
        listen(hub, stranger.organization_id, stranger.credential) as other,
    ):
        page = f"{tenant.path}/watching/page-one"
        for call_id in ("call-1", "some/call"):
            told = await client.put(page, json={"call_id": call_id}, headers=tenant.credential)
            assert (told.status_code, told.content) == (204, b"")
            await until_open(socket, [call_id])
        await until_open(other, [])
        assert (await client.delete(page, headers=stranger.credential)).status_code in {403, 404}
        narrow = bearer(await add_key(pool, tenant, "wallboard:read"))
        assert (await client.put(page, json={"call_id": "c"}, headers=narrow)).status_code == 403
        for body in ({}, {"call_id": ""}, {"call_id": "c" * 201}, {"call_id": "a\0b"}, {"call_id": "\ud800"}):
            refused = await client.put(page, content=json.dumps(body), headers=tenant.credential)
            assert refused.status_code in {400, 422}, body
        assert (await client.delete(page, headers=tenant.credential)).status_code == 204
        await until_open(socket, [])


async def test_no_credential_of_one_organization_hears_another(  # noqa: PLR0917  # fixtures
    hub: LiveHub,
    client: httpx.AsyncClient,
    pool: Pool,
    issuer: TokenIssuer,
    tenant: Tenant,
    stranger: Tenant,
    credentials: dict[str, Headers],
) -> None:
    """Every credential, as it is and as a ticket, against another organization, none, and one that cannot be."""
    kinds = {
        **credentials,
        "somebody's": new_person(issuer).credential,
        "key without the scope": bearer(await add_key(pool, tenant, "calls:read")),
    }
    elsewhere = (stranger.organization_id, str(uuid4()), "no-uuid")
    cases = 0
    for name, headers in kinds.items():
        for organization_id in elsewhere:
            async with listen(hub, organization_id, headers) as socket:
                assert await refused(socket) == (4503, "not permitted"), (name, organization_id)
            cases += 1
        listens = name in {"key", "owner elsewhere", "viewer elsewhere"}
        async with listen(hub, tenant.organization_id, headers) as socket:
            # A cookie is nothing here: a page asks for a ticket, which says where it was asked for.
            told = (await frame(socket))["type"] if listens else await refused(socket)
            assert told == ("snapshot" if listens else (4503, "not permitted")), name
    for name in ("key", "owner elsewhere", "viewer elsewhere", "session", "link session"):
        for organization_id in elsewhere:
            spent = f"?ticket={await ticket(client, tenant, credentials[name])}"
            # The ticket decides, whatever comes with it; and it is spent.
            for place, headers in ((organization_id, stranger.credential), (tenant.organization_id, {})):
                async with listen(hub, place, headers, spent) as socket:
                    assert await refused(socket) == (4503, "not permitted"), (name, place)
                cases += 1
        good = f"?ticket={await ticket(client, tenant, credentials[name])}"
        async with listen(hub, tenant.organization_id, {}, good) as socket:
            assert (await frame(socket))["type"] == "snapshot", name
    assert cases == 3 * (len(kinds) + 10)


async def test_a_tickets_socket_ends_when_what_it_was_issued_by_does(  # noqa: PLR0917  # fixtures
    hub: LiveHub,
    client: httpx.AsyncClient,
    pool: Pool,
    services: Services,
    issuer: TokenIssuer,
    tenant: Tenant,
    credentials: dict[str, Headers],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of every kind of credential: a session logged out, a link's ended by an admin, a key revoked, people put out."""
    monkeypatch.setattr("serve.live.access.ADMISSION_SECONDS", 0.5)
    await add_member(pool, issuer, tenant, "owner")
    leaving, staying = (
        await add_member(pool, issuer, tenant, "viewer"),
        await add_member(pool, issuer, tenant, "viewer"),
    )
    spare = await add_key(pool, tenant, "live:read")
    narrowed = await add_key(pool, tenant, "live:read")
    token = issuer.token(sub=staying.user_id)
    opened = {
        "session": credentials["session"],
        "link session": credentials["link session"],
        "key": bearer(spare),
        "key narrowed": bearer(narrowed),
        "member put out": leaving.credential,
        "token that holds": bearer(token),
    }
    sockets = {
        name: await listen(hub, tenant.organization_id, {}, f"?ticket={await ticket(client, tenant, headers)}")
        for name, headers in opened.items()
    }
    for socket in sockets.values():
        await frame(socket, "snapshot")

    for name in ("session", "link session"):
        await services.sessions.end(credentials[name]["Cookie"].partition("=")[2])
    await pool.execute("update api_keys set revoked_at = now() where id = $1", spare[4:12])
    await pool.execute("update api_keys set scopes = '{calls:read}' where id = $1", narrowed[4:12])
    await pool.execute("delete from organization_members where user_id = $1", UUID(leaving.user_id))

    expected = dict.fromkeys(("session", "link session", "key"), 4001)
    expected |= dict.fromkeys(("key narrowed", "member put out"), 4503)
    for name, code in expected.items():
        async with asyncio.timeout(20):
            await sockets[name].wait_closed()
        assert sockets[name].close_code == code, name
    assert sockets["token that holds"].close_code is None
    for socket in sockets.values():
        await socket.close()


@pytest.mark.usefixtures("swiftly")
async def test_logging_out_closes_the_sessions_sockets_alone(
    hub: LiveHub, client: httpx.AsyncClient, pool: Pool, tenant: Tenant, credentials: dict[str, Headers]
) -> None:
    """A person's, whose organizations the membership tells, and a login link's: before the minute's look is due."""
    key = bearer(await add_key(pool, tenant, "live:read"))
    opened = {"session": credentials["session"], "link session": credentials["link session"], "key": key}
    sockets = {
        name: await listen(hub, tenant.organization_id, {}, f"?ticket={await ticket(client, tenant, headers)}")
        for name, headers in opened.items()
    }
    for socket in sockets.values():
        await frame(socket, "snapshot")
    for name in ("session", "link session"):
        client.cookies.clear()
        assert (await client.post("/logout", headers=credentials[name])).status_code == 204
        async with asyncio.timeout(20):
            await sockets[name].wait_closed()
        assert sockets[name].close_code == 4001, name
    # Looked at as they were, and what it came by holds.
    assert sockets["key"].close_code is None
    await sockets["key"].close()


@pytest.mark.usefixtures("swiftly")
async def test_deleting_an_organization_closes_its_sockets_alone(  # noqa: PLR0917  # fixtures
    hub: LiveHub,
    client: httpx.AsyncClient,
    pool: Pool,
    tenant: Tenant,
    stranger: Tenant,
    credentials: dict[str, Headers],
) -> None:
    """However it was deleted, by a look at Postgres: nobody tells the hub."""
    place = tenant.organization_id
    sockets = {
        "key": await listen(hub, place, tenant.credential),
        "owner": await listen(hub, place, credentials["owner elsewhere"]),
        "session": await listen(hub, place, {}, f"?ticket={await ticket(client, tenant, credentials['session'])}"),
        "link": await listen(hub, place, {}, f"?ticket={await ticket(client, tenant, credentials['link session'])}"),
    }
    async with listen(hub, stranger.organization_id, stranger.credential) as other:
        for socket in (*sockets.values(), other):
            await frame(socket, "snapshot")
        await pool.execute("update organizations set deleted_at = now() where id = $1", UUID(place))
        for name, socket in sockets.items():
            async with asyncio.timeout(20):
                await socket.wait_closed()
            assert socket.close_code == 4503, name
        assert other.close_code is None


async def test_a_tickets_socket_lasts_no_longer_than_the_token_that_asked_for_it(
    services: Services, tenant: Tenant, pool: Pool, issuer: TokenIssuer
) -> None:
    person = await add_member(pool, issuer, tenant, "viewer")
    identity = await services.identification.by_bearer(person.token)
    assert identity is not None
    standing = identity.standing(tenant.organization_id)
    assert await services.identification.present(standing) is not None
    assert await services.identification.present(replace(standing, expires_at=1)) is None
