import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from actors import router as router_module
from actors.api_limits import Grant
from actors.domain.commands import Hear, InboxRow
from actors.domain.views import View
from actors.organization_actor import BoardSnapshot
from actors.ports import Delivery, Lease, OverloadedError, UnavailableError, Watch
from actors.router import BATCH, ShardRouter
from actors.shard import DeliveryAnswer
from actors.slots import SLOTS, slot_of
from tests.fakes.events import row

ORGANIZATION_ID = str(UUID(int=1))
OTHER_ID = next(other for number in range(2, 99) if slot_of(other := str(UUID(int=number))) != slot_of(ORGANIZATION_ID))


@dataclass
class Shard:
    """A shard whose answers wait for `gate`. It owns what `owned` says, and may be dead."""

    owned: set[str] = field(default_factory=lambda: {ORGANIZATION_ID, OTHER_ID})
    dead: bool = False
    overloaded: bool = False
    asked: int = 0
    fault: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    batches: list[Sequence[Delivery]] = field(default_factory=list[Sequence[Delivery]])

    @property
    def heard(self) -> list[int]:
        return [number_of(delivery) for batch in self.batches for delivery in batch]

    async def deliver(self, deliveries: Sequence[Delivery]) -> DeliveryAnswer:
        self.batches.append(deliveries)
        await self.gate.wait()
        if self.dead:
            raise UnavailableError("dead")
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        strangers = frozenset(each.organization_id for each in deliveries) - self.owned
        accepted = sum(each.organization_id in self.owned for each in deliveries)
        return DeliveryAnswer(accepted=accepted, not_owned=strangers, overloaded=0)

    async def admit(self, organization_id: str, request: InboxRow) -> str | None:
        self.asked += 1
        if self.overloaded:
            raise OverloadedError("full")
        if self.dead:
            raise UnavailableError("dead")
        return "accepted" if organization_id in self.owned else None

    async def grant(self, organization_id: str, wanted: int) -> Grant | None:
        if self.dead:
            raise UnavailableError("dead")
        if organization_id not in self.owned:
            return None
        return Grant(granted=wanted, limit=200, remaining=197, full_after=0.0, retry_after=0.0)

    async def slots(self, organization_id: str) -> "View | None":
        return {} if organization_id in self.owned else None

    async def snapshot(self, organization_id: str) -> BoardSnapshot | None:
        if self.dead:
            raise UnavailableError("dead")
        if organization_id not in self.owned:
            return None
        return BoardSnapshot(position="7-1", state={"organization": organization_id})


@dataclass
class Ownership:
    """Postgres, as far as a router can tell."""

    slots: dict[int, str]
    reads: int = 0
    away: bool = False
    fault: Exception | None = None

    async def owners(self) -> Mapping[int, str]:
        self.reads += 1
        if self.fault is not None:
            raise self.fault
        if self.away:
            raise UnavailableError("away")
        return dict(self.slots)

    async def claim(self, owner: str, *, held: Sequence[Lease], share: int, lease_seconds: float) -> Sequence[Lease]:
        raise AssertionError("a router reads owners and claims nothing")


@dataclass
class Field:
    """Two shards, of which the first owns everything at first."""

    one: Shard = field(default_factory=Shard)
    two: Shard = field(default_factory=Shard)
    ownership: Ownership = field(default_factory=lambda: Ownership(dict.fromkeys(range(SLOTS), "one")))

    def give(self, organization_id: str, name: str) -> None:
        self.ownership.slots[slot_of(organization_id)] = name
        for shard_name, shard in (("one", self.one), ("two", self.two)):
            (shard.owned.add if shard_name == name else shard.owned.discard)(organization_id)

    def router(self, *, max_queued: int = 2_000) -> ShardRouter:
        shards = {"one": self.one, "two": self.two}
        return ShardRouter(self.ownership, shards.__getitem__, max_queued=max_queued)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def world() -> Field:
    return Field()


@pytest_asyncio.fixture
async def router(world: Field) -> AsyncIterator[ShardRouter]:
    router = world.router(max_queued=1_000)
    await router.start()
    yield router
    await router.close()


