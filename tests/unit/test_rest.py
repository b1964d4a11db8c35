# pyright: reportPrivateUsage=false
import asyncio
from collections.abc import Callable
from random import Random
from uuid import uuid4

import pytest

from actors.domain.commands import InboxRow
from actors.organization_actor import OrganizationActor
from actors.ports import Delivery, Lease, UnavailableError, UnknownOrganizationError
from actors.residents import Residents
from actors.shard import IDLE_MS, Shard
from tests.fakes.world import Faults, World


async def test_an_organization_that_rested_goes_on_in_its_feed_without_a_hole_or_a_repeat() -> None:
    world = World(str(uuid4()))
    shard = Shard(name="shard-0", incarnation=str(uuid4()), shards=1, ports=world.ports(Faults(Random(0))))
    await shard._keeper.keep()
    await _deliver_a_report(world, shard)
    await until(lambda: len(world.stream) == 2)
    before = await shard.snapshot(world.organization_id)

    await _rest(world, shard)
    after = await shard.snapshot(world.organization_id)
    assert before is not None
    assert after is not None
    assert (before.position, after.position) == ("2-1", "2-2")
    assert [(epoch, n) for epoch, n, _ in world.stream] == [(2, 0), (2, 1), (2, 2)]
    assert after.state["calls"] == before.state["calls"]

    assert shard._keeper.give_up(world.lease())
    world.owner = None
    await shard._keeper.keep()
    claimed = await shard.snapshot(world.organization_id)
    assert claimed is not None
    assert claimed.position == "3-0"


async def test_an_organization_whose_rest_was_forgotten_goes_on_under_a_higher_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.residents.RESTED", 0)
    world = World(str(uuid4()))
    shard = Shard(name="shard-0", incarnation=str(uuid4()), shards=1, ports=world.ports(Faults(Random(0))))
    await shard._keeper.keep()
    await _deliver_a_report(world, shard)
    await until(lambda: len(world.stream) == 2)
    await _rest(world, shard)
    assert len(shard._residents._rested) == 0
    await shard.snapshot(world.organization_id)
    await until(lambda: shard.status()["slots"] == 0)
    await shard._keeper.keep()
    board = await shard.snapshot(world.organization_id)
    assert board is not None
    assert board.position == "3-0", "the stream refused to begin anew at the old epoch"
    await until(lambda: [(epoch, n) for epoch, n, _ in world.stream] == [(2, 0), (2, 1), (3, 0)])


async def test_only_so_many_organizations_come_up_at_once_and_only_so_many_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.residents.ACTIVATIONS", 2)
    monkeypatch.setattr("actors.residents.COMING_UP", 5)
    recovering, most, gate = 0, 0, asyncio.Event()

    async def recover(organization_id: str, **_: object) -> OrganizationActor:
        nonlocal recovering, most
        recovering += 1
        most = max(most, recovering)
        await gate.wait()
        recovering -= 1
        raise UnknownOrganizationError(organization_id)

    monkeypatch.setattr(OrganizationActor, "recover", recover)
    world = World(str(uuid4()))
    residents = Residents(
        owner="shard-0",
        ports=world.ports(Faults(Random(0))),
        lease_of=lambda slot: Lease(slot=slot, epoch=1),
        on_up=lambda _: None,
    )
    asked = [asyncio.create_task(residents.active(str(uuid4()))) for _ in range(5)]
    await until(lambda: recovering == 2)
    with pytest.raises(UnavailableError):
        await residents.active(str(uuid4()))
    gate.set()
    await asyncio.wait(asked)
    assert [type(each.exception()) for each in asked] == [UnknownOrganizationError] * 5
    assert most == 2


async def _deliver_a_report(world: World, shard: Shard) -> None:
    row = InboxRow(
        id=1,
        provider="vapi",
        event_key="key",
        type="end-of-call-report",
        call_id="call",
        facts={},
        occurred_at=None,
        received_at=world.clock.at,
    )
    world.accept(row)
    await shard.deliver([Delivery(organization_id=world.organization_id, item=row)])


async def _rest(world: World, shard: Shard) -> None:
    world.clock.at += IDLE_MS + 1
    await shard._tidy()
    await shard._mailboxes.drained([world.organization_id], seconds=10)
    assert shard.status()["organizations"] == 0


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110  # polls a shard that has no event for it
            await asyncio.sleep(0.01)
