import json
import stat
from pathlib import Path

import httpx
import pytest

from serve.config import Settings
from serve.seed import seed
from storage.organizations import Organizations
from storage.postgres import Pool
from storage.sealing import Sealer

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


async def test_the_seeded_credentials_open_what_they_should(
    client: httpx.AsyncClient, settings: Settings, pool: Pool, tmp_path: Path
) -> None:
    made = await seed(settings, pool, Sealer(KEY), data_dir=tmp_path)
    for organization, name in ((made.first, "Demo organization"), (made.other, "Second organization")):
        headers = {"Authorization": f"Bearer {organization.api_key}"}
        told = (await client.get("/v1/session", headers=headers)).json()
        assert (told["organization_id"], told["name"]) == (organization.organization_id, name)
        assert "simulator:read" in told["scopes"]
        came = await client.get(organization.dashboard_login_url)
        assert came.status_code == 303
        person = (await client.get("/v1/session")).json()
        assert person["role"] == "owner"
        assert [each["organization_id"] for each in person["organizations"]] == [organization.organization_id]
        dashboard = await client.get(f"/v1/organizations/{organization.organization_id}/dashboard")
        (assistant,) = dashboard.json()["assistants"]
        assert assistant["numbers"] == [organization.phone_number]

        receptions = Organizations(pool, Sealer(KEY))
        reception = await receptions.reception(organization.organization_id)
        await receptions.close()
        assert reception is not None
        assert reception.secrets == (organization.vapi_secret.encode(),)
        answering = reception.assistant_for(organization.phone_number_id, None)
        assert answering is not None
        assert json.loads(answering.config or "")["name"] == "Front desk"
    assert made.published()["other"] == made.other.published()


async def test_a_restart_changes_nothing(settings: Settings, pool: Pool, tmp_path: Path) -> None:
    first = await seed(settings, pool, Sealer(KEY), data_dir=tmp_path)
    counts = "select (select count(*) from api_keys), (select count(*) from webhook_secrets)"
    before = await pool.fetchrow(counts)
    assert await seed(settings, pool, Sealer(KEY), data_dir=tmp_path) == first
    assert await pool.fetchrow(counts) == before


async def test_secrets_stay_in_one_file_only_the_owner_reads(settings: Settings, pool: Pool, tmp_path: Path) -> None:
    made = await seed(settings, pool, Sealer(KEY), data_dir=tmp_path)
    path = tmp_path / "credentials.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made.first.api_key in path.read_text()
    kept = str([dict(row) for table in ("api_keys", "webhook_secrets") for row in await pool.fetch(f"table {table}")])
    for secret in (made.first.api_key.split("_")[2], made.first.vapi_secret):
        assert secret not in kept
        assert secret.encode().hex() not in kept
    assert made.first.api_key not in repr(made)


async def test_a_lost_file_gives_new_keys_and_ends_the_old(
    client: httpx.AsyncClient, settings: Settings, pool: Pool, tmp_path: Path
) -> None:
    old = await seed(settings, pool, Sealer(KEY), data_dir=tmp_path)
    (tmp_path / "credentials.json").unlink()
    new = await seed(settings, pool, Sealer(KEY), data_dir=tmp_path)
    assert new.first.organization_id == old.first.organization_id
    for made, status in ((old, 401), (new, 200)):
        headers = {"Authorization": f"Bearer {made.first.api_key}"}
        assert (await client.get("/v1/session", headers=headers)).status_code == status


async def test_the_environments_webhook_secret_is_the_first_organizations(
    settings: Settings, pool: Pool, tmp_path: Path
) -> None:
    told = Settings.model_validate({**settings.model_dump(), "vapi_webhook_secret": "from-outside"})
    made = await seed(told, pool, Sealer(KEY), data_dir=tmp_path)
    assert made.first.vapi_secret == "from-outside"
    assert made.other.vapi_secret != "from-outside"


@pytest.fixture
def simulated(settings: Settings) -> Settings:
    """The settings of a local stack."""
    return at(settings.model_copy(update={"embedded": True}), 9000)


