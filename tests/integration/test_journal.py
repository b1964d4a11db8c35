import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid5

import pytest
import pytest_asyncio

from actors.domain.call import Call, CallFields, CallStatus
from actors.domain.capacity import Limits
from actors.domain.effects import SignalProcessing
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.policy import Policy
from actors.ports import AlreadyAppliedError, Batch, CallMark, Finding, Lease, Profile, StaleOwnerError
from actors.slots import SLOTS, slot_of
from storage.effects import PostgresEffects
from storage.journal import PostgresJournal, local_midnight
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from storage.times import milliseconds, moment
from tests.integration.rows import Rows

HOUR = 3_600_000


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=4, name="test")
    yield pool
    await pool.close()


@pytest.fixture
def rows(pool: Pool) -> Rows:
    return Rows(pool)


@pytest.fixture
def journal(pool: Pool) -> PostgresJournal:
    return PostgresJournal(pool)


@pytest_asyncio.fixture
async def leases(pool: Pool) -> dict[int, Lease]:
    claimed = await PostgresOwnership(pool).claim("shard-0", held=(), share=SLOTS, lease_seconds=60)
    return {lease.slot: lease for lease in claimed}


@pytest_asyncio.fixture
async def organization_id(rows: Rows) -> str:
    return await rows.add_organization(time_zone="Europe/Berlin")


@pytest.fixture
def lease(leases: dict[int, Lease], organization_id: str) -> Lease:
    return leases[slot_of(organization_id)]


@pytest.fixture
def batch(organization_id: str, lease: Lease, rows: Rows) -> Batch:
    return Batch(
        organization_id=organization_id, lease=lease, owner="shard-0", marks=(), calls=(), effects=(), at=rows.now
    )


def call_at(created_at: int, call_id: str = "call-1", **changes: object) -> Call:
    call = Call(call_id=call_id, created_at=created_at, last_event_at=created_at, last_event_kind="hang", version=1)
    return replace(call, **changes)  # pyright: ignore[reportArgumentType]


async def counts(pool: Pool) -> tuple[int, ...]:
    """Rows marked, calls, keys, effects: what a batch writes."""
    found = await pool.fetchrow(
        """select (select count(*) from webhook_inbox where apply_sequence is not null),
                  (select count(*) from calls), (select count(*) from call_keys), (select count(*) from effects)"""
    )
    assert found is not None
    return tuple(found)


async def test_profile_of_an_organization(journal: PostgresJournal, organization_id: str, pool: Pool) -> None:
    created_at = milliseconds(await pool.fetchval("select created_at from organizations"))
    policy = Policy(limit_changes=Limits(((created_at, None),)))
    assert await journal.profile(organization_id) == Profile(name="Clinic", time_zone="Europe/Berlin", policy=policy)
    await pool.execute("update organizations set deleted_at = now()")
    assert await journal.profile(organization_id) is None


async def test_a_batch_is_written_whole(journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool) -> None:
    organization_id = batch.organization_id
    ids = [await rows.add_row(organization_id, call_id="call-1") for _ in range(2)]
    fields = CallFields(
        type="inboundPhoneCall",
        from_number="+15550001",
        answered_at=rows.now - 65_250,
        ended_at=rows.now - 250,
        ended_reason="customer-ended-call",
        cost_micros=1_234_567,
        summary="a \\ 'quoted' \"text\" 🙂",
    )
    call = call_at(
        rows.now,
        status=CallStatus.ENDED,
        fields=fields,
        tool_call_ids=frozenset({"a", "b"}),
        hangs=3,
        reported_at=rows.now + 6,
        processed_at=rows.now + 7,
        version=2,
    )
    effect = SignalProcessing(call_id="call-1", effect="processing:seen")
    marks = [(ids[0], 1), (ids[1], 2)]
    await journal.commit(replace(batch, marks=marks, calls=[call, call_at(rows.now, "call-2")], effects=[effect]))

    assert await counts(pool) == (2, 2, 2, 1)
    assert await journal.last_sequence(organization_id) == 2
    assert [(row.id, row.apply_sequence) for row in await journal.rows_after(organization_id, 0)] == marks
    record = await pool.fetchrow("select * from calls where provider_call_id = 'call-1'")
    assert record is not None
    assert record["id"] == uuid5(UUID(organization_id), "call-1")
    assert record["created_at"] == record["last_event_at"] == moment(rows.now)
    assert record["processed_at"] == moment(rows.now + 7)
    assert (record["answered_at"], record["ended_at"]) == (moment(rows.now - 65_250), moment(rows.now - 250))
    assert (record["duration_ms"], record["cost_micros"], record["version"]) == (65_000, 1_234_567, 2)
    assert (record["ended_class"], record["fault_owner"]) == ("completed", "nobody")
    assert (record["report"], record["tool_calls"], record["hangs"]) == ("received", 2, 3)
    assert (record["type"], record["from_number"], record["summary"]) == (
        fields.type,
        fields.from_number,
        fields.summary,
    )
    assert (record["queued_at"], record["assistant_id"], record["status"]) == (None, None, "ended")


