"""Closed days are added up by a workflow: those due at two in the morning where they are, and any range asked for."""

import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest_asyncio
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from storage.ledger import Ledger
from storage.postgres import Pool, open_pool
from storage.usage import due_days
from tests.integration.billing_world import DAY, BillingWorld
from tests.integration.rows import Rows
from workflows.activities.aggregation import Aggregation
from workflows.billing_contracts import BILLING_QUEUE, USAGE_AGGREGATION_WORKFLOW, AggregationSpan
from workflows.usage_aggregation import UsageAggregationWorkflow

HOURS = [f"Etc/GMT{hours:+d}" for hours in range(-14, 13)]


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    async with await open_pool(database_url, size=4, name="test") as opened:
        yield opened


@pytest_asyncio.fixture
async def env(pool: Pool) -> AsyncIterator[WorkflowEnvironment]:
    test_server = Path(sys.prefix) / "bin" / "temporal-test-server"
    aggregation = Aggregation(pool, Ledger(pool), now=lambda: 0, nudge=lambda _, __: None)
    async with (
        await WorkflowEnvironment.start_time_skipping(test_server_existing_path=str(test_server)) as started,
        Worker(
            started.client,
            task_queue=BILLING_QUEUE,
            workflows=[UsageAggregationWorkflow],
            activities=[aggregation.aggregate_days],
        ),
    ):
        yield started


async def run(env: WorkflowEnvironment, span: AggregationSpan | None = None) -> int:
    told = [] if span is None else [span]
    return int(
        await env.client.execute_workflow(
            USAGE_AGGREGATION_WORKFLOW, args=told, id=f"aggregation-{span}", task_queue=BILLING_QUEUE
        )
    )


async def test_a_day_is_due_from_two_in_the_morning_where_it_is(pool: Pool) -> None:
    zones = {await Rows(pool).add_organization(time_zone=zone): zone for zone in HOURS}
    await pool.execute("update organizations set created_at = now() - interval '30 days'")
    newest: dict[str, date] = {}
    for each in await due_days(pool, limit=1000):
        newest[each.organization_id] = max(each.day, newest.get(each.organization_id, each.day))
    now = datetime.now(UTC)
    for organization_id, zone in zones.items():
        # POSIX: Etc/GMT-14 is 14 hours ahead.
        local = now - timedelta(hours=int(zone.removeprefix("Etc/GMT")))
        closed = (local - timedelta(hours=26)).date()
        assert newest[organization_id] == closed, zone


async def test_what_is_due_is_added_up_once_and_a_range_anew(pool: Pool, env: WorkflowEnvironment) -> None:
    world = await BillingWorld.on_plan(pool)
    await pool.execute("update organizations set created_at = now() - interval '90 days'")
    await world.called("call-1", 61, ended_at=world.now - 3 * DAY)
    assert await run(env) >= 2
    assert await run(env, AggregationSpan()) == 0

    await world.called("call-2", 30, ended_at=world.now - 60 * DAY // 2)
    today = datetime.now(UTC).date()
    since, until = today - timedelta(days=60), today + timedelta(days=3)
    span = AggregationSpan(since=since.isoformat(), until=until.isoformat(), organization_id=world.organization_id)
    assert await run(env, span) == 60
    kept = await pool.fetch(
        "select total_seconds from daily_usage where organization_id = $1", UUID(world.organization_id)
    )
    assert (len(kept), sum(row["total_seconds"] for row in kept)) == (60, 91)
