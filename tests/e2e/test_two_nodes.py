"""Two nodes joined by hand: the product's applications on both, and what goes on when one of them is lost."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from actors.slots import slot_of
from storage.ownership import PostgresOwnership
from storage.postgres import close_pool, open_pool
from tests.e2e.local_cluster import PATIENCE_SECONDS, LocalCluster, Nodes
from tests.e2e.product import Product, eventually
from tests.running_stack import RunningStack

APPLICATIONS: Final = ("Api", "LiveHub", "TemporalWorker", "Webhooks")
SHARDS: Final = ("organization-shard-0", "organization-shard-1")


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    folder = Path(tempfile.mkdtemp(prefix="cs-nodes-"))
    folder.chmod(0o755)
    cluster = LocalCluster(folder)
    yield cluster
    cluster.stop()
    shutil.rmtree(folder, ignore_errors=True)


async def owners(database_url: str) -> Mapping[int, str]:
    pool = await open_pool(database_url, size=1, name="test")
    try:
        return await PostgresOwnership(pool).owners()
    finally:
        await close_pool(pool)


def organization_of(cluster: LocalCluster, shard: str) -> Product:
    """A new organization whose slot that shard owns: every second one, on average."""
    for _ in range(20):
        product = cluster.create_organization()
        if asyncio.run(owners(cluster.settings["DATABASE_URL"])).get(slot_of(product.organization_id)) == shard:
            return product
        product.close()
    raise AssertionError(f"{shard} owns too little")


def end_a_call(product: Product) -> str:
    """Report the end of a new call as a provider does, again unless it is acknowledged. Returns the call's id."""
    call_id = f"call-{uuid4()}"
    message = {"type": "end-of-call-report", "endedReason": "customer-ended-call", "call": {"id": call_id}}

    def acknowledged() -> bool | None:
        with suppress(httpx.TransportError):
            return product.post({"message": message}).is_success or None
        return None

    eventually(acknowledged, what=lambda: "no webhook is acknowledged")
    return call_id


def is_ended(call: Mapping[str, Any]) -> bool:
    return call["status"] == "ended"


def all_on(cluster: LocalCluster, node: str) -> bool | None:
    try:
        shards, applications = cluster.shards(), cluster.applications()
    except httpx.HTTPError:
        return None
    recovered = shards == dict.fromkeys(SHARDS, node)
    return (recovered and applications == dict.fromkeys(APPLICATIONS, ("RUNNING", {node}))) or None


@pytest.mark.skipif("CHAOS_KILLS" not in os.environ, reason="belongs to make chaos: it starts a second cluster")
@pytest.mark.timeout(1200)
def test_two_nodes_beside_a_stack_share_the_work_and_one_goes_on_without_the_other(
    cluster: LocalCluster, stack: RunningStack
) -> None:
    nodes: Nodes = cluster.start()
    cluster.call_supervisor("deploy")

    shards, applications = cluster.shards(), cluster.applications()
    assert sorted(shards) == list(SHARDS)
    assert set(shards.values()) == {nodes.head, nodes.second}
    assert sorted(applications) == list(APPLICATIONS)
    assert {status for status, _ in applications.values()} == {"RUNNING"}
    assert applications["Webhooks"][1] == {nodes.head, nodes.second}

    (lost,) = (shard for shard, node in shards.items() if node == nodes.second)
    product = organization_of(cluster, lost)
    by_second = replace(product, base_url=f"http://127.0.0.1:{cluster.second_http_port}")
    for way in (product, by_second):
        way.call_when(end_a_call(way), is_ended)

    cluster.lose_second()
    while_it_is_missed = end_a_call(product)
    eventually(
        lambda: all_on(cluster, nodes.head),
        seconds=PATIENCE_SECONDS,
        what=lambda: f"{cluster.shards()} {cluster.applications()}",
    )
    product.call_when(while_it_is_missed, is_ended)
    product.call_when(end_a_call(product), is_ended)
    product.close()
    assert stack.process.poll() is None
