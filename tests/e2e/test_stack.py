"""The one command: what it opens to the network, what it survives. What it leaves is asked when the stack ends."""

import json
import os
import signal
from collections.abc import Sequence
from typing import Any

import httpx
import psutil
import pytest

from serve.stack.processes import marked
from tests.e2e.product import REQUEST_SECONDS
from tests.running_stack import RunningStack

LOOPBACK = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def listeners(stack: RunningStack) -> list[tuple[psutil.Process, str, int]]:
    return [
        (process, connection.laddr.ip, connection.laddr.port)
        for process in marked(stack.data.marker)
        for connection in connections(process)
        if connection.status == psutil.CONN_LISTEN and connection.laddr
    ]


def connections(process: psutil.Process) -> Sequence[Any]:
    try:
        return process.net_connections("tcp")
    except psutil.NoSuchProcess:  # ended since it was listed
        return ()


def test_haproxy_takes_the_requests(stack: RunningStack) -> None:
    told = json.loads(stack.data.dev_file.read_bytes())
    port = httpx.URL(told["base_url"]).port
    # One that was replaced with its configuration may still let its connections end.
    assert {process.name() for process, _, listening in listeners(stack) if listening == port} == {"haproxy"}


def test_only_what_asks_for_the_clusters_token_listens_beyond_loopback(stack: RunningStack) -> None:
    beyond = {process.name() for process, ip, _ in listeners(stack) if ip not in LOOPBACK}
    # Replicas bind their gRPC servers to every interface; they answer nobody without Ray's token.
    assert {name for name in beyond if not name.startswith("ray::ServeRepl")} == set()


def test_rays_dashboard_asks_for_the_token(stack: RunningStack) -> None:
    record = stack.data.read_record()
    assert record is not None
    url = f"http://127.0.0.1:{record.parts['Ray'].port}/api/cluster_status"
    token = stack.data.ray_token_file.read_text()
    assert httpx.get(url, timeout=REQUEST_SECONDS).status_code == httpx.codes.UNAUTHORIZED
    credential = {"authorization": f"Bearer {token}"}
    assert httpx.get(url, headers=credential, timeout=REQUEST_SECONDS).is_success


@pytest.mark.timeout(1200)
def test_a_killed_stack_starts_again_as_the_same(stack: RunningStack) -> None:
    first = json.loads(stack.data.dev_file.read_bytes())
    os.kill(stack.process.pid, signal.SIGKILL)
    stack.process.wait()
    assert marked(stack.data.marker), "its parts outlive it"

    stack.start()

    second = json.loads(stack.data.dev_file.read_bytes())
    assert (first["organization_id"], first["api_key"]) == (second["organization_id"], second["api_key"])
    assert set(first["shard_pids"].values()).isdisjoint(second["shard_pids"].values())
