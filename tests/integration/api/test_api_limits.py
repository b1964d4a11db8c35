"""Limits of the REST API as clients meet them: 429, when to come back, and coming back."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import httpx
import pytest
from fastapi import FastAPI, Request

from actors.api_limits import ApiShares, Grant, Granting
from actors.domain.rate_limit import Rate
from actors.ports import UnavailableError
from serve.client_limits import LIMITS, ClientLimits, client_address
from serve.errors import RateLimitedError
from serve.services import Services
from storage.errors import StorageUnavailableError
from tests.integration.api.conftest import Tenant
from tests.integration.api.test_api_access import assert_problem

Client = httpx.AsyncClient


class Owner:
    """An owner's side next door, on a clock that moves when told."""

    def __init__(self) -> None:
        self.now = 0.0
        self.is_away = False
        self._granting = Granting()

    async def ask(self, organization_id: str, wanted: int) -> Grant:
        if self.is_away:
            raise UnavailableError("away")
        return self._granting.grant(organization_id, wanted=wanted, per_second=3, now=self.now)


@pytest.fixture
def owner(api: FastAPI, services: Services) -> Owner:
    owner = Owner()
    shares = ApiShares(owner.ask, replicas=1, monotonic=lambda: owner.now)
    api.state.services = replace(services, api_shares=shares)
    return owner


def statuses(answers: Sequence[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


async def test_an_organization_beyond_its_limit_is_told_when_to_come_back(
    client: Client, tenant: Tenant, stranger: Tenant, owner: Owner
) -> None:
    answers = [await client.get(f"{tenant.path}/calls/active", headers=tenant.credential) for _ in range(4)]
    assert statuses(answers) == [200, 200, 200, 429]
    assert_problem(answers[3], 429, "rate-limited")
    assert [int(answer.headers["ratelimit-remaining"]) for answer in answers] == [2, 1, 0, 0]
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {"3"}
    assert (answers[3].headers["retry-after"], answers[3].headers["ratelimit-reset"]) == ("1", "1")
    other = await client.get(f"{stranger.path}/calls/active", headers=stranger.credential)
    assert other.status_code == 200
    owner.now += 1
    assert (await client.get(f"{tenant.path}/calls/active", headers=tenant.credential)).status_code == 200


@pytest.mark.usefixtures("owner")
async def test_whatever_is_answered_carries_the_fields_and_counts(client: Client, tenant: Tenant) -> None:
    missing = await client.get(f"{tenant.path}/calls/unknown", headers=tenant.credential)
    assert (missing.status_code, missing.headers["ratelimit-remaining"]) == (404, "2")
    session = await client.get("/v1/session", headers=tenant.credential)
    assert (session.status_code, session.headers["ratelimit-remaining"]) == (200, "1")
    assert "ratelimit-limit" not in (await client.get("/healthz")).headers


async def test_without_the_owner_there_is_still_a_limit(client: Client, tenant: Tenant, owner: Owner) -> None:
    await client.get(f"{tenant.path}/calls/active", headers=tenant.credential)
    owner.is_away = True
    owner.now += 1
    answers = [await client.get(f"{tenant.path}/calls/active", headers=tenant.credential) for _ in range(4)]
    assert statuses(answers) == [200, 200, 200, 429]


async def test_who_fails_to_authenticate_too_often_is_told_to_wait(client: Client) -> None:
    burst = LIMITS["authentication"].burst
    answers: list[httpx.Response] = []
    while 429 not in statuses(answers):
        answers += await asyncio.gather(*(client.get("/v1/session") for _ in range(burst // 10)))
    assert set(statuses(answers)) == {401, 429}
    assert statuses(answers).count(401) >= burst
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1


async def test_a_valid_credential_is_served_whoever_fails_beside_it(client: Client, tenant: Tenant) -> None:
    await asyncio.gather(*(client.get("/v1/session") for _ in range(2 * LIMITS["authentication"].burst)))
    assert (await client.get("/v1/session", headers=tenant.credential)).status_code == 200


async def test_logins_are_limited_by_address(client: Client) -> None:
    answers: list[httpx.Response] = []
    while 429 not in statuses(answers):
        answers.append(await client.get("/login", params={"token": "x"}))
    assert statuses(answers)[:-1] == [401] * (len(answers) - 1)
    assert len(answers) > LIMITS["login"].burst


async def test_with_redis_away_each_replica_keeps_its_part() -> None:
    async def away(_address: str, _endpoint: str, _rate: Rate) -> float:
        raise StorageUnavailableError("away")

    limits = ClientLimits(away, trusted_proxies=0, replicas=4, monotonic=lambda: 0.0)
    for _ in range(LIMITS["login"].burst // 4):
        await limits.check(request_from("192.0.2.1"), "login")
    with pytest.raises(RateLimitedError):
        await limits.check(request_from("192.0.2.1"), "login")


def request_from(peer: str, *forwarded: str) -> Request:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return Request({"type": "http", "headers": headers, "client": (peer, 1)})


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, ["203.0.113.9"], "192.0.2.1"),
        (1, ["203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.7, 203.0.113.9"], "203.0.113.9"),
        (1, ["198.51.100.7", "203.0.113.9"], "203.0.113.9"),
        (2, ["198.51.100.7, 203.0.113.9, 10.0.0.1"], "203.0.113.9"),
        (2, ["203.0.113.9"], "192.0.2.1"),
        (1, [], "192.0.2.1"),
        (1, ["not an address"], "192.0.2.1"),
        (1, ["2001:db8:1:2:3:4:5:6"], "2001:db8:1:2::/64"),
        (1, ["[2001:db8:1:2::9]"], "2001:db8:1:2::/64"),
        (1, ["::ffff:203.0.113.9"], "203.0.113.9"),
    ],
)
def test_an_address_is_what_the_first_trusted_proxy_says(hops: int, forwarded: list[str], address: str) -> None:
    assert client_address(request_from("192.0.2.1", *forwarded), trusted_proxies=hops) == address
