import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from actors.domain.commands import InboxRow
from actors.ports import Census, Lease, StaleOwnerError
from actors.slots import SLOTS, slot_of
from storage.ownership import PostgresOwnership
from storage.placement import dedicated_slots, pin_slots, plan_shards, planned_shards, set_dedicated
from storage.postgres import Pool, open_pool
from storage.statements import statement
from tests.integration.rows import Rows

LONG = 60.0


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=4, name="test")
    yield pool
    await pool.close()


@pytest.fixture
def ownership(pool: Pool) -> PostgresOwnership:
    return PostgresOwnership(pool)


def slots(leases: Sequence[Lease]) -> set[int]:
    return {lease.slot for lease in leases}


async def expire(pool: Pool, owner: str) -> None:
    await pool.execute("update slot_owner set lease_until = now() - interval '1 second' where owner = $1", owner)


async def test_two_claimers_at_once_share_every_slot_without_overlap(ownership: PostgresOwnership) -> None:
    one, two = await asyncio.gather(
        *(ownership.claim(name, held=(), share=SLOTS // 2, lease_seconds=LONG) for name in ("shard-0", "shard-1"))
    )
    # A row the other had locked was skipped: the next round brings it.
    one = [*one, *await ownership.claim("shard-0", held=one, share=SLOTS // 2, lease_seconds=LONG)]
    two = [*two, *await ownership.claim("shard-1", held=two, share=SLOTS // 2, lease_seconds=LONG)]
    assert len(one) == len(two) == SLOTS // 2
    assert slots(one) | slots(two) == set(range(SLOTS))
    owners = await ownership.owners()
    assert {slot for slot, owner in owners.items() if owner == "shard-0"} == slots(one)
    assert {slot for slot, owner in owners.items() if owner == "shard-1"} == slots(two)


async def test_a_claim_does_not_wait_for_another_under_way(ownership: PostgresOwnership, pool: Pool) -> None:
    async with pool.acquire() as other, other.transaction():
        first = await other.fetch(statement("ownership_claim"), "shard-0", [], SLOTS // 2, LONG, False)
        second = await ownership.claim("shard-1", held=(), share=SLOTS // 2, lease_seconds=LONG)
    assert slots(second) == set(range(SLOTS)) - {record["slot"] for record in first}


async def test_nobody_takes_a_slot_whose_lease_runs(ownership: PostgresOwnership) -> None:
    await ownership.claim("shard-0", held=(), share=SLOTS, lease_seconds=LONG)
    assert await ownership.claim("shard-1", held=(), share=SLOTS, lease_seconds=LONG) == []


async def test_an_expired_lease_is_taken_over_under_a_higher_epoch(ownership: PostgresOwnership, pool: Pool) -> None:
    before = await ownership.claim("shard-0", held=(), share=SLOTS, lease_seconds=LONG)
    await expire(pool, "shard-0")
    assert await ownership.owners() == {}
    taken = await ownership.claim("shard-1", held=(), share=10, lease_seconds=LONG)
    assert len(taken) == 10
    epochs = {lease.slot: lease.epoch for lease in before}
    assert all(lease.epoch == epochs[lease.slot] + 1 for lease in taken)
    kept = await ownership.renew("shard-0", before, lease_seconds=LONG)
    assert slots(kept) == set(range(SLOTS)) - slots(taken)


async def test_a_restarted_shard_has_its_own_slots_at_once(ownership: PostgresOwnership) -> None:
    before = await ownership.claim("shard-0", held=(), share=20, lease_seconds=LONG)
    again = await ownership.claim("shard-0", held=(), share=20, lease_seconds=LONG)
    assert {(lease.slot, lease.epoch - 1) for lease in again} == {(lease.slot, lease.epoch) for lease in before}
    assert await ownership.renew("shard-0", before, lease_seconds=LONG) == []


async def test_what_is_held_is_not_claimed_again(ownership: PostgresOwnership) -> None:
    held = await ownership.claim("shard-0", held=(), share=20, lease_seconds=LONG)
    assert await ownership.claim("shard-0", held=held, share=20, lease_seconds=LONG) == []
    more = await ownership.claim("shard-0", held=held, share=25, lease_seconds=LONG)
    assert len(more) == 5
    assert not slots(more) & slots(held)
    assert len(await ownership.renew("shard-0", [*held, *more], lease_seconds=LONG)) == 25


async def test_a_released_slot_is_free_at_once_but_not_one_claimed_since(ownership: PostgresOwnership) -> None:
    before = await ownership.claim("shard-0", held=(), share=4, lease_seconds=LONG)
    again = await ownership.claim("shard-0", held=(), share=4, lease_seconds=LONG)
    await ownership.release("shard-0", before)
    assert len(await ownership.owners()) == 4
    await ownership.release("shard-0", again)
    assert await ownership.owners() == {}
    (taken,) = await ownership.claim("shard-1", held=(), share=1, lease_seconds=LONG)
    assert taken.epoch == 3


async def beat(ownership: PostgresOwnership, owner: str, *, seconds: float, number: int = 0, first: bool = True) -> int:
    incarnation = str(UUID(int=number))
    census = await ownership.beat(owner, incarnation=incarnation, first=first, lease_seconds=seconds)
    return census.alive


async def test_a_later_process_takes_the_name_and_the_earlier_is_told(ownership: PostgresOwnership) -> None:
    await beat(ownership, "shard-0", number=1, seconds=LONG)
    await beat(ownership, "shard-0", number=1, first=False, seconds=LONG)
    await beat(ownership, "shard-0", number=2, seconds=LONG)
    with pytest.raises(StaleOwnerError):
        await beat(ownership, "shard-0", number=1, first=False, seconds=LONG)
    assert await beat(ownership, "shard-0", number=2, first=False, seconds=LONG) == 1


async def test_a_name_that_was_left_is_still_not_the_earlier_processs(ownership: PostgresOwnership) -> None:
    await beat(ownership, "shard-0", number=1, seconds=LONG)
    await beat(ownership, "shard-0", number=2, seconds=LONG)
    await ownership.leave("shard-0")
    with pytest.raises(StaleOwnerError):
        await beat(ownership, "shard-0", number=1, first=False, seconds=LONG)


async def test_living_shards_are_counted(ownership: PostgresOwnership) -> None:
    assert await beat(ownership, "shard-0", seconds=LONG) == 1
    assert await beat(ownership, "shard-1", seconds=LONG) == 2
    assert await beat(ownership, "shard-1", seconds=LONG) == 2
    await ownership.leave("shard-0")
    assert await beat(ownership, "shard-1", seconds=LONG) == 1
    await beat(ownership, "shard-2", seconds=-1)
    assert await beat(ownership, "shard-1", seconds=LONG) == 1


async def test_work_is_open_calls_and_waiting_rows_of_the_slots_asked_for(
    ownership: PostgresOwnership, pool: Pool
) -> None:
    rows = Rows(pool)
    idle, waiting, live, over = [await rows.add_organization() for _ in range(4)]
    await rows.add_row(waiting, call_id=None)
    await rows.add_call(live, "call", status="in-progress")
    await rows.add_call(over, "call", status="ended")
    found = await ownership.organizations_with_work(range(SLOTS))
    assert set(found) == {waiting, live}
    elsewhere = [slot for slot in range(SLOTS) if slot not in {slot_of(waiting), slot_of(live)}]
    assert await ownership.organizations_with_work(elsewhere) == []
    assert idle not in found


async def test_overdue_rows_are_told_oldest_first_until_applied(ownership: PostgresOwnership, pool: Pool) -> None:
    rows = Rows(pool)
    organization_id = await rows.add_organization()
    second = await rows.add_row(
        organization_id, call_id="call", received_at=rows.now - 5_000, facts={"status": "ended"}
    )
    first = await rows.add_row(organization_id, call_id=None, received_at=rows.now - 6_000)
    await rows.add_row(organization_id, call_id=None, received_at=rows.now)
    found = await ownership.overdue([slot_of(organization_id)], received_before=rows.now - 2_000, limit=10)
    assert [each.organization_id for each in found] == [organization_id] * 2
    items = [each.item for each in found]
    assert all(isinstance(item, InboxRow) for item in items)
    assert [item.id for item in items if isinstance(item, InboxRow)] == [first, second]
    assert isinstance(items[1], InboxRow)
    assert (items[1].facts, items[1].received_at) == ({"status": "ended"}, rows.now - 5_000)
    await pool.execute("update webhook_inbox set applied_at = now(), apply_sequence = id")
    assert await ownership.overdue([slot_of(organization_id)], received_before=rows.now, limit=10) == []


async def test_organizations_hash_to_every_kind_of_slot() -> None:
    assert {slot_of(str(uuid4())) for _ in range(5_000)} == set(range(SLOTS))


async def announce(ownership: PostgresOwnership, owner: str, *, dedicated: bool, seconds: float = LONG) -> Census:
    incarnation = str(UUID(int=1))
    return await ownership.beat(owner, incarnation=incarnation, first=True, dedicated=dedicated, lease_seconds=seconds)


async def test_a_pinned_slot_is_its_shards_alone_while_that_lives(ownership: PostgresOwnership, pool: Pool) -> None:
    await pool.execute("update slot_owner set pinned_to = 'shard-dedicated-7' where slot = 7")
    assert (await announce(ownership, "shard-dedicated-7", dedicated=True)).misplaced == frozenset()
    assert (await announce(ownership, "shard-0", dedicated=False)).alive == 1, "it has no part in the fair share"
    others = await ownership.claim("shard-0", held=(), share=SLOTS, lease_seconds=LONG)
    assert slots(others) == set(range(SLOTS)) - {7}
    own = await ownership.claim("shard-dedicated-7", held=(), share=SLOTS, dedicated=True, lease_seconds=LONG)
    assert slots(own) == {7}


async def test_while_a_dedicated_shard_does_not_live_the_others_serve_its_slot(
    ownership: PostgresOwnership, pool: Pool
) -> None:
    await pool.execute("update slot_owner set pinned_to = 'shard-dedicated-7' where slot = 7")
    everything = await ownership.claim("shard-0", held=(), share=SLOTS, lease_seconds=LONG)
    assert slots(everything) == set(range(SLOTS))
    assert (await announce(ownership, "shard-0", dedicated=False)).misplaced == frozenset()
    await announce(ownership, "shard-dedicated-7", dedicated=True)
    assert (await announce(ownership, "shard-0", dedicated=False)).misplaced == {7}


async def test_a_slot_no_longer_pinned_is_misplaced_with_its_dedicated_shard(
    ownership: PostgresOwnership, pool: Pool
) -> None:
    await pool.execute("update slot_owner set pinned_to = 'shard-dedicated-7' where slot = 7")
    await announce(ownership, "shard-dedicated-7", dedicated=True)
    await ownership.claim("shard-dedicated-7", held=(), share=SLOTS, dedicated=True, lease_seconds=LONG)
    await pool.execute("update slot_owner set pinned_to = null")
    assert (await announce(ownership, "shard-dedicated-7", dedicated=True)).misplaced == {7}


async def test_what_operators_decide_stays_until_the_setting_changes(pool: Pool) -> None:
    assert await planned_shards(pool, 2) == 2
    await plan_shards(pool, 5, configured=2)
    assert await planned_shards(pool, 2) == 5
    assert await planned_shards(pool, 3) == 3, "the deployment says something new"
    await plan_shards(pool, 1, configured=3)
    assert await planned_shards(pool, 3) == 1


async def test_a_dedicated_organizations_slot_is_pinned_until_it_no_longer_is(pool: Pool) -> None:
    one, two = [await Rows(pool).add_organization() for _ in range(2)]
    assert not await set_dedicated(pool, str(uuid4()), dedicated=True)
    for organization_id in (one, two):
        assert await set_dedicated(pool, organization_id, dedicated=True)
    assert await dedicated_slots(pool) == sorted({slot_of(one), slot_of(two)})
    await set_dedicated(pool, two, dedicated=False)
    pinned = "select slot, pinned_to from slot_owner where pinned_to is not null"
    await pin_slots(pool, {slot: f"own-{slot}" for slot in await dedicated_slots(pool)})
    assert [tuple(record) for record in await pool.fetch(pinned)] == [(slot_of(one), f"own-{slot_of(one)}")]
    await pin_slots(pool, {})
    assert await pool.fetch(pinned) == []
