import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

from serve.config import Settings
from storage.organizations import Organizations
from storage.postgres import Pool
from storage.sealing import Sealer
from tests.integration.api.conftest import BASE_URL, Tenant

KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
ROOT = Path(__file__).parents[3]


async def run(settings: Settings, *arguments: str) -> tuple[int, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "ENCRYPTION_KEY": KEY,
        "RECORDINGS_URL": settings.recordings_url,
        "PUBLIC_BASE_URL": BASE_URL,
        "NO_COLOR": "1",
        "COLUMNS": "200",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from serve.organization import app; app()",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        cwd=ROOT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_a_created_organization_can_be_used_at_once(
    client: httpx.AsyncClient, settings: Settings, pool: Pool
) -> None:
    code, told = await run(settings, "create", "--name", "Nórth Clinic", "--time-zone", "Europe/Berlin")
    assert code == 0, told
    shown = {line[:16].strip(): line[16:].strip() for line in told.splitlines()[:4]}
    organization_id, api_key = shown["organization"], shown["API key"]
    assert shown["webhook URL"] == f"{BASE_URL}/webhooks/vapi/{organization_id}"

    headers = {"Authorization": f"Bearer {api_key}"}
    settings_told = (await client.get(f"/v1/organizations/{organization_id}", headers=headers)).json()
    assert (settings_told["name"], settings_told["time_zone"]) == ("Nórth Clinic", "Europe/Berlin")
    receptions = Organizations(pool, Sealer(KEY))
    reception = await receptions.reception(organization_id)
    await receptions.close()
    assert reception is not None
    assert reception.secrets == (shown["webhook secret"].encode(),)

    code, link = await run(settings, "login-link", organization_id)
    assert code == 0, link
    assert (await client.get(link.strip())).status_code == 303
    assert (await client.get("/v1/session")).json()["organization_id"] == organization_id
    assert (await client.get(link.strip())).status_code == 401


async def test_settings_are_changed_and_shown(pool: Pool, settings: Settings, tenant: Tenant) -> None:
    code, told = await run(
        settings, "configure", tenant.organization_id, "--set", "concurrency_limit=2", "--set", "refusal_message=Busy.",
        "--set", 'opening_hours=[{"day": "friday", "opens": "22:00", "closes": "02:00"}]',
    )  # fmt: skip
    assert code == 0, told
    shown = {line[:24].strip(): line[24:].strip() for line in told.splitlines()}
    assert shown["concurrency_limit"] == "2"
    assert shown["refusal_message"] == '"Busy."'
    assert (await pool.fetchval("select type from webhook_inbox")) == "organization-configured"
    assert await pool.fetchval("select actor from audit_log") == "command line"


@pytest.mark.parametrize(
    "arguments",
    [
        ("configure", "0b8f1f0e-6a3c-4d5e-9f00-000000000000", "--set", "name=One"),
        ("configure", "0b8f1f0e-6a3c-4d5e-9f00-000000000000", "--set", "colour=blue"),
        ("configure", "0b8f1f0e-6a3c-4d5e-9f00-000000000000", "--set", "concurrency_limit=none"),
        ("create", "--name", "X", "--time-zone", "Mars/Olympus"),
        ("create", "--name", " "),
        ("create", "--name", "x" * 201),
        ("login-link", "0b8f1f0e-6a3c-4d5e-9f00-000000000000"),
    ],
)
async def test_what_cannot_be_done_says_why_and_changes_nothing(
    settings: Settings, pool: Pool, arguments: tuple[str, ...]
) -> None:
    code, told = await run(settings, *arguments)
    assert code == 2
    assert re.search(r"Invalid value", told)
    assert "Traceback" not in told
    assert await pool.fetchval("select count(*) from organizations") == 0


async def test_a_command_leaves_no_copy_of_the_settings_it_changed(
    client: httpx.AsyncClient, settings: Settings, tenant: Tenant
) -> None:
    async def name() -> str:
        got = await client.get(f"{tenant.path}/dashboard", headers=tenant.credential)
        return got.json()["organization"]["name"]

    assert await name() == "One"
    code, told = await run(settings, "configure", tenant.organization_id, "--set", "name=Another")
    assert code == 0, told
    assert await name() == "Another"
