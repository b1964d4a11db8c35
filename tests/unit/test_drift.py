"""Memory and Postgres that were set apart are one again after a check: repaired, told in the timeline, counted."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest

from actors.domain.call import CallStatus
from actors.domain.commands import InboxRow
from actors.domain.organization import Organization
from actors.organization_actor import OrganizationActor
from actors.ports import StaleOwnerError, UnavailableError
from actors.rota import Rota
from tests.fakes.events import call_rows
from tests.fakes.world import FakeJournal, Faults, World, reference

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0001"


async def going_on(world: World) -> OrganizationActor:
    """An actor with one call that goes on and one that has ended."""
    ports = world.ports(Faults(Random(0)))
    actor = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    await actor.process(arrived(world, call_rows(1, "live", world.clock.at)[:2]))
    await actor.process(arrived(world, call_rows(11, "over", world.clock.at)))
    await actor.feed.publish()
    return actor


def arrived(world: World, rows: Sequence[InboxRow]) -> list[InboxRow]:
    return [row for row in rows if world.accept(row)]


def repairs(world: World) -> list[str | None]:
    return [row.call_id for row in world.applied() if row.type == "state-repaired"]


def with_call(state: Organization, call_id: str, **values: object) -> Organization:
    changed = replace(state.calls[call_id], **values)  # pyright: ignore[reportArgumentType]
    return replace(state, calls={**state.calls, call_id: changed})


def without(state: Organization, call_id: str) -> Organization:
    return replace(state, calls={key: call for key, call in state.calls.items() if key != call_id})


CORRUPTIONS: dict[str, tuple[Callable[[Organization], Organization], list[str | None]]] = {
    "a live call forgotten": (lambda state: without(state, "live"), ["live"]),
    "a live call ended": (lambda state: with_call(state, "live", status=CallStatus.ENDED), ["live"]),
    "an ended call live": (lambda state: with_call(state, "over", status=CallStatus.IN_PROGRESS), ["over"]),
    "a message not counted in": (lambda state: with_call(state, "live", version=1), ["live"]),
    "a call that never was": (
        lambda state: replace(state, calls={**state.calls, "ghost": replace(state.calls["live"], call_id="ghost")}),
        ["ghost"],
    ),
    "wrong figures": (lambda state: replace(state, today=replace(state.today, answered=77)), [None]),
    "a lost position": (lambda state: replace(state, apply_sequence=state.apply_sequence - 1), [None]),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
async def test_memory_that_went_wrong_is_repaired(corruption: str) -> None:
    world = World(ORGANIZATION)
    actor = await going_on(world)
    corrupt, told = CORRUPTIONS[corruption]
    actor.state = corrupt(actor.state)
    assert await actor.check() == len(told)
    assert repairs(world) == told
    await holds(actor, world)


BEHIND_ITS_BACK: dict[str, Callable[[World], object]] = {
    "ended": lambda world: world.calls.update(live=replace(world.calls["live"], status=CallStatus.ENDED)),
    "deleted": lambda world: world.calls.pop("live"),
    "set back": lambda world: world.calls.update(live=replace(world.calls["live"], status=CallStatus.QUEUED)),
    "reopened": lambda world: world.calls.update(over=replace(world.calls["over"], status=CallStatus.IN_PROGRESS)),
}


@pytest.mark.parametrize("change", BEHIND_ITS_BACK)
async def test_postgres_changed_behind_its_back_is_repaired(change: str) -> None:
    world = World(ORGANIZATION)
    actor = await going_on(world)
    BEHIND_ITS_BACK[change](world)
    assert await actor.check() == 1
    assert repairs(world) == ["over" if change == "reopened" else "live"]
    await holds(actor, world)


async def holds(actor: OrganizationActor, world: World) -> None:
    """Memory, Postgres and whoever recovers from it tell the same, and the next check finds nothing."""
    expected = reference(world, world.clock.at)
    assert actor.state == expected
    assert world.calls == expected.calls
    assert actor.state.today.repairs == len(repairs(world))
    assert await actor.check() == 0
    world.held = None
    again = await OrganizationActor.recover(
        ORGANIZATION, lease=world.lease(), owner="shard", ports=world.ports(Faults(Random(0)))
    )
    assert again.state == expected


async def test_a_repair_is_shown_to_whoever_follows() -> None:
    world = World(ORGANIZATION)
    actor = await going_on(world)
    actor.state = without(actor.state, "live")
    await actor.check()
    seen = len(world.stream)
    await actor.feed.publish()
    told = json.dumps([events for _, _, events in world.stream[seen:]])
    assert '"call_id": "live"' in told
    assert '"call_id": "over"' not in told
    assert '"repairs": 1' in told


async def test_a_repair_that_could_not_be_told_is_told_by_the_next_check(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(ORGANIZATION)
    actor = await going_on(world)
    actor.state = without(actor.state, "live")

    async def away(*_: object, **__: object) -> Sequence[InboxRow]:
        raise UnavailableError("away")

    with monkeypatch.context() as broken:
        broken.setattr(FakeJournal, "note_repairs", away)
        with pytest.raises(UnavailableError):
            await actor.check()
    assert "live" in actor.state.calls, "memory is right at once"
    assert await actor.check() == 1
    await holds(actor, world)


async def test_a_stale_owner_repairs_nothing() -> None:
    world = World(ORGANIZATION)
    stale = await going_on(world)
    world.epoch += 1
    newer = await OrganizationActor.recover(
        ORGANIZATION, lease=world.lease(), owner="shard", ports=world.ports(Faults(Random(0)))
    )
    await newer.process(arrived(world, call_rows(21, "next", world.clock.at)))
    before = dict(world.rows), dict(world.calls)
    with pytest.raises(StaleOwnerError):
        await stale.check()
    assert (world.rows, world.calls) == before


def test_turns_come_once_in_a_period_and_evenly() -> None:
    rota, keys = Rota(period_ms=60_000, every_ms=1_000), [str(number) for number in range(600)]
    turns = [rota.due(keys, now) for now in range(0, 180_000, 1_000)]
    assert max(map(len, turns)) <= 11
    later = [key for turn in turns[60:120] for key in turn]
    assert sorted(later) == sorted(keys)
    assert rota.due([], 0) == []
