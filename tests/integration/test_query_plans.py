"""How Postgres goes about the listed queries as a user: only the months asked for, by index, one look at the claims."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from storage.call_filter import CallFilter, Position
from storage.calls import TenantReader
from storage.postgres import Connection, open_pool
from storage.statements import statement
from storage.tenant import Claims, tenant_reads
from tests.integration.tenant_rows import ACTOR

OWN, OTHER = str(uuid4()), str(uuid4())
CALLS = 3_000
LAST = UUID(int=2**128 - 1)
MONTHS = [datetime(2031, month, 1, tzinfo=UTC) for month in range(1, 8)]
FILL = """
    insert into calls (id, created_at, organization_id, provider_call_id, status, assistant_id, from_number,
                       last_event_at, last_event_kind, version)
    select gen_random_uuid(), moment, ($1::uuid[])[1 + n % 2], 'call-' || n, 'ended', 'assistant-' || n % 50,
        '+4930' || n % 500, moment, 'status-update', n
    from (select n, timestamptz '2031-01-01Z' + n * interval '181 days' / $2 as moment
          from generate_series(1, $2::integer) as n) as spread
"""
FILL_TRANSCRIPTS = """
    insert into call_transcripts (call_id, call_created_at, organization_id, transcript_text, messages, analysis)
    select id, created_at, organization_id,
        case when version % 100 < 2 then 'we spoke about a rhinoceros' else 'good morning to you' end, '[]', '{}'
    from calls
"""
COUNT = "select count(*) from calls where organization_id = $1 and created_at >= $2 and created_at < $3"
SOME = "select id from calls where organization_id = $1 and created_at >= $2 and created_at < $3"
NEWEST = "order by created_at desc limit 20"
# Plans of the statements inside a function are told to the client.
WATCH_PLANS = """
    load 'auto_explain';
    set local auto_explain.log_min_duration = 0;
    set local auto_explain.log_nested_statements = on;
    set local auto_explain.log_analyze = on;
    set local auto_explain.log_timing = off;
    set local client_min_messages = log;
    set local enable_seqscan = off;
