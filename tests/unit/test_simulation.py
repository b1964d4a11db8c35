"""An actor among duplicates, disorder, lost answers, crashes, stale owners and lost snapshots equals the reference."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from random import Random

import pytest

from actors.domain.admission import ACCEPTED, Occupancy, is_refusal
from actors.domain.commands import CALL_TAGGED, Forget, Hear, InboxRow, Tick
from actors.domain.json_types import JSON
from actors.domain.organization import recall
from actors.domain.policy import Policy
from actors.organization_actor import OrganizationActor
from actors.ports import StaleOwnerError, UnavailableError
from tests.fakes.events import call_rows, requests, scripted_rows
from tests.fakes.events import row as event_row
from tests.fakes.world import CrashError, Faults, World, reference, retried

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0001"
SEEDS_PER_CASE = 250
LIMIT = 2


async def _simulate(seed: int) -> World:
    random = Random(seed)
    zone = random.choice(["UTC", "America/New_York", "Australia/Lord_Howe"])
    world = World(ORGANIZATION, time_zone=zone, policy=Policy(concurrency_limit=LIMIT))
    arrivals = _arrivals(random, scripted_rows(random, world.clock.at) + requests(random, world.clock.at))
    faults = Faults(random, unavailable=0.05, answer_lost=0.05, crash=0.03)
    stale: OrganizationActor | None = None
    actor: OrganizationActor | None = None
    while arrivals or any(row.apply_sequence is None for row in world.rows.values()):
        world.clock.at += random.choice([0, 40, 900, 20_000])
        batch = [_arrived(world, row) for row in arrivals[: random.randint(1, 6)]]
        arrivals = arrivals[len(batch) :]
        if random.random() < 0.2:
            batch.extend(_handled(world, random))
        if random.random() < 0.2:
            batch.extend(_tagged(world, random))
        hinted = [row for row in batch if row is not None and random.random() < 0.8]
        if not hinted:
            hinted = [row for row in world.rows.values() if row.apply_sequence is None]
        try:
            if actor is None:
                world.epoch += 1
                actor = await OrganizationActor.recover(
                    ORGANIZATION, lease=world.lease(), owner="shard", ports=world.ports(faults)
                )
            await actor.process(hinted)
            await actor.process([Tick(at=world.clock.at)])
            await actor.feed.publish()
            await actor.save(force=random.random() < 0.3)
            if random.random() < 0.2:
                await actor.process([Forget(before=world.clock.at)])
            if random.random() < 0.05:
                stale, actor = actor, None
        except UnavailableError:
            pass
        except CrashError:
            actor = None
            if random.random() < 0.3:
                world.held = None
        if stale is not None and random.random() < 0.5:
            await _poke(stale, world)
    await _assert_equal(world, seed)
    world.accepted = _assert_never_over_the_limit(world, seed)
    return world


def _arrivals(random: Random, rows: list[InboxRow]) -> list[InboxRow]:
    """The rows with a tenth doubled and neighbours swapped at will."""
    doubled = [copy for row in rows for copy in ([row, replace(row, id=-row.id)] if random.random() < 0.1 else [row])]
    return sorted(doubled, key=lambda row: (row.received_at + random.randint(0, 30_000), row.id))


def _arrived(world: World, row: InboxRow) -> InboxRow | None:
    arrived = replace(row, received_at=world.clock.at)
    return arrived if world.accept(arrived) else None


async def _poke(stale: OrganizationActor, world: World) -> None:
    """A stale owner tries to write; nothing of it may be accepted once a newer one claimed."""
    if stale.lease.epoch == world.epoch:
        return
    before = (world.applied(), dict(world.calls), list(world.stream), dict(world.incidents))
    rows = [row for row in world.rows.values() if row.apply_sequence is None]
    if rows:
        with pytest.raises((StaleOwnerError, UnavailableError, CrashError)):
            await stale.process(rows)
    if stale.needs_tick(world.clock.at):
        with suppress(StaleOwnerError, UnavailableError, CrashError):
            await stale.process([Tick(at=world.clock.at)])
    assert (world.applied(), dict(world.calls), list(world.stream), dict(world.incidents)) == before


async def _assert_equal(world: World, seed: int) -> None:
    calm = Faults(Random(0))
    world.epoch += 1
    actor = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=world.ports(calm))
    await retried(lambda: _process_rest(actor, world))
    expected = reference(world, world.clock.at)
    assert [row.apply_sequence for row in world.applied()] == list(range(1, len(world.rows) + 1)), f"seed {seed}"
    for call_id, call in expected.calls.items():
        assert world.calls[call_id] == call, f"seed {seed}: call {call_id} in Postgres"
        if call_id in actor.state.calls:
            assert actor.state.calls[call_id] == call, f"seed {seed}: call {call_id} in memory"
    assert actor.state.apply_sequence == expected.apply_sequence, f"seed {seed}"
    assert actor.state.today == expected.today, f"seed {seed}"
    open_calls = {call.call_id for call in expected.calls.values() if not call.is_ended}
    assert open_calls <= actor.state.calls.keys(), f"seed {seed}"
    assert {call_id for call_id, _ in world.ledger} == expected.calls.keys(), f"seed {seed}: an effect for every call"
    await retried(lambda: _tick(actor, world))
    opened = [incident for incident in world.incidents.values() if incident.is_open]
    assert {each.incident_id for each in opened} == {each.incident_id for each in actor.state.alarms.open}
    assert list(actor.state.alarms.open) == sorted(opened, key=lambda each: (each.opened_at, each.incident_id))
    hanging = {call.call_id for call in expected.calls.values() if call.is_live and call.hangs}
    assert {each.call_id for each in opened if each.rule == "call-hangs"} == hanging, f"seed {seed}: incidents"


def _assert_never_over_the_limit(world: World, seed: int) -> int:
    """Whoever owned the organization then: each call that was accepted found a free slot. Returns how many were."""
    accepted = 0
    for place, row in enumerate(world.applied()):
        if row.outcome == ACCEPTED:
            before = recall(ORGANIZATION, world.applied()[:place])
            call = before.get(row.call_id or "")
            if call is None or call.admission is None:
                held = Occupancy.of(before.values(), row.received_at).calls
                assert len(held) < LIMIT, f"seed {seed}: row {row.id} was admitted beside {held.keys()}"
                accepted += 1
    return accepted


async def _process_rest(actor: OrganizationActor, world: World) -> None:
    await actor.process([row for row in world.rows.values() if row.apply_sequence is None])


async def _tick(actor: OrganizationActor, world: World) -> None:
    await actor.process([Tick(at=world.clock.at)])


def _tagged(world: World, random: Random) -> list[InboxRow]:
    """Somebody tags a call that Postgres has. Rows may be taken in in another order than they were accepted in."""
    if not world.calls:
        return []
    call_id = random.choice(sorted(world.calls))
    tags: list[JSON] = [tag for tag in ("billing", "vip") if random.random() < 0.5]
    row_id = 10_000 + len(world.rows)
    told = event_row(
        *(row_id, call_id, CALL_TAGGED),
        at=world.clock.at, key=f"{CALL_TAGGED}:{row_id}", facts={"tags": tags}, provider="internal",
    )  # fmt: skip
    return [told] if world.accept(told) else []


def _handled(world: World, random: Random) -> list[InboxRow]:
    """Somebody acts on an open incident, if there is one."""
    opened = [incident for incident in world.incidents.values() if incident.is_open]
    if not opened:
        return []
    kind = random.choice(["incident-acknowledged", "incident-resolved", "incident-muted"])
    facts: dict[str, JSON] = {"incident_id": random.choice(opened).incident_id, "by": "somebody"}
    acted = event_row(10_000 + len(world.rows), None, kind, at=world.clock.at, facts=facts, provider="internal")
    return [acted] if world.accept(acted) else []


@pytest.mark.parametrize("case", range(8))
def test_actor_equals_the_reference_fold(case: int) -> None:
    async def run() -> int:
        refused = accepted = turned_away = 0
        for seed in range(case * SEEDS_PER_CASE, (case + 1) * SEEDS_PER_CASE):
            world = await _simulate(seed)
            refused, accepted = refused + world.refused, accepted + world.accepted
            turned_away += sum(is_refusal(call.admission) for call in world.calls.values())
        assert accepted > 0, "nobody was admitted"
        assert turned_away > 0, "the limit was never met"
        return refused

    assert asyncio.run(run()) > 0, "stale owners were never tried"


async def _forgotten_call() -> tuple[World, OrganizationActor, InboxRow]:
    """An actor in whose memory a call stands that is old enough to forget, and a late row of it."""
    world = World(ORGANIZATION)
    ports = world.ports(Faults(Random(0)))
    actor = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    *early, late = call_rows(1, "a", world.clock.at)
    for each in (*early, late):
        world.accept(each)
    await actor.process(early)
    return world, actor, late


async def test_a_call_forgotten_and_spoken_of_in_one_batch_does_not_begin_anew() -> None:
    world, actor, late = await _forgotten_call()
    await actor.process([Forget(before=world.clock.at + 3_600_000), late])
    assert world.calls["a"] == reference(world, world.clock.at).calls["a"]


async def test_followers_are_told_of_a_forgotten_call_before_what_is_heard_of_it() -> None:
    world, actor, _ = await _forgotten_call()
    await actor.process([Forget(before=world.clock.at + 3_600_000)])
    await actor.feed.publish()
    await actor.process([Hear(call_id="a", at=world.clock.at)])
    await actor.feed.publish()
    assert [event["type"] for event in world.stream[-1][2]] == ["call", "evidence", "counters"]
