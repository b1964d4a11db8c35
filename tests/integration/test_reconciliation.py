"""What webhooks did not bring is found at the provider: real Postgres, Temporal and HTTP."""

import base64
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest_asyncio

from actors.domain.iso_time import iso
from serve.stack.temporal_server import TemporalServer
from storage.provider_keys import put_provider_key
from storage.sealing import Sealer
from tests.fakes.processing_world import CALL, KEY, ORGANIZATION, ProcessingWorld, processing_world, report_body, until
from tests.fakes.vapi_server import running_vapi
from workflows.activities.provider_records import record_row
from workflows.client import connect
from workflows.reconciliation_contracts import RECONCILIATION_QUEUE, RECONCILIATION_WORKFLOW, Reconciled
from workflows.schedules import ensure_schedules

ASSISTANT = "assistant-of-ours"
OTHER = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0003"


@pytest_asyncio.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[ProcessingWorld]:
    server = Path(sys.prefix) / "bin" / "temporal-test-server"
    async with running_vapi() as vapi, processing_world(database_url, vapi, tmp_path, server) as made:
        made.vapi.listed = []
        await made.give_key()
        await register(made, ORGANIZATION, ASSISTANT)
        yield made


async def register(world: ProcessingWorld, organization_id: str, assistant_id: str) -> None:
    async with world.pool.acquire() as connection:
        await connection.execute(
            "insert into assistants (id, organization_id, name, provider_assistant_id) values ($1, $2, 'Desk', $3)",
            uuid4(), UUID(organization_id), assistant_id,
        )  # fmt: skip


async def add_other(world: ProcessingWorld, key: str) -> None:
    async with world.pool.acquire() as connection:
        await connection.execute("insert into organizations (id, name, slug) values ($1, 'Other', 'other')", OTHER)
        sealer = Sealer(base64.b64encode(bytes(32)).decode())
        await put_provider_key(connection, sealer, organization_id=OTHER, provider="vapi", key=key)


def record(call_id: str = CALL, *, status: str = "ended", minutes_ago: float = 3, **more: Any) -> dict[str, Any]:
    at = iso(round((time.time() - minutes_ago * 60) * 1000))
    return {"id": call_id, "assistantId": ASSISTANT, "status": status, "createdAt": at, "updatedAt": at, **more}


def reported(world: ProcessingWorld, call_id: str = CALL, **more: Any) -> dict[str, Any]:
    message = {**report_body(world.vapi.base_url)["message"], **more}
    kept = ("endedReason", "cost", "costBreakdown", "analysis", "artifact")
    return record(call_id, **{name: message[name] for name in kept})


async def reconcile(world: ProcessingWorld, *, keep: str | None = None) -> Reconciled:
    handle = await world.env.client.start_workflow(
        RECONCILIATION_WORKFLOW, id=str(uuid4()), task_queue=RECONCILIATION_QUEUE, result_type=Reconciled
    )
    found = await handle.result()
    if keep is not None:
        await world.keep_history(keep, handle)
    return found


async def repairs(world: ProcessingWorld) -> list[tuple[str, str, str]]:
    rows = await world.fetch(
        "select organization_id, type, facts #>> '{details,repair}' as repair from webhook_inbox"
        " where provider = 'internal' and facts #>> '{details,repair}' is not null order by id"
    )
    return [(str(row["organization_id"]), row["type"], row["repair"]) for row in rows]