"""


@pytest_asyncio.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    connected = await asyncpg.connect(database_url, statement_cache_size=0)
    await connected.execute("select private.ensure_all_partitions($1)", MONTHS[1])
    await connected.execute("select private.ensure_all_partitions($1)", MONTHS[4])
    await connected.execute(FILL, [UUID(OWN), UUID(OTHER)], CALLS)
    await connected.execute(FILL_TRANSCRIPTS)
    await connected.execute("vacuum analyze calls")
    await connected.execute("vacuum analyze call_transcripts")
    await connected.execute("begin")
    claims = Claims(organization_id=OWN, subject=ACTOR, role="viewer").encoded()
    await connected.execute("select set_config('role', 'authenticated', true)")
    await connected.execute("select set_config('request.jwt.claims', $1, true)", claims)
    yield connected
    await connected.close()


async def plan(connection: Connection, query: str, *arguments: Any) -> str:
    rows = await connection.fetch(f"explain (analyze, costs off, timing off, summary off, verbose) {query}", *arguments)
    return "\n".join(row[0] for row in rows)


def touched(told: str, table: str) -> set[str]:
    """Partitions that the plan reads, by their month; those it left out before or while it ran are not."""
    nodes = re.split(r"\n(?=\s*(?:->|InitPlan|SubPlan))", told)
    read = [node for node in nodes if "never executed" not in node.partition("\n")[0]]
    return {month for node in read for month in re.findall(rf" on public\.{table}_(\d{{4}}_\d{{2}}) ", node)}


@pytest.mark.parametrize(
    ("since", "until", "months"),
    [
        (datetime(2031, 3, 10, tzinfo=UTC), datetime(2031, 3, 20, tzinfo=UTC), {"2031_03"}),
        (datetime(2031, 2, 27, tzinfo=UTC), datetime(2031, 3, 2, tzinfo=UTC), {"2031_02", "2031_03"}),
        (datetime(2031, 4, 1, tzinfo=UTC), datetime(2031, 5, 1, tzinfo=UTC), {"2031_04"}),
    ],
)
async def test_a_range_of_dates_reads_its_months_alone(
    connection: Connection, since: datetime, until: datetime, months: set[str]
) -> None:
    queries: Mapping[str, Sequence[str]] = {
        COUNT: (),
        f"{SOME} {NEWEST}": (),
        f"{SOME} and assistant_id = $4 {NEWEST}": ("assistant-1",),
        f"{SOME} and from_number = $4 {NEWEST}": ("+49301",),
        f"{SOME} and status = $4": ("in-progress",),
    }
    for query, extra in queries.items():
        told = await plan(connection, query, UUID(OWN), since, until, *extra)
        # A page that is full needs no older month.
        assert touched(told, "calls") == months or (NEWEST in query and touched(told, "calls") < months), query


async def test_a_page_of_calls_reads_its_newest_month_and_stops_when_full(connection: Connection) -> None:
    since, until = MONTHS[0], datetime(2031, 6, 20, tzinfo=UTC)
    told = await plan(connection, statement("calls_in_order"), UUID(OWN), since, until, LAST, 20)
    assert touched(told, "calls") == {"2031_06"}
    assert "idx_org_date" in told or re.search(
        r"Index Scan.* using calls_2031_06_organization_id_created_at_id_idx", told
    )


async def test_a_filter_is_planned_for_however_often_it_is_asked(connection: Connection, database_url: str) -> None:
    await connection.execute("commit")
    start = Position(created_at=datetime(2031, 6, 20, tzinfo=UTC), row_id=LAST)
    async with (
        await open_pool(database_url, size=1, name="test") as pool,
        tenant_reads(pool, organization_id=OWN, subject=ACTOR, role="viewer") as reading,
    ):
        reads = TenantReader(reading, OWN)
        for _ in range(8):
            page = await reads.calls_before(start, since=MONTHS[0], only=CallFilter(status="ringing"), limit=20)
            assert page == []
        planned = await reading.fetch(
            "select generic_plans, custom_plans from pg_prepared_statements where statement = $1",
            statement("calls_page"),
        )
    assert [tuple(each) for each in planned] == [(0, 8)]


async def test_calls_with_a_tag_are_found_by_the_index_of_tags(connection: Connection) -> None:
    await connection.execute("reset role")
    await connection.execute(
        "insert into call_tags (organization_id, tag, call_created_at, call_id, author)"
        " select organization_id, case when version % 30 = 1 then 'rare' else 'often' end, created_at, id, 'x'"
        " from calls"
    )
    await connection.execute("analyze call_tags")
    await connection.execute("set local role authenticated")
    await connection.execute("set local plan_cache_mode = force_custom_plan")
    until = datetime(2031, 4, 20, tzinfo=UTC)
    narrowed = CallFilter(tag="rare").columns
    told = await plan(connection, statement("calls_page"), UUID(OWN), MONTHS[1], until, LAST, 20, *narrowed, None)
    assert re.search(r"(Index Only Scan|Index Scan) using idx_call_tags_found on public\.call_tags", told), told
    assert "Seq Scan" not in told
    # Those calls are read by their ids, and no other.
    assert touched(told, "calls") == {"2031_02", "2031_03", "2031_04"}
    assert re.search(r"calls_2031_03_pkey", told), told
    assert "idx_org_date" not in told
    assert "created_at_id_idx" not in told
    # Of a tag that many have, no more than a page is looked up.
    narrowed = CallFilter(tag="often").columns
    told = await plan(connection, statement("calls_page"), UUID(OWN), MONTHS[1], until, LAST, 20, *narrowed, None)
    assert re.search(
        r"using idx_call_tags_found on public\.call_tags tagged\w* \(actual rows=20(\.00)? loops=1\)", told
    ), told


async def test_one_call_is_read_from_its_own_month(connection: Connection) -> None:
    row = await connection.fetchrow("select id, created_at from calls where created_at >= $1 limit 1", MONTHS[3])
    assert row is not None
    told = await plan(connection, statement("call"), UUID(OWN), row["id"], row["created_at"])
    month = f"{row['created_at']:%Y_%m}"
    for table in ("calls", "call_transcripts", "call_costs", "call_recordings"):
        assert touched(told, table) <= {month}, table
    assert touched(told, "calls") == {month}


async def test_without_a_range_every_month_is_read(connection: Connection) -> None:
    """What the other tests would look like if nothing were left out."""
    told = await plan(connection, "select count(*) from calls where organization_id = $1", UUID(OWN))
    assert touched(told, "calls") > {f"2031_0{month}" for month in range(1, 7)}


async def test_the_claim_is_read_once_and_is_a_condition_of_the_index(connection: Connection) -> None:
    told = await plan(
        connection, "select id from calls where created_at >= $1 and created_at < $2", MONTHS[2], MONTHS[3]
    )
    assert "InitPlan" in told
    assert "SubPlan" not in told
    assert told.count("private.readable_organizations()") == 1
    # No row asks the function: it ran in the InitPlan, once.
    assert re.search(r"InitPlan 1.*\n\s*->  Result \(actual rows=1(\.00)? loops=1\)\n"
                     r"\s*Output: private\.readable_organizations\(\)", told)  # fmt: skip
    assert re.search(r"Index Cond: \(\(calls\w*\.organization_id = ANY \(\(?(InitPlan|\$)", told)


async def search(connection: Connection, organization_id: str) -> int:
    return len(
        await connection.fetch(
            "select call_id from private.search_calls($1, 'a RHINOCEROS', $2, $3, $3, $4, 100)",
            UUID(organization_id),
            MONTHS[2],
            MONTHS[4],
            LAST,
        )
    )


async def test_a_search_finds_its_own_calls_alone(connection: Connection) -> None:
    told = "select count(*) from call_transcripts where call_created_at >= $1 and call_created_at < $2"
    said = await connection.fetchval(f"{told} and transcript_text like '%rhinoceros'", MONTHS[2], MONTHS[4])
    assert said > 1
    assert await search(connection, OWN) == said
    assert await search(connection, OTHER) == 0


async def test_a_search_reads_the_index_of_words_of_its_months(connection: Connection) -> None:
    logged: list[str] = []

    def listen(_: object, message: asyncpg.PostgresLogMessage) -> None:
        logged.append(str(message.message))

    connection.add_log_listener(listen)
    await connection.execute("reset role")
    await connection.execute(WATCH_PLANS)
    await connection.execute("set local role authenticated")
    assert await search(connection, OWN) > 0
    told = next(plan for plan in logged if "call_transcripts" in plan and "Query Text: \n" in plan)
    assert set(re.findall(r"call_transcripts_(\d{4}_\d{2})_search_vector_idx", told)) == {"2031_03", "2031_04"}
    assert set(re.findall(r" on call_transcripts_(\d{4}_\d{2}) ", told)) == {"2031_03", "2031_04"}
    assert OWN in told


async def test_what_was_reconciled_is_read_by_its_own_index(connection: Connection) -> None:
    await connection.execute("set local enable_seqscan = off")
    arguments = (UUID(OWN), MONTHS[2], 1, MONTHS[0], MONTHS[4], 51)
    told = await plan(connection, statement("repairs_page"), *arguments)
    assert "Index Scan using idx_inbox_reconciled" in told
    assert "Sort" not in told
    told = await plan(connection, statement("repairs_by_kind"), UUID(OWN), MONTHS[0], MONTHS[4])
    assert re.search(r"(Index Scan using|Bitmap Index Scan on) idx_inbox_reconciled", told)


async def test_what_went_out_about_a_call_is_found_by_the_call(connection: Connection) -> None:
    await connection.execute("set local enable_seqscan = off")
    dates, place = (MONTHS[2], MONTHS[4]), (UUID(OWN), None, None)
    queries = {
        "webhook_deliveries": (statement("deliveries_page"), (*place, *dates, None, None, "call-1", 51)),
        "notifications": (statement("notifications_page"), (*place, *dates, "call-1", None, 51)),
    }
    for table, (query, arguments) in queries.items():
        told = await plan(connection, query, *arguments)
        assert touched(told, table) == {"2031_03", "2031_04"}, told
        used = re.findall(rf"using {table}_\d{{4}}_\d{{2}}_(\w+) on", told)
        assert used, told
        assert all(each.startswith("organization_id_call_id_created") for each in used), told