def heard(number: int, organization_id: str = ORGANIZATION_ID) -> Delivery:
    return Delivery(organization_id=organization_id, item=Hear(call_id="call", at=number))


def number_of(delivery: Delivery) -> int:
    assert isinstance(delivery.item, Hear)
    return delivery.item.at


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # conditions of several parties, no one event
            await asyncio.sleep(0.001)


async def test_while_one_batch_is_under_way_the_next_gathers(world: Field, router: ShardRouter) -> None:
    assert router.offer(heard(0))
    await until(lambda: len(world.one.batches) == 1)
    for number in range(1, BATCH + 11):
        assert router.offer(heard(number))
    assert len(world.one.batches) == 1
    world.one.gate.set()
    await until(lambda: router.figures.delivered == BATCH + 11)
    assert [len(batch) for batch in world.one.batches] == [1, BATCH, 10]
    assert world.one.heard == list(range(BATCH + 11))


async def test_a_slow_shard_does_not_hold_up_another(world: Field, router: ShardRouter) -> None:
    world.give(OTHER_ID, "two")
    await router.close()
    await router.start()
    world.two.gate.set()
    router.offer(heard(1))
    router.offer(heard(2, OTHER_ID))
    await until(lambda: world.two.heard == [2])
    assert router.figures.delivered <= 1


async def test_a_full_queue_refuses_and_counts(world: Field, router: ShardRouter) -> None:
    router.offer(heard(0))
    await until(lambda: len(world.one.batches) == 1)
    taken = [router.offer(heard(number)) for number in range(1, 1_003)]
    assert taken == [True] * 1_000 + [False] * 2
    assert router.figures.overflowed == 2
    world.one.gate.set()
    await until(lambda: router.figures.delivered == 1_001)


async def test_what_nobody_owns_is_refused_until_somebody_does(world: Field, router: ShardRouter) -> None:
    world.ownership.slots.clear()
    await router.close()
    await router.start()
    assert not router.offer(heard(0))
    assert router.figures.unrouted == 1
    world.give(ORGANIZATION_ID, "one")
    world.one.gate.set()
    await until(lambda: router.offer(heard(1)))
    await until(lambda: world.one.heard == [1])


async def test_what_another_shard_owns_follows_it_there(world: Field, router: ShardRouter) -> None:
    world.give(OTHER_ID, "two")
    world.one.gate.set()
    world.two.gate.set()
    router.offer(heard(1))
    router.offer(heard(2, OTHER_ID))
    await until(lambda: router.figures.delivered == 2)
    assert world.two.heard == [2]
    router.offer(heard(3, OTHER_ID))
    await until(lambda: world.two.heard == [2, 3])
    assert world.one.heard == [1, 2]
    assert router.figures.lost == 0


async def test_what_two_shards_disown_is_lost_and_counted(world: Field, router: ShardRouter) -> None:
    world.one.owned.clear()
    world.one.gate.set()
    router.offer(heard(1))
    await until(lambda: router.figures.lost == 1)
    assert world.one.heard == [1, 1]
    assert router.figures.delivered == 0


async def test_a_dead_shards_queue_goes_to_its_successor(world: Field, router: ShardRouter) -> None:
    router.offer(heard(0))
    await until(lambda: len(world.one.batches) == 1)
    router.offer(heard(1))
    world.one.dead = True
    world.give(ORGANIZATION_ID, "two")
    world.two.gate.set()
    world.one.gate.set()
    await until(lambda: world.two.heard == [1])
    assert router.figures.lost == 1, "what was under way may have arrived: chatter is not sent twice"


async def test_a_shard_that_comes_back_is_served_again(world: Field, router: ShardRouter) -> None:
    world.one.dead = True
    world.one.gate.set()
    router.offer(heard(0))
    await until(lambda: router.figures.lost == 1)
    world.one.dead = False
    router.offer(heard(1))
    await until(lambda: router.figures.delivered == 1)


async def test_many_mistakes_cause_few_reads_of_the_map(world: Field, router: ShardRouter) -> None:
    world.one.owned.clear()
    world.ownership.slots.clear()
    world.one.gate.set()
    before = world.ownership.reads
    for number in range(500):
        router.offer(heard(number))
    await until(lambda: router.figures.unrouted >= 500)
    assert world.ownership.reads - before <= 2


