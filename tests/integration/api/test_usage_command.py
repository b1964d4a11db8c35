"""An operator has the payment provider told again, from the command line."""

import asyncio
import os
import sys
from pathlib import Path
from uuid import UUID

from serve.config import Settings
from storage.postgres import Pool
from tests.integration.billing_world import BillingWorld

ROOT = Path(__file__).parents[3]


async def run(settings: Settings, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from serve.usage import app; app()", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "TEMPORAL_ADDRESS": settings.temporal_address,
            "ENCRYPTION_KEY": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "RECORDINGS_URL": settings.recordings_url,
            "PUBLIC_BASE_URL": "http://unused",
            "NO_COLOR": "1",
            "COLUMNS": "200",
        },
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_refused_seconds_are_made_due_again_once(settings: Settings, pool: Pool) -> None:
    world = await BillingWorld.on_plan(pool)
    await world.called("call-1", 60)
    asked = ("resend", world.organization_id, "call-1", "--reason", "the price was mended")
    assert (await run(settings, *asked))[0] == 1
    await pool.execute(
        "update meter_events set status = 'refused', settled_at = now() where organization_id = $1",
        UUID(world.organization_id),
    )
    code, told = await run(settings, *asked)
    assert (code, told.strip()) == (0, f"call:{world.organization_id}:call-1: 60 s are due again")
    assert await world.metered() == [("call:call-1", 60, "pending")]
    assert await world.rows("select actor, reason from audit_log where organization_id = $1") == [
        ("command line", "the price was mended")
    ]
