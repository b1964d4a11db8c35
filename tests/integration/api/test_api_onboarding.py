"""Asking for an onboarding, and its checklist."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from serve.services import Services
from storage.onboarding import OnboardingKey, Onboardings, StepRow
from storage.postgres import Pool
from storage.provider_keys import VAPI, VAPI_PUBLIC, ProviderKeys
from tests.fakes.token_issuer import TokenIssuer
from tests.integration.api.conftest import Tenant, add_member
from tests.integration.api.test_api_access import add_key, assert_problem, bearer
from workflows.onboarding_contracts import PLANS

Client = httpx.AsyncClient

ASKED = {
    "template": "front-desk",
    "area_code": "415",
    "plan_id": "starter",
    "test_number": "+15550100001",
    "vapi_key": "private-key-of-vapi",
    "vapi_public_key": "public-key-of-vapi",
}


def path_of(tenant: Tenant) -> str:
    return f"{tenant.path}/onboarding"


async def test_an_onboarding_is_asked_for_once_and_shown_as_a_checklist(
    client: Client, pool: Pool, services: Services, tenant: Tenant
) -> None:
    assert_problem(await client.get(path_of(tenant), headers=tenant.credential), 404, "not-found")
    got = await client.post(path_of(tenant), json=ASKED, headers=tenant.credential)
    assert got.status_code == 202, got.text
    told = got.json()
    assert (told["state"], told["assistant_name"], told["country"]) == ("pending", "Front desk", "US")
    assert [(each["step"], each["state"]) for each in told["steps"]] == [(plan.step, "pending") for plan in PLANS]
    assert "key-of-vapi" not in got.text
    again = await client.post(path_of(tenant), json={}, headers=tenant.credential)
    assert (again.status_code, again.json()) == (200, told)
    assert (await client.get(path_of(tenant), headers=tenant.credential)).json() == told
    [row] = await pool.fetch("select assistant_config, plan_id, requested_by from onboardings")
    assert row["assistant_config"]["firstMessage"] == "Thank you for calling One. How can I help?"
    assert row["requested_by"].startswith("key:")
    keys = ProviderKeys(pool, services.sealer)
    assert await keys.key_of(tenant.organization_id, VAPI) == ASKED["vapi_key"]
    assert await keys.key_of(tenant.organization_id, VAPI_PUBLIC) == ASKED["vapi_public_key"]
    entries = (await client.get(f"{tenant.path}/audit-log", headers=tenant.credential)).json()["entries"]
    assert [each["action"] for each in entries] == [
        "onboarding-asked", "provider-key-changed", "provider-key-changed",
    ]  # fmt: skip


async def test_of_many_requests_at_once_one_begins(client: Client, pool: Pool, tenant: Tenant) -> None:
    answers = await asyncio.gather(
        *(client.post(path_of(tenant), json={}, headers=tenant.credential) for _ in range(6))
    )
    assert sorted(each.status_code for each in answers) == [200, 200, 200, 200, 200, 202]
    assert len({each.json()["id"] for each in answers}) == 1
    assert await pool.fetchval("select count(*) from onboardings") == 1


async def test_the_same_key_gets_the_same_answer(client: Client, tenant: Tenant) -> None:
    headers = {**tenant.credential, "Idempotency-Key": str(uuid4())}
    first = await client.post(path_of(tenant), json=ASKED, headers=headers)
    again = await client.post(path_of(tenant), json=ASKED, headers=headers)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["idempotency-replayed"] == "true"


async def test_each_step_tells_where_it_stands(client: Client, pool: Pool, services: Services, tenant: Tenant) -> None:
    told = (await client.post(path_of(tenant), json={}, headers=tenant.credential)).json()
    key = OnboardingKey(organization_id=tenant.organization_id, id=UUID(told["id"]))
    store = Onboardings(pool, services.sealer)
    assert await store.begin(key) == "running"
    await store.begin_step(key, "organization")
    await store.settle(key, "organization", StepRow(state="done"))
    await store.begin_step(key, "stripe_customer")
    await store.settle(key, "stripe_customer", StepRow(state="skipped", detail="Stripe is not set up"))
    await store.begin_step(key, "phone_number")
    facts = {"id": "PN1", "number": "+14155550001", "row": "internal"}
    await store.settle(key, "phone_number", StepRow(state="done", facts=facts, made=True))
    await store.begin_step(key, "phone_number_import")
    await store.hinder(key, "phone_number_import", "VAPI: status 503")
    shown = (await client.get(path_of(tenant), headers=tenant.credential)).json()
    assert shown["state"] == "running"
    steps = {each["step"]: each for each in shown["steps"]}
    assert steps["stripe_customer"]["detail"] == "Stripe is not set up"
    number = steps["phone_number"]
    assert (number["id"], number["number"], number["made"]) == ("PN1", "+14155550001", True)
    assert (steps["phone_number_import"]["state"], steps["phone_number_import"]["detail"]) == (
        "running", "VAPI: status 503",
    )  # fmt: skip
    assert steps["probe"]["state"] == "pending"
    await store.finish(key, "completed")
    over = (await client.get(path_of(tenant), headers=tenant.credential)).json()
    assert over["state"] == "completed"
    assert over["finished_at"] is not None
    entries = (await client.get(f"{tenant.path}/audit-log", headers=tenant.credential)).json()["entries"]
    assert (entries[0]["actor"], entries[0]["action"]) == ("system:onboarding", "onboarding-completed")
    assert "phone_number done" in entries[0]["result"]
    anew = await client.post(path_of(tenant), json={}, headers=tenant.credential)
    assert anew.status_code == 202
    assert anew.json()["id"] != told["id"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"template": "no-such-template"},
        {"plan_id": "no-such-plan"},
        {"variables": {"no_such_variable": "x"}},
        {"template": "dental-reception"},
        {"country": "us"},
        {"area_code": "41"},
        {"test_number": "0155"},
        {"vapi_key": "short"},
        {"vapi_key": "with a blank"},
        {"templete": "front-desk"},
    ],
)
async def test_what_cannot_be_set_up_is_refused(
    client: Client, pool: Pool, tenant: Tenant, wrong: dict[str, object]
) -> None:
    got = await client.post(path_of(tenant), json=wrong, headers=tenant.credential)
    assert_problem(got, 422, "invalid-parameter")
    assert await pool.fetchval("select count(*) from onboardings") == 0
    assert await pool.fetchval("select count(*) from provider_keys") == 0


async def test_only_who_decides_about_money_may_ask_and_every_member_may_look(
    client: Client, pool: Pool, issuer: TokenIssuer, tenant: Tenant, stranger: Tenant
) -> None:
    owner = await add_member(pool, issuer, tenant, "owner")
    admin = await add_member(pool, issuer, tenant, "admin")
    viewer = await add_member(pool, issuer, tenant, "viewer")
    for person in (admin, viewer):
        assert_problem(await client.post(path_of(tenant), json={}, headers=person.credential), 403, "forbidden")
    assert (await client.post(path_of(tenant), json={}, headers=owner.credential)).status_code == 202
    assert (await client.get(path_of(tenant), headers=viewer.credential)).status_code == 200
    narrow = bearer(await add_key(pool, tenant, "calls:read"))
    assert_problem(await client.get(path_of(tenant), headers=narrow), 403, "forbidden")
    for method in ("GET", "POST"):
        got = await client.request(method, path_of(tenant), json={}, headers=stranger.credential)
        assert_problem(got, 404, "not-found")
    assert_problem(await client.get(path_of(stranger), headers=stranger.credential), 404, "not-found")
