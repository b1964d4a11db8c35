"""Throwaway Postgres and Temporal as `make up` has them, and a worker process of the product beside them."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from serve.stack.temporal_server import start_temporal
from storage.embedded import start_postgres
from storage.migrate import migrate


@dataclass(frozen=True, slots=True, kw_only=True)
class DurableServers:
    """What runs, and a folder that goes with it."""

    database_url: str
    temporal_address: str
    folder: Path


@asynccontextmanager
async def durable_servers() -> AsyncGenerator[DurableServers]:
    """Migrated; Temporal's state is in a file. They end with the context."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240 - before anything runs beside it; Postgres has a user of its own
        postgres = start_postgres(folder / "postgres", password=secrets.token_hex(16))
        temporal = start_temporal(folder / "temporal")
        try:
            await migrate(postgres.url)
            yield DurableServers(database_url=postgres.url, temporal_address=temporal.address, folder=folder)
        finally:
            temporal.stop()
            postgres.stop()


@asynccontextmanager
async def worker_process(settings: Mapping[str, str]) -> AsyncGenerator[None]:
    """One process of workers by these environment variables works inside."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workflows.worker", stdout=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], **settings},
    )  # fmt: skip
    try:
        yield
    finally:
        worker.terminate()
        await worker.wait()
