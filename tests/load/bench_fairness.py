"""What a noisy organization costs a quiet one: `python -m tests.load.bench_fairness`; BENCH=short takes seconds.

The quiet one's deliveries, from commit to first attempt, alone and beside ten thousand of the noisy one that wait for
its slow endpoint. On throwaway servers, Temporal's state in a file as `make up` has it, one worker process.
"""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final
from uuid import UUID

from rich.console import Console

from serve.simulator.load.figures import Figure, Latencies, machine, print_figures
from serve.stack.temporal_server import start_temporal
from storage.deliveries import DeliveryKey
from storage.embedded import start_postgres
from storage.migrate import migrate
from tests.fakes.delivery_world import ORGANIZATION, OTHER, DeliveryWorld, delivery_world
from tests.fakes.processing_world import until
from tests.fakes.webhook_receiver import Received
from workflows.client import TemporalUnavailableError, connect
from workflows.delivery_signing import message_id
from workflows.delivery_starts import DeliveryStarts

WARM_UP: Final = 5
NOISY_SECONDS: Final = 1.0
"""So long the noisy one's endpoint takes, which is given five at once."""
STARTED_AT_ONCE: Final = 100
PATIENCE_SECONDS: Final = 120.0

WRITE: Final = """
insert into webhook_deliveries (id, created_at, organization_id, integration_id, event, payload, next_attempt_at)
select gen_random_uuid(), now(), $1, $2, 'call.completed', '{}', now() from generate_series(1, $3)
returning id, created_at
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many deliveries are queued, and how many of the quiet one are measured, before and beside them."""

    noisy: int = 10_000
    quiet: int = 100
    per_second: float = 2.0


SHORT: Final = Size(noisy=30, quiet=5, per_second=5.0)


async def measure(size: Size) -> list[Figure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240 - before anything runs beside it; Postgres has a user of its own
        postgres = start_postgres(folder / "postgres", password=secrets.token_hex(16))
        temporal = start_temporal(folder / "temporal")
        try:
            await migrate(postgres.url)
            return await measure_on(postgres.url, temporal.address, size)
        finally:
            temporal.stop()
            postgres.stop()


async def measure_on(database_url: str, temporal_address: str, size: Size) -> list[Figure]:
    """The same, on servers that run."""
    client = await connect(temporal_address, lazy=False)
    async with delivery_world(database_url, client) as world, _worker(world, temporal_address):
        await world.add_organization(OTHER)
        noisy = await world.add_integration("/noisy")
        await world.add_integration("/quiet", organization_id=OTHER)
        await _first_attempts(world, "warm", WARM_UP, size.per_second)
        alone = await _first_attempts(world, "alone", size.quiet, size.per_second)
        await _queue(world, noisy, size.noisy)
        beside = await _first_attempts(world, "beside", size.quiet, size.per_second)
        left = await world.fetch("select count(*) from webhook_deliveries where status = 'pending'")
        return [*_figures(alone, beside), Figure(name="the noisy one's still queued then", unit="", value=left[0][0])]


async def _queue(world: DeliveryWorld, integration_id: UUID, count: int) -> None:
    rows = await world.fetch(WRITE, UUID(ORGANIZATION), integration_id, count)
    keys = [
        DeliveryKey(organization_id=UUID(ORGANIZATION), delivery_id=row["id"], created_at=row["created_at"])
        for row in rows
    ]
    starts = DeliveryStarts(world.client)
    for first in range(0, len(keys), STARTED_AT_ONCE):
        await _started(starts, keys[first : first + STARTED_AT_ONCE])


async def _started(starts: DeliveryStarts, keys: list[DeliveryKey]) -> None:
    """Again until a busy server took them in."""
    while True:
        try:
            await starts.start(keys)
        except TemporalUnavailableError:
            await asyncio.sleep(1)
        else:
            return


async def _first_attempts(world: DeliveryWorld, name: str, count: int, per_second: float) -> Latencies:
    heard: dict[str, float] = {}

    async def noisy_is_slow(got: Received) -> None:
        if got.path == "/quiet":
            heard.setdefault(got.headers["webhook-id"], perf_counter())
        else:
            await asyncio.sleep(NOISY_SECONDS)

    world.receiver.first = noisy_is_slow
    for number in range(count):
        await world.end_call(f"{name}-{number}", organization_id=OTHER)
    began: dict[str, float] = {}
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(_enqueue(world, f"{name}-{number}", began))
            await asyncio.sleep(1 / per_second)

    async def all_heard() -> bool:
        return len(heard) == count

    await until(all_heard, seconds=PATIENCE_SECONDS)
    ids = {row["call_id"]: row["id"] for row in await world.fetch("select id, call_id from webhook_deliveries")}
    latencies = Latencies()
    for call_id, at in began.items():
        latencies.record(heard[message_id(ids[call_id])] - at)
    return latencies


async def _enqueue(world: DeliveryWorld, call_id: str, began: dict[str, float]) -> None:
    began[call_id] = perf_counter()
    await world.enqueue(call_id, organization_id=OTHER)


def _figures(alone: Latencies, beside: Latencies) -> list[Figure]:
    figures: list[Figure] = []
    for percentile in (50, 95):
        before, after = alone.percentile_ms(percentile), beside.percentile_ms(percentile)
        assert before is not None
        assert after is not None
        figures += [
            Figure(name=f"commit → first attempt, alone p{percentile}", unit="ms", value=before),
            Figure(name=f"beside the noisy one p{percentile}", unit="ms", value=after),
            Figure(name=f"factor p{percentile}", unit="", value=after / before, budget=2.0),
        ]
    return figures


@asynccontextmanager
async def _worker(world: DeliveryWorld, temporal_address: str) -> AsyncGenerator[None]:
    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "workflows.worker", stdout=asyncio.subprocess.DEVNULL,
        env={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": world.settings.database_url,
            "TEMPORAL_ADDRESS": temporal_address,
            "ENCRYPTION_KEY": world.settings.encryption_key.get_secret_value(),
            "RECORDINGS_URL": world.settings.recordings_url,
            "WEBHOOKS_INSECURE": "true",
        },
    )  # fmt: skip
    try:
        yield
    finally:
        worker.terminate()
        await worker.wait()


def main() -> int:
    figures = asyncio.run(measure(SHORT if os.environ.get("BENCH") == "short" else Size()))
    print_figures(Console(), figures, machine(), title="Fairness of deliveries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
