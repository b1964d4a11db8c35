"""How many calls a second are processed in full: `python -m tests.load.bench_processing`; BENCH=short takes seconds.

On throwaway servers, Temporal's state in a file as `make up` has it, one worker process, vendors that answer at once.
A call is done when it is stored, charged, copied, told of by text and email, and delivered to its endpoint.
"""

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

from serve.simulator.load.figures import Figure
from tests.fakes.mortal_calls import RECORDING, prepare_call
from tests.fakes.mortal_world import MortalWorld, mortal_world
from tests.fakes.processing_world import until
from tests.load.durable_servers import durable_servers, worker_process
from tests.load.telling import chosen, json_file, tell
from workflows.client import TemporalProcessing, TemporalUnavailableError

_AT_ONCE: Final = 8
_PATIENCE_SECONDS: Final = 600.0

DONE: Final = """
select count(*) from organizations o
where exists (select from webhook_inbox i where i.organization_id = o.id and i.type = 'call-processed')
  and exists (select from call_recordings r where r.organization_id = o.id)
  and (select count(*) from notifications n where n.organization_id = o.id and n.vendor_id is not null) = 2
  and exists (select from webhook_deliveries d where d.organization_id = o.id and d.status = 'delivered')
  and exists (select from usage_ledger u where u.organization_id = o.id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many calls end at once; a few before them warm up what is measured."""

    calls: int = 200
    warm_up: int = 10


SHORT: Final = Size(calls=10, warm_up=2)


async def measure(size: Size) -> list[Figure]:
    async with durable_servers() as servers:
        return await measure_on(servers.database_url, servers.temporal_address, servers.folder / "recordings", size)


async def measure_on(database_url: str, temporal_address: str, recordings: Path, size: Size) -> list[Figure]:
    """The same, on servers that run."""
    async with (
        mortal_world(database_url, recordings, temporal_address) as world,
        worker_process(_environment(world)),
    ):
        world.vapi.files["/recordings/mono.wav"] = RECORDING
        await _processed(world, [f"warm-{number}" for number in range(size.warm_up)], before=0)
        seconds = await _processed(world, [f"call-{number}" for number in range(size.calls)], before=size.warm_up)
    return [Figure(name="calls processed in full after they ended", unit="/s", value=size.calls / seconds)]


async def _processed(world: MortalWorld, names: Sequence[str], *, before: int) -> float:
    """How long it takes until all are done, from the first signal on."""
    owners = {name: await prepare_call(world, name) for name in names}
    processing, turns = TemporalProcessing(world.client), asyncio.Semaphore(_AT_ONCE)

    async def signal(name: str) -> None:
        async with turns:
            while True:
                try:
                    return await processing.signal(owners[name], name)
                except TemporalUnavailableError:  # too busy to answer in time: its owner asks again, too
                    await asyncio.sleep(1)

    async def all_done() -> bool:
        [(done,)] = await world.rows(DONE)
        return done == before + len(names)

    began = perf_counter()
    await asyncio.gather(*map(signal, names))
    await until(all_done, seconds=_PATIENCE_SECONDS)
    return perf_counter() - began


def _environment(world: MortalWorld) -> dict[str, str]:
    told = {name.upper(): str(value) for name, value in world.settings.items()}
    return {**told, "TEMPORAL_ADDRESS": world.address}


def main(arguments: Sequence[str] | None = None) -> int:
    file = json_file("tests.load.bench_processing", __doc__, arguments)
    size = chosen(Size(), SHORT)
    return tell(lambda: asyncio.run(measure(size)), title="After a call", file=file)


if __name__ == "__main__":
    sys.exit(main())