async def test_a_call_is_updated_in_its_row(journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool) -> None:
    first, second = [await rows.add_row(batch.organization_id, call_id="call-1") for _ in range(2)]
    await journal.commit(replace(batch, marks=[(first, 1)], calls=[call_at(rows.now)]))
    ended = call_at(rows.now, status=CallStatus.ENDED, version=2)
    await journal.commit(replace(batch, marks=[(second, 2)], calls=[ended]))
    found = await pool.fetch("select status, version from calls")
    assert [tuple(each) for each in found] == [("ended", 2)]


async def test_the_first_time_a_call_was_seen_stays(
    journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool
) -> None:
    first, second = [await rows.add_row(batch.organization_id, call_id="call-1") for _ in range(2)]
    await journal.commit(replace(batch, marks=[(first, 1)], calls=[call_at(rows.now)]))
    await journal.commit(replace(batch, marks=[(second, 2)], calls=[call_at(rows.now + 5_000, version=2)]))
    found = await pool.fetch("select created_at, version from calls")
    assert [tuple(each) for each in found] == [(moment(rows.now), 2)]


async def test_a_time_no_calendar_has_is_left_out(
    journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool
) -> None:
    row_id = await rows.add_row(batch.organization_id, call_id="call-1")
    call = call_at(rows.now, fields=CallFields(ended_at=10**18))
    await journal.commit(replace(batch, marks=[(row_id, 1)], calls=[call]))
    assert await pool.fetchval("select ended_at from calls") is None


@pytest.mark.parametrize("change", ["epoch", "owner"])
async def test_a_stale_owner_writes_nothing(
    journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool, change: str
) -> None:
    row_id = await rows.add_row(batch.organization_id, call_id="call-1")
    if change == "epoch":
        await pool.execute("update slot_owner set epoch = epoch + 1")
    else:
        await pool.execute("update slot_owner set owner = 'shard-1'")
    effect = SignalProcessing(call_id="call-1", effect="processing:seen")
    with pytest.raises(StaleOwnerError):
        await journal.commit(replace(batch, marks=[(row_id, 1)], calls=[call_at(rows.now)], effects=[effect]))
    assert await counts(pool) == (0, 0, 0, 0)


async def test_a_batch_does_not_slip_in_beside_a_claim(
    journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool
) -> None:
    row_id = await rows.add_row(batch.organization_id, call_id="call-1")
    async with pool.acquire() as claimer:
        claim = claimer.transaction()
        await claim.start()
        await claimer.execute("update slot_owner set owner = 'shard-1', epoch = epoch + 1")
        commit = asyncio.create_task(journal.commit(replace(batch, marks=[(row_id, 1)])))
        while not await pool.fetchval("select exists (select from pg_stat_activity where wait_event_type = 'Lock')"):
            assert not commit.done()
        await claim.commit()
    with pytest.raises(StaleOwnerError):
        await commit
    assert await counts(pool) == (0, 0, 0, 0)


async def test_a_batch_with_an_applied_row_leaves_nothing(
    journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool
) -> None:
    first, second = [await rows.add_row(batch.organization_id, call_id="call-1") for _ in range(2)]
    await journal.commit(replace(batch, marks=[(first, 1)]))
    effect = SignalProcessing(call_id="call-1", effect="processing:seen")
    twice = replace(batch, marks=[(first, 2), (second, 3)], calls=[call_at(rows.now)], effects=[effect])
    with pytest.raises(AlreadyAppliedError) as refused:
        await journal.commit(twice)
    assert refused.value.row_ids == {first}
    assert await counts(pool) == (1, 0, 0, 0)


