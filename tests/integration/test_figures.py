"""What the live state counts is what Postgres' rows amount to, by field; a closed day is what the board showed."""

from collections.abc import AsyncIterator
from dataclasses import fields, replace
from datetime import timedelta
from random import Random

import pytest
import pytest_asyncio

from actors.domain.capacity import Limits
from actors.domain.commands import InboxRow
from actors.domain.day_view import day_view
from actors.domain.json_types import JSON
from actors.domain.local_day import day_bounds, local_date
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.organization import recall
from actors.organization_actor import OrganizationActor
from actors.ports import Lease, Ports
from actors.slots import SLOTS, slot_of
from storage.inbox import Inbox, NewEvent
from storage.journal import PostgresJournal
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from tests.fakes.events import row, scripted_rows
from tests.fakes.world import Faults, World
from tests.integration.rows import Rows

MINUTE = 60_000
ZONES = ["UTC", "America/New_York", "Australia/Lord_Howe"]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=4, name="test")
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def inbox(pool: Pool) -> AsyncIterator[Inbox]:
    inbox = Inbox(pool)
    yield inbox
    await inbox.close()


async def _ports(pool: Pool, organization_id: str, zone: str, now: int) -> tuple[Ports, Lease, World]:
    claimed = await PostgresOwnership(pool).claim("shard", held=(), share=SLOTS, lease_seconds=60)
    (lease,) = (lease for lease in claimed if lease.slot == slot_of(organization_id))
    world = World(organization_id, time_zone=zone, epoch=lease.epoch)
    world.clock.at = now
    return replace(world.ports(Faults(Random(0))), journal=PostgresJournal(pool)), lease, world


async def _accept(inbox: Inbox, organization_id: str, told: InboxRow, received_at: int) -> tuple[InboxRow, bool]:
    accepted = await inbox.accept(
        NewEvent(
            organization_id=organization_id,
            provider=told.provider,
            event_key=told.event_key,
            type=told.type,
            call_id=told.call_id,
            facts=told.facts,
            occurred_at=told.occurred_at,
            received_at=received_at,
        )
    )
    return accepted.row, accepted.duplicate


def _differences(one: DayCounters, other: DayCounters) -> list[str]:
    return [each.name for each in fields(one) if getattr(one, each.name) != getattr(other, each.name)]


@pytest.mark.parametrize("seed", range(6))
async def test_live_figures_are_those_of_the_rows_and_stay_when_the_day_is_over(
    pool: Pool, inbox: Inbox, seed: int
) -> None:
    random, rows, zone = Random(seed), Rows(pool), ZONES[seed % len(ZONES)]
    organization_id = await rows.add_organization(time_zone=zone)
    # Around a midnight that the partitions cover: some calls begin on the day before, some last beyond the day.
    day = local_date(rows.now, zone)
    opens, closes = day_bounds(day, zone)
    begins = random.choice([opens - MINUTE, opens + 5 * MINUTE, closes - 2 * MINUTE])
    now = min(max(begins + 4 * MINUTE, opens), closes - 1)
    ports, lease, world = await _ports(pool, organization_id, zone, now)
    actor = await OrganizationActor.recover(organization_id, lease=lease, owner="shard", ports=ports)
    history = [*scripted_rows(random, begins), *_notes(begins)]
    arrivals = sorted(history, key=lambda each: each.received_at + random.randint(0, 30_000))
    duplicates, found = 0, actor.state.today
    while arrivals:
        batch = [arrivals.pop(0) for _ in range(min(len(arrivals), random.randint(1, 6)))]
        accepted = [
            await _accept(inbox, organization_id, each, each.received_at + random.randint(-300, 4_000))
            for each in batch
            for _ in range(random.choice([1, 1, 1, 2]))
        ]
        duplicates += sum(again for _, again in accepted)
        await actor.process([each for each, again in accepted if not again])
        found = await ports.journal.day(organization_id, day, zone)
        assert _differences(replace(actor.state.today, duplicates=found.duplicates), found) == []
    assert 0 <= found.duplicates <= duplicates

    anew = await OrganizationActor.recover(organization_id, lease=lease, owner="shard", ports=ports)
    assert _differences(anew.state.today, found) == []
    applied = await ports.journal.rows_after(organization_id, 0)
    model = DayCounters.of(day, zone, map(measured, recall(organization_id, applied).values()))
    assert _differences(replace(model, duplicates=found.duplicates), found) == []
    limits = Limits(((opens, 2), ((opens + closes) // 2, None), (closes - 3 * MINUTE, 1)))
    shown = _shown(replace(actor.state.today, duplicates=found.duplicates), limits)

    world.clock.at = closes + MINUTE
    await actor.process([])
    assert actor.state.today.day == day + timedelta(days=1)
    tomorrow = await ports.journal.day(organization_id, day + timedelta(days=1), zone)
    assert _differences(actor.state.today, tomorrow) == []
    assert _shown(await ports.journal.day(organization_id, day, zone), limits) == shown


def _shown(figures: DayCounters, limits: Limits) -> dict[str, JSON]:
    until = figures.concurrency.closes
    return day_view(figures, use=figures.concurrency.use(limits, until), until=until)


def _notes(begins: int) -> list[InboxRow]:
    """What the product tells itself of calls: no webhooks, so they have no lag."""
    told = {"report-missing": "call-0", "call-processed": "call-1", "provider-absent": "call-1"}
    return [
        row(900 + place, call_id, kind, at=begins + 3 * MINUTE, provider="internal")
        for place, (kind, call_id) in enumerate(told.items())
    ]
