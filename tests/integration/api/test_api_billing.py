"""The account over HTTP, minutes granted, and one number on screen, in the file, in the API and at Stripe (P8)."""

import csv
import time
from dataclasses import replace
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from serve.services import Services
from storage.billing import Billing
from storage.journal import PostgresJournal
from storage.meter import MeterOutbox
from storage.postgres import Pool
from storage.times import moment
from tests.fakes.stripe_server import PRICE, running_stripe
from tests.integration.api.conftest import Tenant
from tests.integration.billing_world import BillingWorld
from workflows.activities.metering import Metering
from workflows.billing_contracts import OrganizationRef
from workflows.vendors.stripe_api import StripeApi

Client = httpx.AsyncClient


@pytest.fixture
async def world(pool: Pool, tenant: Tenant) -> BillingWorld:
    organization_id = UUID(tenant.organization_id)
    await pool.execute("update plans set stripe_metered_price_id = $1 where id = 'metered'", PRICE)
    await pool.execute("update organizations set plan_id = 'metered', time_zone = 'UTC' where id = $1", organization_id)
    made = BillingWorld(pool, tenant.organization_id)
    await made.subscribe(moment(made.now - 10 * 86_400_000), moment(made.now + 20 * 86_400_000))
    return made


async def test_screen_file_api_and_stripe_tell_one_number(client: Client, tenant: Tenant, world: BillingWorld) -> None:
    for n in range(7):
        await world.called(f"call-{n}", 61 + n, ended_at=world.now - n * 86_400_000)
    await world.called("=cmd()", 5, ended_at=world.now - 60_000)
    await world.tell("call-3", duration_ms=9_500)
    await world.book("call-3")
    async with running_stripe() as stripe, StripeApi("sk_test", stripe.base_url) as api:
        metering = Metering(MeterOutbox(world.pool), Billing(world.pool), api, now=lambda: world.now)
        await metering.send_meter_events(OrganizationRef(organization_id=tenant.organization_id))
        counted = sum(each.value for each in stripe.counted)
    shown = (await client.get(f"{tenant.path}/usage", headers=tenant.credential)).json()
    file = await client.get(f"{tenant.path}/usage/export", headers=tenant.credential)
    assert file.status_code == 200, file.text
    rows = list(csv.DictReader(file.text.splitlines()))
    assert len(rows) == 9
    assert "'=cmd()" in {row["call_id"] for row in rows}
    [(seconds, micros)] = await world.rows(
        "select sum(seconds)::int, sum(amount_micros)::int from usage_ledger where organization_id = $1"
    )
    assert seconds == counted == shown["used_seconds"] == sum(int(row["seconds"]) for row in rows)
    assert micros == shown["cost_micros"] == sum(int(row["amount_micros"]) for row in rows) == seconds * 2_500
    assert sum(day["seconds"] for day in shown["days"]) == seconds


async def test_granted_minutes_are_in_force_this_month_and_audited(client: Client, pool: Pool, tenant: Tenant) -> None:
    await pool.execute("update organizations set minutes_cap = 10 where id = $1", UUID(tenant.organization_id))
    for minutes in (30, 5):
        told = await client.post(
            f"{tenant.path}/usage/extra-minutes",
            json={"minutes": minutes, "reason": "a busy week"},
            headers=tenant.credential,
        )
        assert told.status_code == 201, told.text
    assert (told.json()["minutes_cap"], told.json()["extra_minutes"]) == (10, 35)
    profile = await PostgresJournal(pool).profile(tenant.organization_id)
    assert profile is not None
    assert profile.policy.extra_minutes == {told.json()["month"]: 35}
    log = (await client.get(f"{tenant.path}/audit-log?action=minutes-granted", headers=tenant.credential)).json()
    assert [(entry["reason"], entry["result"]) for entry in log["entries"]] == [
        ("a busy week", "5"),
        ("a busy week", "30"),
    ]
    rows = await pool.fetch(
        "select type from webhook_inbox where organization_id = $1 and provider = 'internal'", tenant.organization_id
    )
    assert [row["type"] for row in rows] == ["organization-configured"] * 2


