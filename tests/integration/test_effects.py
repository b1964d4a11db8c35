from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from actors.domain.effects import SignalProcessing
from actors.ports import Batch, PendingEffect
from actors.slots import SLOTS, slot_of
from storage.effects import PostgresEffects
from storage.journal import FIRST_RETRY_MS, PostgresJournal
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from tests.integration.rows import Rows

SEEN = SignalProcessing(call_id="call-1", effect="processing:seen")
ENDED = SignalProcessing(call_id="call-1", effect="processing:ended")


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=2, name="test")
    yield pool
    await pool.close()


@pytest.fixture
def effects(pool: Pool) -> PostgresEffects:
    return PostgresEffects(pool)


@pytest.fixture
def now(pool: Pool) -> int:
    return Rows(pool).now


@pytest_asyncio.fixture
async def organization_id(pool: Pool, now: int) -> str:
    """An organization with two effects committed at `now`."""
    organization_id = await Rows(pool).add_organization()
    leases = await PostgresOwnership(pool).claim("shard-0", held=(), share=SLOTS, lease_seconds=60)
    lease = next(lease for lease in leases if lease.slot == slot_of(organization_id))
    await PostgresJournal(pool).commit(
        Batch(
            organization_id=organization_id,
            lease=lease,
            owner="shard-0",
            marks=(),
            calls=(),
            effects=[SEEN, ENDED],
            at=now,
        )
    )
    return organization_id


async def test_an_effect_is_due_once_its_first_run_had_time(
    effects: PostgresEffects, organization_id: str, now: int
) -> None:
    slots = [slot_of(organization_id)]
    assert await effects.due(slots, now=now + FIRST_RETRY_MS - 1, limit=10) == []
    due = await effects.due(slots, now=now + FIRST_RETRY_MS, limit=10)
    assert {each.effect for each in due} == {SEEN, ENDED}
    assert due[0] == PendingEffect(organization_id=organization_id, effect=due[0].effect, attempts=0)
    assert len(await effects.due(slots, now=now + FIRST_RETRY_MS, limit=1)) == 1
    others = [slot for slot in range(SLOTS) if slot not in slots]
    assert await effects.due(others, now=now + FIRST_RETRY_MS, limit=10) == []


async def test_a_failed_attempt_is_counted_and_waits(effects: PostgresEffects, organization_id: str, now: int) -> None:
    slots = [slot_of(organization_id)]
    await effects.delay(organization_id, [SEEN], retry_at=now + 60_000)
    assert [each.effect for each in await effects.due(slots, now=now + 59_999, limit=10)] == [ENDED]
    due = await effects.due(slots, now=now + 60_000, limit=10)
    assert [(each.effect, each.attempts) for each in due] == [(ENDED, 0), (SEEN, 1)]


async def test_a_confirmed_effect_is_never_due_again(
    effects: PostgresEffects, organization_id: str, now: int, pool: Pool
) -> None:
    slots = [slot_of(organization_id)]
    await effects.confirm(organization_id, [SEEN], at=now + 1)
    await effects.confirm(organization_id, [SEEN], at=now + 2)
    await effects.delay(organization_id, [SEEN], retry_at=now)
    assert [each.effect for each in await effects.due(slots, now=now + 60_000, limit=10)] == [ENDED]
    first = await pool.fetchval("select count(distinct confirmed_at) from effects where attempts = 0")
    assert first == 1
    stranger = await Rows(pool).add_organization()
    await effects.confirm(stranger, [ENDED], at=now)
    assert [each.effect for each in await effects.due(slots, now=now + 60_000, limit=10)] == [ENDED]
