# pyright: reportPrivateUsage=false
"""Shards on a real Ray, with the real servers behind them."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
import ray

from actors import runtime
from actors.domain.commands import InboxRow
from actors.organization_actor import BoardSnapshot
from actors.ports import Delivery, Ports, UnavailableError
from actors.router import ShardRouter
from actors.runtime import RayShardHandle, ensure_shards, shard_handles, shard_pids, shard_statuses
from actors.slots import SLOTS, slot_of
from serve.stack.temporal_server import TemporalServer
from storage.effects import PostgresEffects
from storage.journal import PostgresJournal
from storage.live_feed import RedisLiveFeed
from storage.ownership import PostgresOwnership
from storage.postgres import Pool, open_pool
from storage.redis import open_redis
from storage.snapshots import RedisSnapshots
from tests.integration.rows import Rows
from workflows.client import TemporalProcessing, connect

PROJECT = Path(__file__).parents[2]
OpenPorts = Callable[[], Awaitable[Ports]]


class Clock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000


async def open_ports(database_url: str, redis_url: str, temporal_address: str) -> Ports:
    pool, redis = await open_pool(database_url, size=4, name="test shard"), open_redis(redis_url)
    return Ports(
        journal=PostgresJournal(pool),
        effects=PostgresEffects(pool),
        ownership=PostgresOwnership(pool),
        snapshots=RedisSnapshots(redis),
        feed=RedisLiveFeed(redis),
        processing=TemporalProcessing(await connect(temporal_address)),
        clock=Clock(),
    )


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    engine = cast("Any", ray)
    engine.init(
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
        runtime_env={"env_vars": {"PYTHONPATH": str(PROJECT)}},
    )
    yield
    engine.shutdown()


@pytest_asyncio.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    pool = await open_pool(database_url, size=2, name="test")
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def ports(database_url: str, redis_url: str, temporal_server: TemporalServer) -> AsyncIterator[OpenPorts]:
    opening = partial(open_ports, database_url, redis_url, temporal_server.address)
    yield opening
    await asyncio.to_thread(ensure_shards, 0, opening)


@pytest_asyncio.fixture
async def router(pool: Pool) -> AsyncIterator[ShardRouter]:
    router = ShardRouter(PostgresOwnership(pool), shard_handles())
    await router.start()
    yield router
    await router.close()


async def until(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # state of other processes
            await asyncio.sleep(0.05)


async def board(router: ShardRouter, organization_id: str) -> BoardSnapshot:
    async with asyncio.timeout(30):
        while True:
            try:
                found = await router.snapshot(organization_id)
            except UnavailableError:
                continue
            assert found is not None, "there is such an organization"
            return found


def slots_held() -> dict[str, object]:
    return {name: status["slots"] for name, status in shard_statuses().items()}


async def test_shards_share_the_slots_apply_what_is_delivered_and_come_back(
    ports: OpenPorts, router: ShardRouter, pool: Pool
) -> None:
    await asyncio.to_thread(ensure_shards, 2, ports)
    await until(lambda: list(slots_held().values()) == [SLOTS // 2] * 2)

    rows = Rows(pool)
    organization_id = await rows.add_organization()
    facts = {"status": "in-progress"}
    row_id = await rows.add_row(organization_id, call_id="call-1", facts=facts)
    row = InboxRow(
        id=row_id,
        provider="vapi",
        event_key="key",
        type="status-update",
        call_id="call-1",
        facts=facts,
        occurred_at=None,
        received_at=rows.now,
    )
    before = await board(router, organization_id)
    assert before.state["calls"] == []
    assert router.offer(Delivery(organization_id=organization_id, item=row))
    after = before
    async with asyncio.timeout(30):
        while not after.state["calls"]:
            after = await board(router, organization_id)
    assert router.figures.delivered == 1
    assert await pool.fetchval("select status from calls where provider_call_id = 'call-1'") == "in-progress"
    assert [call["call_id"] for call in cast("list[dict[str, str]]", after.state["calls"])] == ["call-1"]

    pids = await asyncio.to_thread(shard_pids)
    owner = (await PostgresOwnership(pool).owners())[slot_of(organization_id)]
    os.kill(pids[owner], signal.SIGKILL)
    again = await board(router, organization_id)
    assert again.state["calls"] == after.state["calls"]
    assert int(again.position.partition("-")[0]) > int(after.position.partition("-")[0])
    assert (await asyncio.to_thread(shard_pids))[owner] != pids[owner]


async def test_what_a_killed_shard_is_asked_is_answered_by_its_next_life(ports: OpenPorts, pool: Pool) -> None:
    await asyncio.to_thread(ensure_shards, 1, ports)
    organization_id = await Rows(pool).add_organization()
    (name, pid), *_ = (await asyncio.to_thread(shard_pids)).items()
    handle = RayShardHandle(name)
    await handle._call("snapshot", organization_id, seconds=30)
    os.kill(pid, signal.SIGKILL)
    # No UnavailableError: a call that fails does so seconds later, be the shard up or not.
    asked = [handle._call("snapshot", organization_id, seconds=60) for _ in range(3)]
    boards = await asyncio.gather(*asked)
    assert all(board is None or isinstance(board, BoardSnapshot) for board in boards)
    assert (await asyncio.to_thread(shard_pids))[name] != pid


async def test_a_release_replaces_shards_and_a_smaller_one_ends_some(
    ports: OpenPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "code_version", lambda: "this one")
    await asyncio.to_thread(ensure_shards, 2, ports)
    first = await asyncio.to_thread(shard_pids)
    await asyncio.to_thread(ensure_shards, 2, ports)
    assert await asyncio.to_thread(shard_pids) == first

    monkeypatch.setattr(runtime, "code_version", lambda: "the next")
    await asyncio.to_thread(ensure_shards, 1, ports)
    second = await asyncio.to_thread(shard_pids)
    assert list(second) == ["organization-shard-0"]
    assert second["organization-shard-0"] != first["organization-shard-0"]
    await until(lambda: slots_held() == {"organization-shard-0": SLOTS})


async def test_a_name_ray_does_not_know_is_a_shard_that_is_away() -> None:
    name = f"{runtime.PREFIX}nowhere"
    handle = shard_handles()(name)
    with pytest.raises(UnavailableError):
        await handle.deliver([])
    with pytest.raises(UnavailableError):
        await handle.snapshot("any")
    assert await asyncio.to_thread(runtime._statuses, [name], seconds=1.0) == {}
    await asyncio.to_thread(runtime._end, name)
