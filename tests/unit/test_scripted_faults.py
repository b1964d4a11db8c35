# pyright: reportPrivateUsage=false
"""Faults that the simulation found, each told again step by step: these fail whenever their fix is taken out."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from uuid import uuid4

import pytest

from actors.domain.admission import UNCHECKED
from actors.domain.call import Utterance
from actors.domain.commands import Forget, Hear, InboxRow
from actors.domain.conversation import SpeechSign
from actors.domain.policy import Policy
from actors.organization_actor import Item, OrganizationActor
from actors.ports import Batch, Delivery, UnavailableError
from actors.shard import Shard
from actors.slots import slot_of
from serve.live.board import LiveBoard
from tests.fakes.events import call_rows, row
from tests.fakes.world import FakeJournal, Faults, World

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0001"


async def recovered(world: World) -> OrganizationActor:
    ports = world.ports(Faults(Random(0)))
    return await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)


def accepted(world: World, rows: Sequence[InboxRow]) -> Sequence[InboxRow]:
    return [each for each in rows if world.accept(each)]


def shard_of(world: World) -> Shard:
    return Shard(name="shard-0", incarnation=str(uuid4()), shards=1, ports=world.ports(Faults(Random(0))))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # polls a shard that has no event for it
            await asyncio.sleep(0.01)


async def assert_a_follower_sees(world: World, batches: Sequence[Sequence[Item]]) -> None:
    """Whoever follows the feed from the start has the board that the owner has."""
    actor, board = await recovered(world), LiveBoard()
    first = actor.board()
    board.apply({"type": "snapshot", "position": first.position, "state": first.state})
    for batch in batches:
        await actor.process(batch)
    await actor.feed.publish()
    for epoch, n, events in world.stream:
        board.apply({"type": "events", "position": f"{epoch}-{n}", "events": events})
    assert board.state() == actor.board().state


async def test_what_was_heard_of_a_call_in_the_entry_that_brought_it_is_seen() -> None:
    world = World(ORGANIZATION)
    rows = accepted(world, call_rows(1, "a", world.clock.at))
    at = world.clock.at + 70_000
    said = Hear(call_id="a", at=at, utterance=Utterance(role="user", text="hello", final=True, at=at))
    speaks = Hear(call_id="a", at=at + 1, sign=SpeechSign(role="user", started=True, at=at + 1))
    await assert_a_follower_sees(world, [[speaks, rows[0], speaks, said, rows[1]]])


async def test_what_was_heard_before_a_report_does_not_undo_what_the_report_tells() -> None:
    world = World(ORGANIZATION)
    rows = accepted(world, call_rows(1, "a", world.clock.at))
    heard = Hear(call_id="a", at=world.clock.at, sign=SpeechSign(role="user", started=True, at=world.clock.at))
    await assert_a_follower_sees(world, [[rows[0], heard, *rows[1:]]])


async def test_what_is_heard_of_a_forgotten_call_is_seen() -> None:
    world = World(ORGANIZATION)
    rows = accepted(world, call_rows(1, "a", world.clock.at))
    at = world.clock.at + 70_000
    heard = Hear(call_id="a", at=at, sign=SpeechSign(role="user", started=True, at=at))
    await assert_a_follower_sees(world, [rows, [Forget(before=at + 3_600_000)], [heard]])


async def test_a_commit_whose_answer_was_lost_is_looked_for_though_nothing_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commit, lost = FakeJournal.commit, asyncio.Event()

    async def commit_unheard(journal: FakeJournal, batch: Batch) -> None:
        await commit(journal, batch)
        lost.set()
        raise UnavailableError("the answer was lost")

    monkeypatch.setattr(FakeJournal, "commit", commit_unheard)
    world = World(ORGANIZATION)
    shard = shard_of(world)
    await shard.start()
    await until(lambda: shard.status()["slots"] == 1)
    first = accepted(world, call_rows(1, "a", world.clock.at))[0]
    await shard.deliver([Delivery(organization_id=ORGANIZATION, item=first)])
    await lost.wait()
    await until(lambda: any(event["type"] == "call" for _, _, events in world.stream for event in events))
    await shard.stop()


async def test_slots_claimed_bring_up_what_goes_on_there() -> None:
    world = World(ORGANIZATION)
    actor = await recovered(world)
    await actor.process(accepted(world, call_rows(1, "a", world.clock.at)[:2]))
    shard = shard_of(world)
    await shard.start()
    await until(lambda: shard.status()["organizations"] == 1)
    await shard.stop()


async def test_a_call_the_snapshot_lacks_is_folded_from_its_whole_history() -> None:
    world = World(ORGANIZATION)
    actor = await recovered(world)
    rows = accepted(world, call_rows(1, "a", world.clock.at))
    await actor.process(rows[:-1])
    await actor.process([Forget(before=world.clock.at + 3_600_000)])
    await actor.save(force=True)
    assert world.held is not None
    assert not world.held.state.calls
    await actor.process(rows[-1:])
    world.epoch += 1
    following = await recovered(world)
    assert following.state.calls == {"a": world.calls["a"]}
    assert following.state.calls["a"].hangs == 1


async def test_a_call_let_through_is_not_refused_by_its_request_that_comes_later() -> None:
    world = World(ORGANIZATION, policy=Policy(concurrency_limit=1))
    actor, at = await recovered(world), world.clock.at
    other = row(1, "other", "call-seen", at=at)
    request = row(2, "a", "assistant-request", at=at)
    let_through = row(3, "a", "let-through", at=at, provider="internal")
    for each in accepted(world, [other, let_through, request]):
        await actor.process([each])
    assert actor.state.calls["a"].admission == world.calls["a"].admission == UNCHECKED
    assert world.rows[request.id].outcome == UNCHECKED


async def test_an_owner_that_postgres_refuses_gives_the_slot_up() -> None:
    world = World(ORGANIZATION)
    shard = shard_of(world)
    await shard._keeper.keep()  # pyright: ignore[reportPrivateUsage]  # its loops would claim anew at once
    assert await shard.snapshot(ORGANIZATION) is not None
    world.epoch += 1
    first = accepted(world, call_rows(1, "a", world.clock.at))[0]
    await shard.deliver([Delivery(organization_id=ORGANIZATION, item=first)])
    await until(lambda: shard.status()["stale_refusals"] == 1)
    assert (shard.status()["slots"], shard.status()["organizations"]) == (0, 0)
    assert not world.applied()
    answer = await shard.deliver([Delivery(organization_id=ORGANIZATION, item=first)])
    assert answer.not_owned == {ORGANIZATION}


async def test_alarms_are_judged_again_once_a_lease_that_had_run_out_is_renewed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.shard.TICK_SECONDS", 0.02)
    monkeypatch.setattr("actors.shard.RENEW_SECONDS", 0.02)
    monkeypatch.setattr("actors.shard.CHECK_SECONDS", 600)
    world = World(ORGANIZATION)
    shard, slot = shard_of(world), slot_of(ORGANIZATION)
    await shard.start()
    await until(lambda: shard.status()["slots"] == 1)
    talking = accepted(world, call_rows(1, "a", world.clock.at)[:2])
    await shard.deliver([Delivery(organization_id=ORGANIZATION, item=each) for each in talking])
    await until(lambda: len(world.applied()) == 2)
    # As when Postgres is away for longer than a lease, and nobody takes the slot meanwhile.
    monkeypatch.setattr("actors.leases.LEASE_SECONDS", -1)
    await until(lambda: shard._keeper.lease_of(slot) is None)
    await shard._tick()
    monkeypatch.setattr("actors.leases.LEASE_SECONDS", 10)
    await until(lambda: shard._keeper.lease_of(slot) is not None)
    assert shard.status()["activations"] == 1, "it never left memory"
    world.clock.at += 31 * 60_000
    await until(lambda: "call-too-long" in {each.rule for each in world.incidents.values()})
    await shard.stop()