async def test_a_board_comes_from_whoever_owns_it_now(world: Field, router: ShardRouter) -> None:
    board = BoardSnapshot(position="7-1", state={"organization": OTHER_ID})
    assert await router.snapshot(OTHER_ID) == board
    world.give(OTHER_ID, "two")
    assert await router.snapshot(OTHER_ID) == board
    world.two.dead = True
    asked = asyncio.create_task(router.snapshot(OTHER_ID))
    reads = world.ownership.reads
    await until(lambda: world.ownership.reads > reads)
    world.give(OTHER_ID, "one")
    assert await asked == board


async def test_without_an_owner_a_board_is_unavailable(
    world: Field, router: ShardRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router_module, "SNAPSHOT_SECONDS", 0.3)
    world.one.dead = True
    with pytest.raises(UnavailableError) as failure:
        await router.snapshot(ORGANIZATION_ID)
    assert str(failure.value.__cause__) == "dead"


async def test_postgres_away_keeps_the_map_known(world: Field, router: ShardRouter) -> None:
    world.ownership.away = True
    world.one.owned.discard(OTHER_ID)
    world.one.gate.set()
    router.offer(heard(0, OTHER_ID))
    await until(lambda: router.figures.lost == 1)
    assert router.offer(heard(1))
    await until(lambda: router.figures.delivered == 1)


async def test_a_lane_that_fails_is_told_and_opened_again(world: Field, router: ShardRouter) -> None:
    router.offer(heard(0))
    await until(lambda: len(world.one.batches) == 1)
    router.offer(heard(1))
    world.one.fault = ValueError("a fault of the code")
    with capture_logs() as logs:
        world.one.gate.set()
        await until(lambda: world.one.heard == [0, 1])
        router.offer(heard(2))
        await until(lambda: world.one.heard == [0, 1, 2])
    assert [(log["log_level"], str(log["exc_info"])) for log in logs] == [("error", "a fault of the code")]
    await until(lambda: router.figures.delivered == 2)
    assert router.figures.lost == 1


async def test_an_unexpected_fault_of_postgres_hangs_nobody(world: Field) -> None:
    world.ownership.fault = ValueError("a fault of the code")
    router = world.router()
    async with asyncio.timeout(30):
        with capture_logs() as logs:
            await router.start()
        assert [log["log_level"] for log in logs] == ["error"]
        assert not router.offer(heard(0))
        world.ownership.fault = None
        world.one.gate.set()
        await until(lambda: router.offer(heard(1)))
        await until(lambda: world.one.heard == [1])
        await router.close()


async def test_one_organization_leaves_room_for_the_others(world: Field, router: ShardRouter) -> None:
    taken = [router.offer(heard(number)) for number in range(1_200)]
    assert sum(taken) == 1_000
    assert router.offer(heard(1_000, OTHER_ID))
    world.one.gate.set()
    await until(lambda: len(world.one.heard) == 1_001)
    assert router.offer(heard(2_000)), "there is room again once they are gone"


async def test_a_look_goes_to_the_owner(world: Field, router: ShardRouter) -> None:
    world.one.gate.set()
    assert router.watch(ORGANIZATION_ID)
    await until(lambda: bool(world.one.batches))
    assert world.one.batches == [[Delivery(organization_id=ORGANIZATION_ID, item=Watch())]]


async def test_an_owner_with_too_much_to_do_says_so_at_once(world: Field, router: ShardRouter) -> None:
    world.one.overloaded = True
    with pytest.raises(OverloadedError):
        await router.admit(ORGANIZATION_ID, row(1, "a", "assistant-request", at=0), seconds=60)
    assert world.one.asked == 1


async def test_requests_of_the_api_are_granted_by_whoever_owns_it_now(world: Field, router: ShardRouter) -> None:
    world.give(ORGANIZATION_ID, "two")
    assert (await router.grant(ORGANIZATION_ID, 3)).granted == 3
    world.two.dead = True
    with pytest.raises(UnavailableError):
        await router.grant(ORGANIZATION_ID, 3)