async def test_a_call_no_webhook_told_of_is_brought_in_once_and_processed(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    world.vapi.listed.append(reported(world))
    async with world.working():
        assert await reconcile(world) == Reconciled(looked_at=1, repaired=1)
        await until(lambda: _processed(world))
        assert (await reconcile(world)).repaired == 0
    assert await repairs(world) == [(ORGANIZATION, "end-of-call-report", "missed-call")]
    assert len(await world.fetch("select from call_transcripts")) == 1
    [held] = await world.fetch("select * from reconciliations")
    assert (held["repairs"], held["error"]) == (1, None)
    assert world.vapi.asked[0] == ("/call", f"Bearer {KEY}")


async def test_a_lost_status_and_a_lost_report_are_brought_in(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    await world.ring()
    world.vapi.listed.append(record(status="forwarding"))
    async with world.working():
        assert (await reconcile(world)).repaired == 1
        await until(lambda: _status(world, "forwarding"))
        world.vapi.listed[:] = [reported(world)]
        assert (await reconcile(world)).repaired == 1
        await until(lambda: _processed(world))
    assert [kind for _, _, kind in await repairs(world)] == ["missed-status", "missed-report"]
    assert world.call is not None
    assert world.call.is_ended


async def test_what_was_told_already_is_no_difference(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    await world.ring()
    world.vapi.listed.append(record(status="in-progress"))
    async with world.working():
        assert await reconcile(world) == Reconciled(looked_at=1)
        await world.report()
        world.vapi.listed[:] = [reported(world)]
        assert await reconcile(world) == Reconciled(looked_at=1)
    assert await repairs(world) == []


async def test_a_corrected_figure_is_brought_in_once(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    await world.report()
    await world.execute("update webhook_inbox set occurred_at = occurred_at - interval '1 hour'")
    await world.execute("update calls set cost_micros = 91200, ended_reason = 'customer-ended-call'")
    world.vapi.listed.append(reported(world, cost=0.5))
    async with world.working():
        assert (await reconcile(world)).repaired == 1
        # The row's owner here writes no figures: the difference stays, and is brought in no second time.
        assert (await reconcile(world)).repaired == 0
        await until(lambda: _cost(world, 500_000))
    assert [kind for _, _, kind in await repairs(world)] == ["corrected"]


async def test_what_changed_a_moment_ago_is_left_to_its_webhook(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    world.vapi.listed.append(record(minutes_ago=0.1))
    async with world.working():
        assert await reconcile(world) == Reconciled()
    assert await repairs(world) == []


async def test_a_call_that_cannot_be_told_to_be_ours_is_nobodys(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    world.vapi.listed.append(record("stranger", assistantId="of somebody else"))
    async with world.working():
        assert await reconcile(world) == Reconciled(looked_at=1, strangers=1)
    assert await repairs(world) == []


async def test_organizations_that_share_a_key_share_a_listing_and_no_call(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    await add_other(world, KEY)
    await register(world, OTHER, "assistant-of-theirs")
    await register(world, OTHER, "shared")
    await register(world, ORGANIZATION, "shared")
    world.vapi.listed += [record("theirs", assistantId="assistant-of-theirs"), record("both", assistantId="shared")]
    async with world.working():
        assert await reconcile(world) == Reconciled(looked_at=2, repaired=1, strangers=1)
    assert await repairs(world) == [(OTHER, "provider-record", "missed-call")]
    assert world.vapi.times_asked("/call") == 1


async def test_many_calls_come_by_pages_and_none_twice(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    # Forty of them were made in one millisecond, across the border of two pages.
    made = [record(f"c-{n}", minutes_ago=5 + min(n, 30) / 60 + max(0, n - 70) / 60) for n in range(120)]
    same = made[40]["createdAt"]
    world.vapi.listed += [{**each, "createdAt": same} if 30 <= n < 70 else each for n, each in enumerate(made)]
    async with world.working():
        assert await reconcile(world) == Reconciled(looked_at=120, repaired=120)
        assert (await reconcile(world)).repaired == 0


async def test_an_open_call_that_is_not_listed_is_asked_for(world: ProcessingWorld) -> None:
    await world.ring()
    await world.execute("update calls set last_event_at = last_event_at - interval '20 minutes'")
    world.vapi.records[f"/call/{CALL}"] = reported(world)
    async with world.working():
        assert await reconcile(world) == Reconciled(looked_at=1, repaired=1)
    assert [kind for _, _, kind in await repairs(world)] == ["missed-report"]


async def test_a_provider_that_is_away_is_told_and_its_calls_are_brought_in_later(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    world.vapi.listed.append(record(minutes_ago=50))
    world.vapi.statuses["/call"] = 503
    async with world.working():
        assert await reconcile(world) == Reconciled(failed=1)
        [held] = await world.fetch("select * from reconciliations")
        assert held["error"] == "ProviderUnavailableError: status 503"
        world.vapi.statuses["/call"] = 401
        assert await reconcile(world) == Reconciled(failed=1)
        [again] = await world.fetch("select * from reconciliations")
        assert (again["error"], again["failing_since"]) == ("RefusedError: status 401", held["failing_since"])
        del world.vapi.statuses["/call"]
        assert await reconcile(world) == Reconciled(looked_at=1, repaired=1)
    [healed] = await world.fetch("select * from reconciliations")
    assert (healed["error"], healed["failing_since"]) == (None, None)
    assert healed["reconciled_to"] > held["reconciled_to"]


async def test_an_account_that_is_away_holds_up_no_other(world: ProcessingWorld) -> None:
    assert world.vapi.listed is not None
    await add_other(world, "a key VAPI refuses")
    await register(world, OTHER, "assistant-of-theirs")
    world.vapi.refused_keys.add("a key VAPI refuses")
    world.vapi.listed.append(reported(world))
    async with world.working():
        told = await reconcile(world, keep="reconciliation")
        assert told == Reconciled(looked_at=1, repaired=1, failed=1)
    rows = await world.fetch("select organization_id, error from reconciliations")
    assert {str(row["organization_id"]): row["error"] for row in rows} == {
        ORGANIZATION: None,
        OTHER: "RefusedError: status 401",
    }


def test_what_a_record_brings_in_is_one_row_however_often_it_is_fetched() -> None:
    for fetched in (record(status="forwarding"), record(artifact={"transcript": "AI: Hello."})):
        rows = [record_row(ORGANIZATION, CALL, fetched, repair=repair) for repair in ("missed-call", "corrected")]
        assert len({row.key for row in rows}) == 1


async def test_schedules_are_there_once_and_stay_paused(temporal_server: TemporalServer) -> None:
    client = await connect(temporal_server.address)
    await ensure_schedules(client)
    handle = client.get_schedule_handle("reconciliation")
    await handle.pause(note="for the test")
    await ensure_schedules(client)
    described = await handle.describe()
    assert described.schedule.state.paused
    await handle.delete()


async def _processed(world: ProcessingWorld) -> bool:
    return "call-processed" in await world.internal_types()


async def _status(world: ProcessingWorld, status: str) -> bool:
    return bool(await world.fetch(f"select from calls where status = '{status}'"))


async def _cost(world: ProcessingWorld, micros: int) -> bool:
    return bool(await world.fetch(f"select from call_costs where cost_micros = {micros}"))
