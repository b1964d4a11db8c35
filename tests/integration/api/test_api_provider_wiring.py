"""What differs at VAPI is shown, and repaired by one request that is written down before VAPI is asked."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest_asyncio

from serve.api import create_api
from serve.config import Settings
from serve.services import Services
from storage.postgres import Pool, transaction
from storage.provider_keys import put_provider_key
from storage.provisioning import put_webhook_secret
from tests.fakes.vapi_account_server import KEY, VapiAccountServer, running_vapi_account
from tests.integration.api.conftest import BASE_URL, Tenant, add_tenant
from tests.integration.api.test_api_access import add_key, assert_problem, bearer
from workflows.vendors.vapi_wiring import Wiring

SECRET = "webhook-secret-of-the-test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """An API, and an organization with a number at VAPI that points elsewhere; it was looked at."""

    client: httpx.AsyncClient
    vapi: VapiAccountServer
    services: Services
    pool: Pool
    tenant: Tenant
    wiring: Wiring

    @property
    def path(self) -> str:
        return f"{self.tenant.path}/provider-wiring"

    async def shown(self, **query: str) -> dict[str, Any]:
        answer = await self.client.get(self.path, params=query, headers=self.tenant.credential)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def finding(self) -> str:
        return (await self.shown())["findings"][0]["id"]

    async def repair(self, finding_id: str, **headers: str) -> httpx.Response:
        path = f"{self.path}/{finding_id}/repair"
        return await self.client.post(path, headers={**self.tenant.credential, **headers})

    async def audited(self) -> list[tuple[str, str, str]]:
        rows = await self.pool.fetch("select actor, action, result from audit_log order by id")
        return [(row["actor"].split(":")[0], row["action"], row["result"]) for row in rows]


@pytest_asyncio.fixture
async def office(settings: Settings, pool: Pool, tenant: Tenant) -> AsyncIterator[Office]:
    async with running_vapi_account() as vapi:
        app = create_api(settings.model_copy(update={"vapi_base_url": vapi.base_url}))
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=BASE_URL) as client:
                services: Services = app.state.services
                organization_id = tenant.organization_id
                async with transaction(pool) as connection:
                    await put_provider_key(
                        connection, services.sealer, organization_id=organization_id, provider="vapi", key=KEY
                    )
                    await put_webhook_secret(
                        connection,
                        secret_id=uuid4(),
                        organization_id=organization_id,
                        provider="vapi",
                        sealed=services.sealer.seal(organization_id, SECRET.encode()),
                    )
                    await connection.execute(
                        "insert into phone_numbers (id, organization_id, number, provider_phone_number_id)"
                        " values ($1, $2, '+15550000001', 'p-1')",
                        uuid4(),
                        UUID(organization_id),
                    )
                vapi.records["phone-number"]["p-1"] = {"id": "p-1", "server": {"url": "https://elsewhere.example"}}
                await services.provider.wiring.check(organization_id)
                url = f"{settings.public_base_url}/webhooks/vapi/{organization_id}"
                wiring = Wiring(url=url, secret=SECRET)
                yield Office(client=client, vapi=vapi, services=services, pool=pool, tenant=tenant, wiring=wiring)


async def test_what_differs_is_shown_with_the_look_that_found_it(office: Office) -> None:
    told = await office.shown()
    assert (told["open"], told["next_cursor"]) == (1, None)
    assert (told["check"]["records"], told["check"]["error"]) == (1, None)
    [finding] = told["findings"]
    assert (finding["kind"], finding["provider_id"], finding["closed_at"]) == ("phone-number", "p-1", None)
    assert finding["aspects"] == ["backoff_plan", "secret", "server_url"]
    one = await office.client.get(f"{office.path}/{finding['id']}", headers=office.tenant.credential)
    assert one.json() == finding
    assert SECRET not in str(told)


async def test_before_the_first_look_there_is_nothing_to_show(office: Office) -> None:
    await office.pool.execute("delete from wiring_findings")
    await office.pool.execute("delete from wiring_checks")
    assert await office.shown() == {"check": None, "open": 0, "findings": [], "next_cursor": None}


async def test_one_request_repairs_it_reads_it_back_and_is_safe_to_repeat(office: Office) -> None:
    finding_id = await office.finding()
    done = await office.repair(finding_id, **{"Idempotency-Key": "once"})
    assert (done.status_code, done.json()["closed_as"]) == (200, "repaired"), done.text
    assert office.wiring.number_differences(office.vapi.records["phone-number"]["p-1"]) == frozenset()
    assert len(office.vapi.changes) == 1
    for headers in ({}, {"Idempotency-Key": "once"}, {"Idempotency-Key": "another"}):
        again = await office.repair(finding_id, **headers)
        assert (again.status_code, again.json()) == (200, done.json())
    assert len(office.vapi.changes) == 1
    assert await office.audited() == [
        ("key", "provider-wiring-repair-asked", "pending"),
        ("key", "provider-wiring-repaired", "backoff_plan, secret, server_url"),
    ]
    assert (await office.shown())["open"] == 0
    assert (await office.shown(open="true"))["findings"] == []


async def test_while_vapi_is_away_the_wish_stays_and_is_asked_once(office: Office) -> None:
    finding_id = await office.finding()
    office.vapi.failing = 503
    for _ in range(2):
        waits = await office.repair(finding_id)
        assert (waits.status_code, waits.json()["closed_at"]) == (202, None)
        assert waits.json()["repair_asked_at"] is not None
        assert waits.json()["repair_error"] == "status 503"
    assert [action for _, action, _ in await office.audited()] == ["provider-wiring-repair-asked"]
    office.vapi.failing = None
    await office.services.provider.wiring.repair(office.tenant.organization_id)
    assert (await office.shown())["findings"][0]["closed_as"] == "repaired"


async def test_what_vapi_refuses_is_told_and_may_be_asked_again(office: Office) -> None:
    finding_id = await office.finding()
    office.vapi.failing = 401
    refused = await office.repair(finding_id)
    assert (refused.status_code, refused.json()["repair_asked_at"]) == (200, None)
    assert "401" in refused.json()["repair_error"]
    office.vapi.failing = None
    assert (await office.repair(finding_id)).json()["closed_as"] == "repaired"
    assert [action for _, action, _ in await office.audited()] == [
        "provider-wiring-repair-asked",
        "provider-wiring-not-repaired",
        "provider-wiring-repair-asked",
        "provider-wiring-repaired",
    ]


async def test_a_record_that_is_gone_is_not_to_be_repaired(office: Office) -> None:
    office.vapi.records["phone-number"].clear()
    await office.services.provider.wiring.check(office.tenant.organization_id)
    assert_problem(await office.repair(await office.finding()), 409, "conflict")
    assert await office.audited() == []


async def test_others_learn_nothing_and_viewers_repair_nothing(office: Office) -> None:
    finding_id = await office.finding()
    other_tenant = await add_tenant(office.pool, "Two")
    path = f"{other_tenant.path}/provider-wiring"
    told = await office.client.get(path, headers=other_tenant.credential)
    assert told.json()["findings"] == []
    for method, url in (("GET", f"{path}/{finding_id}"), ("POST", f"{path}/{finding_id}/repair")):
        assert_problem(await office.client.request(method, url, headers=other_tenant.credential), 404, "not-found")
    viewer = await add_key(office.pool, office.tenant, "assistants:read")
    assert (await office.client.get(office.path, headers=bearer(viewer))).status_code == 200
    refused = await office.client.post(f"{office.path}/{finding_id}/repair", headers=bearer(viewer))
    assert_problem(refused, 403, "forbidden")
    assert office.vapi.changes == []


async def test_a_look_may_be_had_at_once(office: Office) -> None:
    path = f"{office.path}/check"
    office.vapi.records["phone-number"]["p-1"]["server"] = office.wiring.server()
    office.vapi.failing = 503
    away = await office.client.post(path, headers=office.tenant.credential)
    assert_problem(away, 503, "temporarily-unavailable")
    assert (await office.shown())["check"]["error"] == "ProviderUnavailableError: status 503"
    office.vapi.failing = None
    told = await office.client.post(path, headers=office.tenant.credential)
    assert (told.status_code, told.json()["open"], told.json()["findings"]) == (200, 0, [])
    assert told.json()["check"]["error"] is None
    assert (await office.shown())["findings"][0]["closed_as"] == "agrees"
    viewer = await add_key(office.pool, office.tenant, "assistants:read")
    assert_problem(await office.client.post(path, headers=bearer(viewer)), 403, "forbidden")