async def test_where_to_pay(
    api: FastAPI, client: Client, services: Services, tenant: Tenant, world: BillingWorld
) -> None:
    checkout = {"plan_id": "metered"}
    off = await client.post(f"{tenant.path}/billing/checkout", json=checkout, headers=tenant.credential)
    assert (off.status_code, off.json()["detail"]) == (409, "No payment provider is set.")
    async with running_stripe() as stripe, StripeApi("sk_test", stripe.base_url) as paying:
        api.state.services = replace(services, provider=replace(services.provider, stripe=paying))
        stripe.objects["/v1/checkout/sessions"] = {
            "id": "cs_1",
            "object": "checkout.session",
            "url": "https://pay.example/1",
        }
        stripe.objects["/v1/billing_portal/sessions"] = {
            "id": "bps_1", "object": "billing_portal.session", "url": "https://pay.example/2",
        }  # fmt: skip
        told = await client.post(f"{tenant.path}/billing/checkout", json=checkout, headers=tenant.credential)
        assert (told.status_code, told.json()) == (200, {"url": "https://pay.example/1"})
        told = await client.post(f"{tenant.path}/billing/portal", headers=tenant.credential)
        assert (told.status_code, told.json()) == (200, {"url": "https://pay.example/2"})
        forms = [form for _, _, form in stripe.asked]
        assert (forms[0]["client_reference_id"], forms[0]["customer"]) == (tenant.organization_id, world.customer)
        assert forms[0]["line_items[0][price]"] == PRICE
        stripe.failing = 500
        told = await client.post(f"{tenant.path}/billing/portal", headers=tenant.credential)
        assert told.status_code == 503
    shown = (await client.get(f"{tenant.path}/billing", headers=tenant.credential)).json()
    assert (shown["plan_id"], shown["is_known_to_provider"]) == ("metered", True)


async def test_a_subscription_that_is_missing_says_what_to_do_and_may_be_asked_for_again(
    api: FastAPI, client: Client, services: Services, tenant: Tenant, world: BillingWorld
) -> None:
    async def shown() -> tuple[str | None, str | None]:
        told = (await client.get(f"{tenant.path}/billing", headers=tenant.credential)).json()
        return told["subscription_status"], told["problem"] and told["problem"]["code"]

    async with running_stripe() as stripe, StripeApi("sk_test", stripe.base_url) as paying:
        api.state.services = replace(services, provider=replace(services.provider, stripe=paying))
        stripe.objects["/v1/account"] = {"id": "acct_other", "object": "account"}
        wrong = await client.post(f"{tenant.path}/billing/refresh", headers=tenant.credential)
        assert (wrong.status_code, await shown()) == (503, (None, None))
        # Whose account it is concerns nobody but the operator.
        assert "acct_other" not in wrong.text
        stripe.know(world.customer)
        lost = await client.post(f"{tenant.path}/billing/refresh", headers=tenant.credential)
        assert (lost.status_code, lost.json()["subscription_status"]) == (200, "missing")
        assert "checkout" in lost.json()["problem"]["to_do"]
        assert await shown() == ("missing", "subscription-missing")
        again = await client.post(f"{tenant.path}/billing/refresh", headers=tenant.credential)
        assert again.json() == lost.json()
        events = (await client.get(f"{tenant.path}/billing/events", headers=tenant.credential)).json()["events"]
        assert [each["event"] for each in events] == ["subscription-missing"]
        now = int(time.time())
        stripe.subscribe(world.subscription, world.customer, start=now, end=now + 86_400, status="past_due")
        found = await client.post(f"{tenant.path}/billing/refresh", headers=tenant.credential)
        assert found.json()["subscription_status"] == "past_due"
        assert await shown() == ("past_due", "payment-due")
        stripe.failing = 503
        assert (await client.post(f"{tenant.path}/billing/refresh", headers=tenant.credential)).status_code == 503
        assert await shown() == ("past_due", "payment-due")


async def test_what_happened_to_the_account_is_paged(client: Client, pool: Pool, tenant: Tenant) -> None:
    for n in range(3):
        await pool.execute(
            "insert into billing_events (organization_id, event, event_key, occurred_at)"
            " values ($1, 'invoice-paid', $2, now())",
            UUID(tenant.organization_id),
            f"stripe:evt_{n}",
        )
    first = (await client.get(f"{tenant.path}/billing/events?limit=2", headers=tenant.credential)).json()
    rest = await client.get(
        f"{tenant.path}/billing/events", params={"limit": 2, "cursor": first["next_cursor"]}, headers=tenant.credential
    )
    assert (len(first["events"]), len(rest.json()["events"]), rest.json()["next_cursor"]) == (2, 1, None)
