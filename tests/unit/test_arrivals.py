"""What tells of calls that memory lacks: looked up before the mailbox, once, and never taken for a call that is new."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from random import Random
from uuid import uuid4

import pytest
import pytest_asyncio

from actors.call_lookups import CallLookups
from actors.domain.call import Call
from actors.domain.commands import Forget, Hear, InboxRow
from actors.organization_actor import OrganizationActor
from actors.ports import Delivery, UnavailableError
from actors.shard import Shard
from tests.fakes.events import call_rows
from tests.fakes.world import FakeJournal, Faults, World

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0001"


class Gate:
    """Lets reads of calls through, or has them wait or fail; counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.slow: set[str] = set()
        self.away = False
        self.opened = asyncio.Event()
        read = FakeJournal.rows_of_calls

        async def rows_of_calls(
            journal: FakeJournal, organization_id: str, call_ids: Sequence[str]
        ) -> Sequence[InboxRow]:
            self.asked.append(tuple(call_ids))
            rows = await read(journal, organization_id, call_ids)
            if self.away:
                raise UnavailableError("away")
            if self.slow & set(call_ids):
                await self.opened.wait()
            return rows

        monkeypatch.setattr(FakeJournal, "rows_of_calls", rows_of_calls)


@pytest.fixture
def world() -> World:
    return World(ORGANIZATION)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@pytest_asyncio.fixture
async def shard(world: World) -> AsyncIterator[Shard]:
    shard = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=world.ports(Faults(Random(0))))
    await shard.start()
    await until(lambda: shard.status()["slots"] == 1)
    await shard.snapshot(ORGANIZATION)
    yield shard
    await shard.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # polls a shard that has no event for it
            await asyncio.sleep(0.01)


def accepted(world: World, rows: Sequence[InboxRow]) -> list[Delivery]:
    for each in rows:
        world.accept(each)
    return [Delivery(organization_id=ORGANIZATION, item=each) for each in rows]


async def test_a_slow_look_up_holds_up_its_call_alone(world: World, shard: Shard, gate: Gate) -> None:
    await shard.deliver(accepted(world, call_rows(1, "known", world.clock.at)[:1]))
    await until(lambda: len(world.applied()) == 1)
    gate.slow = {"slow"}
    await shard.deliver(accepted(world, call_rows(100, "slow", world.clock.at)))
    await until(lambda: gate.asked[-1] == ("slow",))
    rest = call_rows(1, "known", world.clock.at)[1:]
    await shard.deliver(accepted(world, rest))
    await until(lambda: len(world.applied()) == 1 + len(rest))
    assert {row.call_id for row in world.applied()} == {"known"}
    assert shard.status()["waiting_for_look_ups"] == 6
    gate.opened.set()
    await until(lambda: len(world.applied()) == 1 + len(rest) + 6)


async def test_a_call_is_looked_up_once_however_much_tells_of_it(world: World, shard: Shard, gate: Gate) -> None:
    heard = [Delivery(organization_id=ORGANIZATION, item=Hear(call_id="never seen", at=n)) for n in range(50)]
    await shard.deliver(heard)
    await until(lambda: shard.status()["waiting_for_look_ups"] == 0)
    await shard.deliver(heard)
    assert gate.asked == [("never seen",)], "that there is no such call is remembered"
    await shard.deliver(accepted(world, call_rows(1, "never seen", world.clock.at)))
    await until(lambda: len(world.applied()) == 6)
    assert gate.asked == [("never seen",)]


async def test_what_tells_of_a_forgotten_call_begins_no_second_record(world: World, shard: Shard, gate: Gate) -> None:
    rows = call_rows(1, "a", world.clock.at)
    await shard.deliver(accepted(world, rows[:-1]))
    await until(lambda: len(world.applied()) == len(rows) - 1)
    shard._mailboxes.post(ORGANIZATION, Forget(before=world.clock.at + 3_600_000))  # pyright: ignore[reportPrivateUsage]
    await shard._mailboxes.drained([ORGANIZATION], seconds=10)  # pyright: ignore[reportPrivateUsage]
    before, gate.asked = world.calls["a"], []
    await shard.deliver(accepted(world, rows[-1:]))
    await until(lambda: len(world.applied()) == len(rows))
    assert gate.asked == [("a",)], "once, before the mailbox"
    assert world.calls["a"].created_at == before.created_at
    assert (world.calls["a"].hangs, world.calls["a"].tool_call_ids) == (1, before.tool_call_ids)
    assert world.calls["a"].version == len(rows)


async def test_calls_that_cannot_be_looked_up_are_left_to_the_sweep(world: World, shard: Shard, gate: Gate) -> None:
    gate.away = True
    await shard.deliver(accepted(world, call_rows(1, "a", world.clock.at)))
    await until(lambda: shard.status()["waiting_for_look_ups"] == 0)
    assert not world.applied()
    gate.away = False
    world.clock.at += 120_000
    await until(lambda: len(world.applied()) == 6)


async def test_what_waits_for_look_ups_counts_against_the_mailbox(
    world: World, shard: Shard, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.mailboxes.MAILBOX", 4)
    gate.slow = {"slow"}
    answer = await shard.deliver(accepted(world, call_rows(1, "slow", world.clock.at)))
    assert (answer.accepted, answer.overloaded) == (4, 2)
    gate.opened.set()


async def test_an_answer_that_comes_after_its_call_was_written_is_not_kept(world: World, gate: Gate) -> None:
    ports = world.ports(Faults(Random(0)))
    actor = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    rows = call_rows(1, "a", world.clock.at)
    for each in rows:
        world.accept(each)
    gate.slow = {"a"}
    asking = asyncio.create_task(actor.look_up({"a"}))
    await until(lambda: gate.asked == [("a",)])
    gate.slow = set()
    await actor.process(rows[:-1])
    await actor.process([Forget(before=world.clock.at + 3_600_000)])
    gate.opened.set()
    await asking
    assert not actor.knows("a"), "it said that there was no such call"
    await actor.process(rows[-1:])
    assert world.calls["a"].version == len(rows)
    assert world.calls["a"].hangs == 1, "the record goes on"


async def test_an_answer_under_way_when_its_call_is_written_is_not_kept() -> None:
    answering = asyncio.Event()

    async def read(_call_ids: Sequence[str]) -> Mapping[str, Call]:
        await answering.wait()
        return {}

    lookups = CallLookups(read)
    asking = asyncio.create_task(lookups.look_up(["a", "b"]))
    await asyncio.sleep(0)
    lookups.void(["a"])
    answering.set()
    await asking
    assert [each in lookups for each in "ab"] == [False, True]


async def test_only_so_many_answers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.call_lookups.REMEMBERED", 2)

    async def read(call_ids: Sequence[str]) -> Mapping[str, Call]:
        return {"c": Call(call_id="c", created_at=0)} if "c" in call_ids else {}

    lookups = CallLookups(read)
    assert (await lookups.look_up(["a", "b", "c"])).keys() == {"c"}
    assert [each in lookups for each in "abc"] == [False, True, True]
