"""Incidents in Postgres: written under the owner's epoch, one open for a rule and a call, read back as they were."""

from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from actors.domain.alarm_rules import DEFAULT_RULES, Metric, Rule
from actors.domain.alarms import Evidence, Incident, open_incident
from actors.domain.commands import Tick
from actors.organization_actor import OrganizationActor
from actors.ports import AlreadyAppliedError, Batch, Lease, StaleOwnerError
from actors.slots import SLOTS, slot_of
from storage.alarm_rules import replace_alarm_rules
from storage.journal import PostgresJournal
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from tests.fakes.world import Faults, World
from tests.integration.rows import Rows

RULE = DEFAULT_RULES[0]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=4, name="test")
    yield pool
    await pool.close()


@pytest.fixture
def journal(pool: Pool) -> PostgresJournal:
    return PostgresJournal(pool)


@pytest_asyncio.fixture
async def batch(pool: Pool) -> Batch:
    rows = Rows(pool)
    organization_id = await rows.add_organization()
    claimed = await PostgresOwnership(pool).claim("shard-0", held=(), share=SLOTS, lease_seconds=60)
    leases = {lease.slot: lease for lease in claimed}
    lease: Lease = leases[slot_of(organization_id)]
    return Batch(
        organization_id=organization_id, lease=lease, owner="shard-0", marks=(), calls=(), effects=(), at=rows.now
    )


def incident_of(batch: Batch, *, call_id: str | None = "call-1", at: int = 0) -> Incident:
    evidence = Evidence(value=1_800.5, since=batch.at - 9, call_id=call_id, detail="a 'detail'")
    return open_incident(
        RULE, evidence, organization_id=batch.organization_id, call_id=call_id, at=batch.at + at, before=None
    )


async def told(journal: PostgresJournal, batch: Batch, **asked: Any) -> list[Incident]:
    wanted: dict[str, Any] = {"closed_after": batch.at, "muted_after": batch.at, "incident_ids": [], **asked}
    return list(await journal.incidents(batch.organization_id, **wanted))


async def test_an_incident_is_read_back_as_it_was_written(journal: PostgresJournal, batch: Batch) -> None:
    opened = incident_of(batch)
    for each in (
        opened,
        replace(opened, acknowledged_at=batch.at + 5, acknowledged_by="Ada", muted_until=batch.at + 9),
    ):
        await journal.commit(replace(batch, incidents=[each]))
        assert await told(journal, batch) == [each]


@pytest.mark.parametrize("call_id", ["call-1", None])
async def test_a_second_open_incident_of_one_rule_and_call_is_refused(
    journal: PostgresJournal, batch: Batch, call_id: str | None
) -> None:
    first, second = incident_of(batch, call_id=call_id), incident_of(batch, call_id=call_id, at=1)
    await journal.commit(replace(batch, incidents=[first]))
    with pytest.raises(AlreadyAppliedError):
        await journal.commit(replace(batch, incidents=[second]))
    assert await told(journal, batch) == [first]
    ended = replace(first, resolved_at=batch.at + 1, resolved_by="Ada")
    await journal.commit(replace(batch, incidents=[ended, second]))
    assert {each.incident_id for each in await told(journal, batch)} == {first.incident_id, second.incident_id}


async def test_a_stale_owners_incidents_are_refused(journal: PostgresJournal, batch: Batch, pool: Pool) -> None:
    await pool.execute("update slot_owner set epoch = epoch + 1")
    with pytest.raises(StaleOwnerError):
        await journal.commit(replace(batch, incidents=[incident_of(batch)]))
    assert await told(journal, batch) == []


async def test_ended_incidents_are_told_while_they_cool_are_muted_or_are_asked_for(
    journal: PostgresJournal, batch: Batch
) -> None:
    ended = replace(incident_of(batch), recovered_at=batch.at)
    muted = replace(incident_of(batch, call_id="call-2"), recovered_at=batch.at, muted_until=batch.at + 600_000)
    await journal.commit(replace(batch, incidents=[ended, muted]))
    assert await told(journal, batch) == [muted]
    assert await told(journal, batch, muted_after=batch.at + 600_000) == []
    assert set(await told(journal, batch, closed_after=batch.at - 1)) == {ended, muted}
    assert set(await told(journal, batch, incident_ids=[ended.incident_id])) == {ended, muted}


async def test_an_organizations_rules_are_replaced_whole(journal: PostgresJournal, batch: Batch, pool: Pool) -> None:
    for rules in ((RULE, Rule(name="mine", metric=Metric.HANGS, threshold=2, clear=2)), (RULE,), ()):
        await replace_alarm_rules(
            pool, organization_id=batch.organization_id, rules=rules, actor="Ada", at=batch.at, only_from=None
        )
        profile = await journal.profile(batch.organization_id)
        assert profile is not None
        assert profile.alarm_rules == rules


async def test_an_open_incident_is_work_for_a_starting_owner(
    journal: PostgresJournal, batch: Batch, pool: Pool
) -> None:
    ownership = PostgresOwnership(pool)
    slots = [batch.lease.slot]
    assert batch.organization_id not in await ownership.organizations_with_work(slots)
    opened = incident_of(batch)
    await journal.commit(replace(batch, incidents=[opened]))
    assert batch.organization_id in await ownership.organizations_with_work(slots)
    await journal.commit(replace(batch, incidents=[replace(opened, recovered_at=batch.at + 1)]))
    assert batch.organization_id not in await ownership.organizations_with_work(slots)


async def test_an_actor_takes_open_incidents_up_and_ends_those_whose_call_is_gone(
    journal: PostgresJournal, batch: Batch
) -> None:
    opened = incident_of(batch)
    await journal.commit(replace(batch, incidents=[opened]))
    world = World(batch.organization_id)
    world.clock.at = batch.at
    ports = replace(world.ports(Faults(Random(0))), journal=journal)
    actor = await OrganizationActor.recover(batch.organization_id, lease=batch.lease, owner="shard-0", ports=ports)
    assert actor.state.alarms.open == (opened,)
    assert not actor.is_at_rest
    await actor.process([Tick(at=batch.at + 60_000)])
    assert actor.is_at_rest
    assert await told(journal, batch) == [replace(opened, recovered_at=batch.at + 60_000)]