def at(settings: Settings, port: int) -> Settings:
    """The stack's addresses when it listens on this port."""
    base_url = f"http://127.0.0.1:{port}"
    vendors = {f"{vendor}_base_url": f"{base_url}/simulator/{vendor}" for vendor in ("stripe", "twilio", "resend")}
    return settings.model_copy(update={"public_base_url": base_url, **vendors})


async def vendors_of(pool: Pool) -> dict[str, list[tuple[object, ...]]]:
    queries = {
        "recipients": "select slug, channel, address, kinds from notification_recipients join organizations"
        " on organizations.id = organization_id order by slug, channel",
        "integrations": "select slug, url, events from integrations join organizations"
        " on organizations.id = organization_id where integrations.deleted_at is null order by slug",
        "subscriptions": "select slug, stripe_customer_id, stripe_subscription_id, stripe_subscription_item_id"
        " from organizations order by slug",
        "prices": "select id, stripe_price_id, stripe_metered_price_id from plans where id in ('metered', 'starter')"
        " order by id",
    }
    return {name: [tuple(row) for row in await pool.fetch(query)] for name, query in queries.items()}


async def test_simulated_vendors_have_what_the_organizations_need(
    simulated: Settings, pool: Pool, tmp_path: Path
) -> None:
    made = await seed(simulated, pool, Sealer(KEY), data_dir=tmp_path)
    found = await vendors_of(pool)
    assert [row[:3] for row in found["recipients"]] == [
        ("demo", "email", "team@demo.example"),
        ("demo", "sms", "+15550300010"),
        ("second", "email", "team@second.example"),
        ("second", "sms", "+15550300010"),
    ]
    assert found["integrations"] == [
        (slug, f"http://127.0.0.1:9000/simulator/receiver/{organization.organization_id}", ["call.completed"])
        for slug, organization in (("demo", made.first), ("second", made.other))
    ]
    assert found["subscriptions"] == [
        ("demo", "cus_simulated_demo", "sub_simulated_demo", "si_simulated_demo"),
        ("probe", None, None, None),
        ("second", "cus_simulated_second", "sub_simulated_second", "si_simulated_second"),
    ]
    assert found["prices"] == [
        ("metered", None, "price_simulated_metered_metered"),
        ("starter", "price_simulated_starter", "price_simulated_starter_metered"),
    ]
    sealed = await pool.fetchval(
        "select sealed_secret from integrations where organization_id = $1", made.first.organization_id
    )
    opened = Sealer(KEY).open(made.first.organization_id, sealed)
    assert opened.decode() == made.first.integration_secret == made.published()["integration_secret"]


async def test_what_an_organization_changed_stays(simulated: Settings, pool: Pool, tmp_path: Path) -> None:
    await seed(simulated, pool, Sealer(KEY), data_dir=tmp_path)
    await pool.execute(
        "update integrations set disabled_at = now(), disabled_reason = 'manual', sealed_secret = '\\x00';"
        " update notification_recipients set disabled_at = now(), kinds = '{usage}';"
        " update organizations set stripe_customer_id = 'cus_own' where slug = 'demo'"
    )
    await seed(at(simulated, 9100), pool, Sealer(KEY), data_dir=tmp_path)
    held = await pool.fetchrow("select disabled_at, sealed_secret, url from integrations order by url limit 1")
    assert held is not None
    assert (held["disabled_at"] is not None, held["sealed_secret"]) == (True, b"\0")
    assert held["url"].startswith("http://127.0.0.1:9100/")
    assert await pool.fetchval("select bool_and(disabled_at is not null) from notification_recipients")
    assert ("demo", "cus_own", "sub_simulated_demo", "si_simulated_demo") in (await vendors_of(pool))["subscriptions"]


async def test_nobody_real_is_written_to_or_billed(simulated: Settings, pool: Pool, tmp_path: Path) -> None:
    await seed(simulated, pool, Sealer(KEY), data_dir=tmp_path)
    await pool.execute("delete from notification_recipients")
    real = simulated.model_copy(update={f"{vendor}_base_url": None for vendor in ("stripe", "twilio", "resend")})
    await seed(real, pool, Sealer(KEY), data_dir=tmp_path)
    found = await vendors_of(pool)
    assert found["recipients"] == []
    assert {row[1:] for row in found["subscriptions"]} == {(None, None, None)}
    assert {row[1:] for row in found["prices"]} == {(None, None)}
