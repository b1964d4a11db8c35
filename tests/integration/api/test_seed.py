import json
import stat
from pathlib import Path

import httpx

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