async def test_a_taken_sequence_leaves_nothing(journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool) -> None:
    first, second = [await rows.add_row(batch.organization_id, call_id="call-1") for _ in range(2)]
    await journal.commit(replace(batch, marks=[(first, 1)]))
    with pytest.raises(AlreadyAppliedError):
        await journal.commit(replace(batch, marks=[(second, 1)], calls=[call_at(rows.now)]))
    assert await counts(pool) == (1, 0, 0, 0)


async def test_rows_of_another_organization_are_refused(
    journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool
) -> None:
    row_id = await rows.add_row(await rows.add_organization(), call_id="call-1")
    with pytest.raises(AlreadyAppliedError):
        await journal.commit(replace(batch, marks=[(row_id, 1)]))
    assert await counts(pool) == (0, 0, 0, 0)


async def test_an_effect_is_recorded_once(journal: PostgresJournal, batch: Batch, pool: Pool, rows: Rows) -> None:
    effect = SignalProcessing(call_id="call-1", effect="processing:seen")
    await journal.commit(replace(batch, effects=[effect]))
    effects = PostgresEffects(pool)
    await effects.confirm(batch.organization_id, [effect], at=rows.now)
    await journal.commit(replace(batch, effects=[effect]))
    assert await effects.due(range(SLOTS), now=rows.now + HOUR, limit=10) == []


async def test_unapplied_rows_are_told_oldest_first(journal: PostgresJournal, batch: Batch, rows: Rows) -> None:
    organization_id = batch.organization_id
    await rows.add_row(await rows.add_organization(), call_id=None)
    late = await rows.add_row(organization_id, call_id=None, received_at=rows.now)
    early = await rows.add_row(organization_id, call_id=None, received_at=rows.now - 1)
    assert [row.id for row in await journal.unapplied(organization_id, limit=10)] == [early, late]
    assert [row.id for row in await journal.unapplied(organization_id, limit=1)] == [early]
    await journal.commit(replace(batch, marks=[(early, 1)]))
    assert [row.id for row in await journal.unapplied(organization_id, limit=10)] == [late]


async def _apply(journal: PostgresJournal, batch: Batch, rows: Rows, calls: Sequence[Call]) -> None:
    """One row per call, received at the call's last event and applied then."""
    for call in calls:
        row_id = await rows.add_row(batch.organization_id, call_id=call.call_id, received_at=call.last_event_at)
        sequence = await journal.last_sequence(batch.organization_id) + 1
        await journal.commit(replace(batch, marks=[(row_id, sequence)], calls=[call], at=call.last_event_at))


async def test_histories_of_open_and_lately_ended_calls(journal: PostgresJournal, batch: Batch, rows: Rows) -> None:
    ended = CallStatus.ENDED
    now = rows.now
    old_and_open = call_at(now - 9 * HOUR, "old and open")
    long_ended = call_at(now - 8 * HOUR, "long ended", status=ended)
    late_report = call_at(now - 7 * HOUR, "late report", status=ended)
    history = [old_and_open, long_ended, late_report, call_at(now - HOUR // 2, "just ended", status=ended)]
    await _apply(journal, batch, rows, [*history, replace(late_report, last_event_at=now - HOUR // 3, version=5)])
    await rows.add_row(batch.organization_id, call_id="old and open")

    found = await journal.rows_of_open_calls(batch.organization_id, ended_after=now - HOUR)
    assert [row.call_id for row in found] == ["old and open", "late report", "just ended", "late report"]
    assert [row.apply_sequence for row in found] == [1, 3, 4, 5]


async def test_histories_of_some_calls(journal: PostgresJournal, batch: Batch, rows: Rows) -> None:
    calls = [call_at(rows.now, name) for name in ("a", "b", "a", "c")]
    await _apply(journal, batch, rows, calls)
    await rows.add_row(batch.organization_id, call_id="a")
    found = await journal.rows_of_calls(batch.organization_id, ["a", "c", "never seen"])
    assert [(row.call_id, row.apply_sequence) for row in found] == [("a", 1), ("a", 3), ("c", 4)]


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 29), "Europe/Berlin", 23),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 3, 8), "America/New_York", 23),
        (date(2026, 6, 1), "Asia/Kolkata", 24),
    ],
)
def test_a_local_day_lasts_from_midnight_to_midnight(day: date, zone: str, hours: int) -> None:
    start, end = local_midnight(day, zone), local_midnight(day + timedelta(days=1), zone)
    assert end - start == timedelta(hours=hours)


