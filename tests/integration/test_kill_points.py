"""Whoever works is killed at each point of each workflow's history: others come to the same, with its effects once."""

import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio

from serve.stack.temporal_server import TemporalServer
from tests.fakes.killed_worker import Death, KilledWorkers, killed_workers
from tests.fakes.mortal_calls import CALLS, DELIVERIES, RECORDING, REFUSED_AT_FIRST, REPLAYS, start_call
from tests.fakes.mortal_kind import Kind
from tests.fakes.mortal_messages import ALERTS, NOTICES
from tests.fakes.mortal_money import AGGREGATIONS, CYCLES, METERS, STRIPE_EVENTS, WAITING_CYCLES
from tests.fakes.mortal_rounds import ROUNDS
from tests.fakes.mortal_wiring import REPAIRS
from tests.fakes.mortal_world import ADDRESS, NUMBER, MortalWorld, burying, mortal_world
from tests.fakes.points import Points
from tests.fakes.processing_world import PLANTED_NUMBER, PLANTED_WORDS, kept_history, until
from tests.fakes.webhook_receiver import Received
from workflows.billing_contracts import BILLING_QUEUE, BILLING_SWEEP_WORKFLOW

KINDS = (
    CALLS, DELIVERIES, REPLAYS, AGGREGATIONS, METERS, ALERTS, NOTICES, STRIPE_EVENTS, CYCLES, WAITING_CYCLES, REPAIRS,
)  # fmt: skip
"""Of one call, one delivery or one organization."""
Run = tuple[Kind, str, str]
"""Its kind, the name of its organization, and the workflow's id."""

LARGEST_BYTES = 256 * 1024
"""Of a payload, and of the event around it: from there on Temporal warns."""
A_LONG_TALK = f"AI: Hello.\nUser: {PLANTED_WORDS} " + "says so, " * 60_000
PATIENCE_SECONDS = 120
"""A wait ends as soon as what it waits for holds: on a busy machine anything may take its time."""
IS_LONG = "CHAOS_KILLS" in os.environ
EVERY = 1 if IS_LONG else 4
"""`make chaos` takes every point, `make test` one of four, of what is about one call or one organization."""


@pytest.fixture(scope="module")
def workers() -> Iterator[KilledWorkers]:
    with killed_workers() as made:
        yield made


@pytest_asyncio.fixture
async def world(database_url: str, tmp_path: Path, temporal_server: TemporalServer) -> AsyncIterator[MortalWorld]:
    async with mortal_world(database_url, tmp_path, temporal_server.address) as made:
        made.vapi.files["/recordings/mono.wav"] = RECORDING
        made.vapi.listed = []
        made.receiver.status_of = refuse_at_first
        yield made


def refuse_at_first(got: Received, before: int) -> int:
    return 500 if before == 0 and got.path.startswith(REFUSED_AT_FIRST) else 200


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kinds", [KINDS, ROUNDS] if IS_LONG else [KINDS], ids=["of-one", "of-all"][: 1 + IS_LONG])
async def test_workers_killed_at_every_point_of_every_history_come_to_the_same(
    world: MortalWorld, workers: KilledWorkers, kinds: Sequence[Kind]
) -> None:
    points = Points()
    async with world.alive(points):
        lived = [(kind, f"{kind.name}-000", await kind.start(world, f"{kind.name}-000")) for kind in kinds]
        long = [(CALLS, "long", await start_call(world, "long", A_LONG_TALK))] if CALLS in kinds else []
        await judge(world, [*lived, *long])
    for kind, _, workflow_id in lived:
        await kept_history(world.handle(workflow_id), kind.name, folder="whole")
    died: list[Run] = []
    stop_at: dict[str, int] = {}
    for kind, _, workflow_id in lived:
        for number in range(1, points.counted[workflow_id] + 1, EVERY):
            name = f"{kind.name}-{number:03}"
            died.append((kind, name, await kind.start(world, name)))
            stop_at[died[-1][2]] = number
    sys.stderr.write(f"killed at {len(stop_at)} points: {Counter(kind.name for kind, _, _ in died)}\n")
    assert await workers.die(Death(address=world.address, settings=world.settings, stop_at=stop_at)) == -signal.SIGKILL
    async with burying(world.client), world.alive():
        await judge(world, died)
    await assert_discreet(world, [*lived, *long, *died])


async def judge(world: MortalWorld, runs: Sequence[Run]) -> None:
    """Every run came to the result of its kind, and to its effects."""
    results = await world.results([workflow_id for _, _, workflow_id in runs])
    assert {name: results[workflow_id] for _, name, workflow_id in runs} == {
        name: kind.result for kind, name, _ in runs
    }
    # What a nudge did not tell, the schedule's look finds.
    sweep = f"sweep-after-{runs[0][2]}"
    await world.client.execute_workflow(BILLING_SWEEP_WORKFLOW, id=sweep, task_queue=BILLING_QUEUE)

    async def others() -> Mapping[str, object]:
        came_to = {name: (await kind.effects(world, name), kind.expected) for kind, name, _ in runs}
        return {name: effects for name, (effects, expected) in came_to.items() if effects != expected}

    async def all_as_expected() -> bool:
        return not await others()

    with suppress(TimeoutError):
        await until(all_as_expected, seconds=PATIENCE_SECONDS)
    assert await others() == {}


async def assert_discreet(world: MortalWorld, runs: Sequence[Run]) -> None:
    """Nobody's number, address or words, no secret and nothing large is in what Temporal keeps, encryption left out."""
    planted = [
        PLANTED_NUMBER,
        PLANTED_WORDS,
        NUMBER,
        ADDRESS,
        "planted.example",
        world.receiver.base_url,
        *world.secrets,
    ]
    for _, name, workflow_id in runs:
        events = (await world.handle(workflow_id).fetch_history()).events
        assert max(event.ByteSize() for event in events) <= LARGEST_BYTES, name
        dumped = b"".join(event.SerializeToString() for event in events)
        assert [each for each in planted if each.encode() in dumped] == [], name
