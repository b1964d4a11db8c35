"""Bring a release onto the Ray cluster this process is connected to: schema, shards, applications; and try it."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import httpx
from ray import serve as ray_serve

from serve.app import applications
from serve.config import Settings
from serve.placement import arrange_shards
from serve.seed import DevOrganization, seed
from storage.migrate import migrate
from storage.postgres import close_pool, open_pool
from storage.sealing import Sealer

_PROBE_SECONDS: Final = 60.0


class ProbeError(Exception):
    """A webhook sent through the front door did not come out as a call."""


def deploy(settings: Settings) -> None:
    """Migrate, bring up the shards, deploy the applications. Safe to repeat: what is current stays as it is.

    Blocks until every application runs. Raises MigrationError and what Ray raises.
    """
    asyncio.run(migrate(settings.direct_url))
    arrange_shards(settings)
    cast("Any", ray_serve).run_many(applications(settings))


def deploy_local(settings: Settings, data_dir: Path) -> Mapping[str, object]:
    """`deploy`, the demo organizations, and a probe event all the way through. Returns what dev.json tells.

    Raises ProbeError as well.
    """
    deploy(settings)
    return asyncio.run(_furnish(settings, data_dir))


async def _furnish(settings: Settings, data_dir: Path) -> Mapping[str, object]:
    pool = await open_pool(settings.database_url, size=2, name="call-supervisor deploy")
    try:
        credentials = await seed(settings, pool, Sealer(settings.encryption_key.get_secret_value()), data_dir=data_dir)
    finally:
        await close_pool(pool)
    await probe(settings.public_base_url, credentials.probe)
    return {
        "base_url": settings.public_base_url,
        "live_url": settings.live_url,
        **credentials.published(),
    }


async def probe(base_url: str, organization: DevOrganization) -> None:
    """Send a report as VAPI would and wait until REST tells of it. Raises ProbeError after a minute."""
    call_id = f"probe-{uuid4()}"
    message = {"type": "end-of-call-report", "endedReason": "customer-ended-call", "call": {"id": call_id}}
    deadline = time.monotonic() + _PROBE_SECONDS
    last = "nothing was tried"
    async with httpx.AsyncClient(base_url=base_url, timeout=5) as http:
        while time.monotonic() < deadline:
            try:
                accepted = await http.post(
                    f"/webhooks/vapi/{organization.organization_id}",
                    json={"message": message},
                    headers={"x-vapi-secret": organization.vapi_secret},
                )
                found = await http.get(
                    f"/v1/organizations/{organization.organization_id}/calls/{call_id}",
                    headers={"authorization": f"Bearer {organization.api_key}"},
                )
            except httpx.TransportError as away:
                last = f"{type(away).__name__}: {away}"
            else:
                last = f"webhook {accepted.status_code}, call {found.status_code}"
                if found.is_success and found.json()["status"] == "ended":
                    return
            await asyncio.sleep(0.1)
    raise ProbeError(f"a probe event did not come through within {_PROBE_SECONDS:.0f} s; last: {last}")