async def test_a_day_sums_what_the_domain_counts(journal: PostgresJournal, batch: Batch, rows: Rows) -> None:
    zone = "Europe/Berlin"
    day = datetime.fromtimestamp(rows.now / 1000, UTC).date()
    start = milliseconds(local_midnight(day, zone))
    end = milliseconds(local_midnight(day + timedelta(days=1), zone))
    fields = CallFields(answered_at=start, ended_at=start + 61_234, cost_micros=50_001)
    calls = [
        call_at(start - 1, "yesterday", fields=fields, status=CallStatus.ENDED),
        call_at(start, "first", fields=fields, status=CallStatus.ENDED),
        call_at(start + 5, "silent"),
        call_at(start + 6, "reported", fields=replace(fields, duration_ms=60_000), status=CallStatus.ENDED),
        call_at(end - 1, "last", fields=CallFields(answered_at=end)),
        call_at(end, "tomorrow", fields=fields),
    ]
    await _apply(journal, batch, rows, calls)
    expected = DayCounters.of(day, zone, map(measured, calls))
    assert expected.calls == 4
    assert await journal.day(batch.organization_id, day, zone) == expected
    assert await journal.day(batch.organization_id, day - timedelta(days=300), zone) == DayCounters.of(
        day - timedelta(days=300), zone
    )


async def test_standing_is_the_last_position_the_open_calls_and_the_days_figures(
    journal: PostgresJournal, batch: Batch, rows: Rows
) -> None:
    marks = [(await rows.add_row(batch.organization_id, call_id="any"), place) for place in (1, 2)]
    calls = [call_at(rows.now), call_at(rows.now, "over", status=CallStatus.ENDED, version=2)]
    await journal.commit(replace(batch, marks=marks, calls=calls))
    day = datetime.fromtimestamp(rows.now / 1000, UTC).date()
    standing = await journal.standing(batch.organization_id, day, "UTC")
    assert (standing.apply_sequence, standing.open_calls) == (2, {"call-1": CallMark("scheduled", 1)})
    assert standing.today == DayCounters.of(day, "UTC", map(measured, calls))
    assert (standing.today.calls, standing.today.ended) == (2, 1)
    elsewhere = await journal.standing(await rows.add_organization(), day, "UTC")
    assert (elsewhere.apply_sequence, elsewhere.open_calls, elsewhere.today) == (0, {}, DayCounters.of(day, "UTC"))


async def test_repairs_are_told_once_applied_and_by_the_owner_alone(
    journal: PostgresJournal, batch: Batch, rows: Rows, pool: Pool
) -> None:
    organization_id, day = batch.organization_id, datetime.fromtimestamp(rows.now / 1000, UTC).date()
    findings = [Finding(call_id="call-1", facts={"details": {"memory": None}}), Finding(call_id=None, facts={})]

    told = [("internal", "state-repaired", each.call_id, each.facts) for each in reversed(findings)]

    async def note() -> list[int]:
        noted = await journal.note_repairs(organization_id, findings, lease=batch.lease, owner=batch.owner, at=rows.now)
        assert [(row.provider, row.type, row.call_id, row.facts) for row in noted] == told
        return [row.id for row in noted]

    first = await note()
    assert await note() == first, "safe to repeat"
    assert (await journal.day(organization_id, day, "UTC")).repairs == 0, "not applied yet"
    await journal.commit(replace(batch, marks=[(row_id, place) for place, row_id in enumerate(first, 1)]))
    assert (await journal.day(organization_id, day, "UTC")).repairs == 2
    await pool.execute("update slot_owner set epoch = epoch + 1")
    with pytest.raises(StaleOwnerError):
        await journal.note_repairs(organization_id, findings, lease=batch.lease, owner=batch.owner, at=rows.now + 1)
    assert await pool.fetchval("select count(*) from webhook_inbox where type = 'state-repaired'") == 2
