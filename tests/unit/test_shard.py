# pyright: reportPrivateUsage=false
"""A shard: owns before it decides, sweeps what no hint brought, sets a poisonous row aside, hands over cleanly."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from random import Random
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfoNotFoundError

import pytest
import pytest_asyncio
import structlog
from structlog.testing import capture_logs

from actors.domain.call import STALE_AFTER_MS
from actors.domain.commands import Forget, Hear, InboxRow
from actors.domain.organization import Organization, Round, decide_all
from actors.domain.views import View
from actors.feed_publisher import FeedPublisher
from actors.mailboxes import Chore, Item, Mailboxes
from actors.organization_actor import SAVED_ANEW_MS, OrganizationActor
from actors.ports import Delivery, Lease, OverloadedError, Ports, UnavailableError, UnknownOrganizationError, Watch
from actors.shard import Shard
from actors.slots import slot_of
from actors.watches import WATCH_MS
from storage.snapshots import ACTIVE_CALLS_SECONDS
from tests.fakes.events import call_rows, row
from tests.fakes.world import FakeFeed, Faults, World

ORGANIZATION = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0001"


@pytest.fixture(autouse=True)
def _quick_logs() -> Iterator[None]:
    """To draw a fault with the state of every frame takes a second; five are drawn in some tests."""
    with capture_logs():
        yield


@pytest.fixture
def world() -> World:
    return World(ORGANIZATION)


@pytest_asyncio.fixture
async def shard(world: World) -> AsyncIterator[Shard]:
    shard = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=world.ports(Faults(Random(0))))
    await shard.start()
    await until(lambda: shard.status()["slots"] == 1)
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


async def test_delivered_rows_are_applied_and_published(world: World, shard: Shard) -> None:
    rows = call_rows(1, "a", world.clock.at)
    answer = await shard.deliver(accepted(world, rows))
    assert (answer.accepted, answer.not_owned, answer.overloaded) == (len(rows), frozenset(), 0)
    await until(lambda: len(world.applied()) == len(rows))
    board = await shard.snapshot(ORGANIZATION)
    assert board is not None
    await until(lambda: f"{world.stream[-1][0]}-{world.stream[-1][1]}" == board.position)
    assert [n for _, n, _ in world.stream] == list(range(len(world.stream))), "no hole"


async def test_silence_alone_makes_a_call_stale_and_a_sign_ends_that(world: World, shard: Shard) -> None:
    await shard.deliver(accepted(world, call_rows(1, "a", world.clock.at)[:2]))
    await until(lambda: shard.status()["live_calls"] == 1)
    world.clock.at += 2 * STALE_AFTER_MS
    await until(lambda: told_stale(world) == 1)
    assert shard.status()["stale_calls"] == 1
    await shard.deliver([Delivery(organization_id=ORGANIZATION, item=Hear(call_id="a", at=world.clock.at))])
    await until(lambda: told_stale(world) == 0)
    assert shard.status()["stale_calls"] == 0


def told_stale(world: World) -> object:
    """How many calls are stale by the last figures that the feed tells."""
    figures: Any = [view["counters"] for _, _, views in world.stream for view in views if view["type"] == "counters"]
    return figures[-1]["stale"] if figures else None


@pytest.mark.usefixtures("shard")
async def test_rows_nobody_delivered_are_swept_up(world: World) -> None:
    accepted(world, call_rows(1, "a", world.clock.at - 60_000))
    world.clock.at += 60_000
    await until(lambda: all(row.apply_sequence is not None for row in world.rows.values()))


async def test_what_it_does_not_own_it_does_not_take(world: World, shard: Shard) -> None:
    others = (str(UUID(int=number)) for number in range(1_000))
    other = next(each for each in others if slot_of(each) != slot_of(ORGANIZATION))
    elsewhere = Delivery(organization_id=other, item=call_rows(1, "a", world.clock.at)[0])
    answer = await shard.deliver([elsewhere])
    assert (answer.accepted, answer.not_owned) == (0, {elsewhere.organization_id})


async def test_an_organization_that_is_gone_is_told_apart(shard: Shard) -> None:
    gone = next(
        other
        for other in map(str, (UUID(int=number) for number in range(1, 100_000)))
        if slot_of(other) == slot_of(ORGANIZATION)
    )
    with pytest.raises(UnknownOrganizationError):
        await shard.snapshot(gone)


async def test_a_row_that_cannot_be_taken_in_holds_up_no_other(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = call_rows(1, "a", world.clock.at)
    poison = rows[2]

    fail_on(monkeypatch, {poison.id})
    await shard.deliver(accepted(world, rows))
    await until(lambda: len(world.applied()) == len(rows) - 1)
    assert shard.status()["failing_rows"] == [poison.id]


async def test_redis_away_delays_the_feed_and_nothing_else(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = FakeFeed.publish
    away = True

    async def refuse(self: FakeFeed, organization_id: str, *, epoch: int, n: int, events: Sequence[View]) -> None:
        if away:
            raise UnavailableError("away")
        await published(self, organization_id, epoch=epoch, n=n, events=events)

    monkeypatch.setattr(FakeFeed, "publish", refuse)
    rows = call_rows(1, "a", world.clock.at)
    await shard.deliver(accepted(world, rows))
    await until(lambda: len(world.applied()) == len(rows))
    away = False
    board = await shard.snapshot(ORGANIZATION)
    assert board is not None
    await until(lambda: bool(world.stream) and f"{world.stream[-1][0]}-{world.stream[-1][1]}" == board.position)
    assert [n for _, n, _ in world.stream] == list(range(len(world.stream)))


async def test_a_shard_that_stops_leaves_everything_to_the_next(world: World, shard: Shard) -> None:
    rows = call_rows(1, "a", world.clock.at)
    await shard.deliver(accepted(world, rows[:3]))
    await shard.stop()
    assert (await shard.deliver(accepted(world, rows[3:]))).accepted == 0
    assert world.held is not None
    assert world.held.state.apply_sequence == len(world.applied())
    successor = Shard(
        name="organization-shard-1", incarnation=str(uuid4()), shards=1, ports=world.ports(Faults(Random(0)))
    )
    await successor.start()
    world.clock.at += 120_000
    await until(lambda: len(world.applied()) == len(rows))
    board = await successor.snapshot(ORGANIZATION)
    await successor.stop()
    assert board is not None
    assert '"status": "ended"' in json.dumps(board.state)


async def test_more_failing_rows_than_a_page_holds_do_not_crowd_out_the_others(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.shard.SWEEP_ROWS", 3)
    rows = [row(number, f"c{number}", "hang", at=world.clock.at) for number in range(1, 8)]
    fail_on(monkeypatch, {each.id for each in rows[:5]})
    accepted(world, rows)
    world.clock.at += 3_000
    await until(lambda: len(world.applied()) == 2)
    assert shard.status()["rows_failing"] == 5


async def test_an_organization_that_cannot_come_up_is_told_and_holds_up_no_other(
    shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = next(
        other for other in (str(UUID(int=n)) for n in range(1_000)) if slot_of(other) == slot_of(ORGANIZATION)
    )
    recover = OrganizationActor.recover

    async def fail(organization_id: str, *, lease: Lease, owner: str, ports: Ports, first_n: int) -> OrganizationActor:
        if organization_id == broken:
            raise ZoneInfoNotFoundError("Mars/Phobos")
        return await recover(organization_id, lease=lease, owner=owner, ports=ports, first_n=first_n)

    monkeypatch.setattr(OrganizationActor, "recover", fail)
    with pytest.raises(UnavailableError):
        await shard.snapshot(broken)
    assert shard.status()["failing_organizations"] == [broken]
    assert await shard.snapshot(ORGANIZATION) is not None


async def test_a_process_whose_name_is_anothers_ends(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.shard.RENEW_SECONDS", 0.05)
    ports = world.ports(Faults(Random(0)))
    cut_off = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=ports)
    await cut_off.start()
    await until(lambda: world.owner is not None)
    world.incarnation = "a later process"
    with pytest.raises(ExceptionGroup):
        async with asyncio.timeout(30):
            await cut_off.failed()


async def test_an_entry_announced_as_the_publisher_ends_is_published(world: World) -> None:
    ports = world.ports(Faults(Random(0)))
    actor = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    publisher = FeedPublisher(is_current=lambda _: True, on_stale=lambda _: None)
    for number in range(1, 30):
        await actor.process(accepted_rows(world, [row(number, "c", "hang", at=world.clock.at + number)]))
        publisher.wake(actor)
        for _ in range(number % 5):
            await asyncio.sleep(0)
    await until(lambda: not actor.feed)
    assert [n for _, n, _ in world.stream] == list(range(len(world.stream)))


async def test_a_commit_whose_answer_was_lost_is_told_to_the_feed(world: World) -> None:
    faults = Faults(Random(0))
    ports = world.ports(faults)
    actor = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    faults.answer_lost = 1.0
    with pytest.raises(UnavailableError):
        await actor.process(accepted_rows(world, [row(1, "c", "hang", at=world.clock.at)]))
    faults.answer_lost = 0.0
    await actor.process([])
    await actor.feed.publish()
    told = [event["type"] for _, _, events in world.stream for event in events]
    assert told == ["call", "counters"]


async def test_what_redis_keeps_of_a_call_that_goes_on_is_kept_anew_though_nothing_changes(world: World) -> None:
    """VAPI tells nothing of a call that was forwarded, for hours."""
    assert SAVED_ANEW_MS < ACTIVE_CALLS_SECONDS * 1000
    ports = world.ports(Faults(Random(0)))
    actor = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    rows = accepted_rows(world, call_rows(1, "a", world.clock.at))

    async def is_saved_later() -> bool:
        await actor.save(force=True)
        world.held, world.clock.at = None, world.clock.at + SAVED_ANEW_MS
        await actor.save()
        return world.held is not None

    await actor.process(rows[:3])
    assert await is_saved_later()
    await actor.process(rows[3:])
    assert not await is_saved_later(), "no call goes on"


async def test_late_hints_of_applied_rows_hold_nothing_up(world: World) -> None:
    ports = world.ports(Faults(Random(0)))
    first = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    rows = accepted_rows(world, call_rows(1, "a", world.clock.at))
    await first.process(rows[:2])
    world.epoch += 1
    second = await OrganizationActor.recover(ORGANIZATION, lease=world.lease(), owner="shard", ports=ports)
    await second.process(rows)
    assert len(world.applied()) == len(rows)


async def test_the_day_turns_without_an_event(world: World, shard: Shard) -> None:
    await shard.deliver(accepted(world, call_rows(1, "a", world.clock.at)))
    await until(lambda: len(world.applied()) == 6)
    world.clock.at += 26 * 3_600_000
    board = await shard.snapshot(ORGANIZATION)
    assert board is not None
    assert '"calls": 0' in json.dumps(board.state)


def accepted_rows(world: World, rows: Sequence[InboxRow]) -> list[InboxRow]:
    return [each for each in rows if world.accept(each)]


def fail_on(monkeypatch: pytest.MonkeyPatch, poison: set[int]) -> None:
    """Let the decision fail, as by a fault of the code, whenever one of these rows is among the items."""

    def decide_all_but(state: Organization, items: Sequence[InboxRow | Hear | Forget]) -> Round:
        if any(isinstance(item, InboxRow) and item.id in poison for item in items):
            raise ArithmeticError("a fault of the code")
        return decide_all(state, items)

    monkeypatch.setattr("actors.organization_actor.decide_all", decide_all_but)


async def test_a_full_mailbox_is_told_counted_and_logged_once_a_burst(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.mailboxes.MAILBOX", 3)
    with structlog.testing.capture_logs() as logs:
        answer = await shard.deliver(accepted(world, call_rows(1, "a", world.clock.at)))
        assert (answer.accepted, answer.overloaded) == (3, 3)
    assert [entry["event"] for entry in logs if entry["event"] == "mailbox full"] == ["mailbox full"]
    assert shard.status()["overloaded"] == 3
    world.clock.at += 120_000
    await until(lambda: len(world.applied()) == 6)


async def test_an_idle_organization_rests_unless_watched_or_with_a_call(world: World, shard: Shard) -> None:
    rows = call_rows(1, "a", world.clock.at)
    await shard.deliver(accepted(world, rows[:3]))
    await until(lambda: len(world.applied()) == 3)
    world.clock.at += 16 * 60_000
    await shard._tidy()
    await asyncio.sleep(0.05)
    assert shard.status()["organizations"] == 1, "a call goes on"
    await shard.deliver([*accepted(world, rows[3:]), Delivery(organization_id=ORGANIZATION, item=Watch())])
    await until(lambda: len(world.applied()) == 6)
    world.clock.at += 16 * 60_000
    await shard.deliver([Delivery(organization_id=ORGANIZATION, item=Watch())])
    await shard._tidy()
    await asyncio.sleep(0.05)
    assert shard.status()["organizations"] == 1, "somebody looks"
    world.clock.at += WATCH_MS
    await shard._tidy()
    await until(lambda: shard.status()["organizations"] == 0)
    assert world.held is not None
    board = await shard.snapshot(ORGANIZATION)
    assert board is not None
    assert int(board.position.partition("-")[2]) > 0, "the feed goes on where it was"


async def test_a_noisy_organization_holds_up_no_other() -> None:
    turns: list[str] = []

    async def take_in(organization_id: str, _items: Sequence[Item]) -> bool:
        turns.append(organization_id)
        await asyncio.sleep(0)
        return True

    async def do(_organization_id: str, _chore: Chore) -> None:
        raise AssertionError("nobody asked")

    boxes = Mailboxes(take_in, do)
    for number in range(2_000):
        assert boxes.post("noisy", Hear(call_id="call", at=number))
    assert not boxes.post("noisy", Hear(call_id="call", at=2_000))
    quiet = [f"quiet-{number}" for number in range(50)]
    for organization_id in quiet:
        assert boxes.post(organization_id, Hear(call_id="call", at=0))
    await boxes.drained(["noisy", *quiet], seconds=10)
    assert set(turns[: len(quiet) + 2]) == {"noisy", *quiet}, "each had its turn before the noisy one its third"


@pytest_asyncio.fixture
async def hasty(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shard]:
    """A shard that puts to rest at once whatever may rest."""
    monkeypatch.setattr("actors.shard.TIDY_SECONDS", 0.02)
    monkeypatch.setattr("actors.shard.IDLE_MS", -1)
    shard = Shard(name="organization-shard-0", incarnation=str(uuid4()), shards=1, ports=world.ports(Faults(Random(0))))
    await shard.start()
    await until(lambda: shard.status()["slots"] == 1)
    yield shard
    await shard.stop()


async def test_an_organization_rests_only_once_its_incidents_have_ended(world: World, hasty: Shard) -> None:
    rows = call_rows(1, "a", world.clock.at)
    await hasty.deliver(accepted(world, rows[:4]))
    await until(lambda: [each.rule for each in world.incidents.values() if each.is_open] == ["call-hangs"])
    assert (hasty.status()["open_incidents"], hasty.status()["organizations"]) == (1, 1)
    await hasty.deliver(accepted(world, rows[4:]))
    await until(lambda: not any(each.is_open for each in world.incidents.values()))
    await until(lambda: hasty.status()["organizations"] == 0)
    assert len(world.incidents) == 1


async def test_where_nothing_goes_on_nothing_is_watched(world: World, shard: Shard) -> None:
    calm = [each for each in call_rows(1, "a", world.clock.at) if each.type != "hang"]
    await shard.deliver(accepted(world, calm[:2]))
    await until(lambda: shard.status()["watched"] == 1)
    await shard.deliver(accepted(world, calm[2:]))
    await until(lambda: shard.status()["watched"] == 0)
    assert shard.status()["organizations"] == 1


async def test_a_tick_during_a_commit_leaves_the_organization_watched(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, reached, may_go_on = OrganizationActor._commit, asyncio.Event(), asyncio.Event()

    async def wait(actor: OrganizationActor, decided: Round) -> None:
        reached.set()
        await may_go_on.wait()
        await commit(actor, decided)

    monkeypatch.setattr(OrganizationActor, "_commit", wait)
    await shard.deliver(accepted(world, call_rows(1, "a", world.clock.at)[:2]))
    await reached.wait()
    await shard._tick()
    assert shard.status()["watched"] == 0, "nothing goes on yet, as memory has it"
    may_go_on.set()
    await until(lambda: shard.status()["watched"] == 1)


async def test_a_batch_under_way_when_a_shard_stops_is_saved_and_published(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shard.deliver(accepted(world, call_rows(1, "a", world.clock.at)[:1]))
    await until(lambda: len(world.applied()) == 1)
    commit, reached, may_go_on = OrganizationActor._commit, asyncio.Event(), asyncio.Event()

    async def wait(actor: OrganizationActor, decided: Round) -> None:
        reached.set()
        await may_go_on.wait()
        await commit(actor, decided)

    monkeypatch.setattr(OrganizationActor, "_commit", wait)
    await shard.deliver(accepted(world, call_rows(10, "b", world.clock.at)[:1]))
    await reached.wait()
    stopping = asyncio.create_task(shard.stop())
    await until(lambda: shard.status()["slots"] == 0)
    may_go_on.set()
    await stopping
    assert world.held is not None
    assert world.held.state.calls.keys() == {"a", "b"}
    assert '"call_id": "b"' in json.dumps([events for _, _, events in world.stream])


async def test_a_fault_in_judging_one_organization_ends_no_loop(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_actor: OrganizationActor, _now: int) -> bool:
        raise RuntimeError("a fault of the code")

    monkeypatch.setattr(OrganizationActor, "needs_tick", fail)
    rows = call_rows(1, "a", world.clock.at)
    await shard.deliver(accepted(world, rows[:3]))
    await until(lambda: len(world.applied()) == 3 and shard.status()["watched"] == 0)
    await shard.deliver(accepted(world, rows[3:]))
    await until(lambda: len(world.applied()) == len(rows))


async def test_a_request_to_a_full_mailbox_is_answered_at_once(
    world: World, shard: Shard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.mailboxes.MAILBOX", 0)
    request = row(1, "a", "assistant-request", at=world.clock.at)
    world.accept(request)
    with pytest.raises(OverloadedError):
        await shard.admit(ORGANIZATION, request)
    assert shard.status()["overloaded"] == 1
    assert request.id not in shard._requests


async def test_requests_of_the_api_are_granted_by_the_settings_of_the_moment(shard: Shard) -> None:
    grant = await shard.grant(ORGANIZATION, 50)
    assert grant is not None
    assert (grant.granted, grant.limit, grant.remaining) == (20, 200, 180)
