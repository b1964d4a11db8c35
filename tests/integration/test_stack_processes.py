import os
import subprocess
import sys
import uuid
from pathlib import Path

import psutil
import pytest

from serve.stack import temporal_server
from serve.stack.processes import PART_MARKER, STACK_MARKER, ProcessIdentity, marked, reap, still_alive
from serve.stack.temporal_server import start_temporal
from storage.embedded import start_postgres, start_valkey
from tests.e2e.product import eventually


@pytest.fixture
def marker() -> dict[str, str]:
    return {STACK_MARKER: str(uuid.uuid4())}


def test_every_server_is_known_and_ended_by_its_marker(servers_folder: Path, marker: dict[str, str]) -> None:
    data_dir = servers_folder / "marked"
    servers = [
        start_postgres(data_dir / "postgres", password="p", marker=marker, durable=False),
        start_valkey(data_dir / "valkey", password="p", marker=marker),
        start_temporal(data_dir / "temporal", marker=marker, durable=False),
    ]
    assert {server.pid for server in servers} <= {process.pid for process in marked(marker)}

    assert reap(marker) >= len(servers)

    assert marked(marker) == []
    assert not any(server.is_running() for server in servers)


def test_temporal_draws_its_ports_again_when_one_was_taken(
    servers_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = servers_folder / "tried"
    script = servers_folder / "temporal-once-too-late"
    script.write_text(
        f'#!/bin/sh\n[ -e "{tried}" ] && exec "{temporal_server.temporal_binary()}" "$@"\n'
        f'touch "{tried}"; echo "listen tcp 127.0.0.1:1: bind: address already in use" >&2; exit 2\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(temporal_server, "temporal_binary", lambda: script)

    server = start_temporal(servers_folder / "drawn-again", durable=False)

    assert tried.exists()
    assert server.is_running()
    server.stop()


def test_only_processes_with_every_pair_of_the_marker_end(servers_folder: Path, marker: dict[str, str]) -> None:
    data_dir = servers_folder / "parts"
    kept = start_valkey(data_dir / "kept", password="p", marker={**marker, PART_MARKER: "kept"}, durable=False)
    ended = start_valkey(data_dir / "ended", password="p", marker={**marker, PART_MARKER: "ended"}, durable=False)
    try:
        assert reap({**marker, PART_MARKER: "ended"}) == 1
        assert not ended.is_running()
        assert kept.is_running()
    finally:
        kept.stop()


def test_a_process_that_ignores_the_request_is_killed(servers_folder: Path, marker: dict[str, str]) -> None:
    server = start_valkey(servers_folder / "stopped", password="p", marker=marker, durable=False)
    psutil.Process(server.pid).suspend()
    reap(marker, grace_s=0.2)
    assert not server.is_running()


def test_a_pid_that_came_back_is_not_the_same_process() -> None:
    own = ProcessIdentity.of(psutil.Process().pid)
    assert own.find() is not None
    assert ProcessIdentity(pid=own.pid, create_time=own.create_time - 60).find() is None


def test_a_process_whose_first_thread_ended_is_waited_for(marker: dict[str, str]) -> None:
    """To `ps` it is a zombie while its other threads still hold its ports."""
    program = (
        "import ctypes, signal, threading, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "print('ready', flush=True)\n"
        "ctypes.CDLL(None).pthread_exit(None)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, env={**os.environ, **marker}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        found = psutil.Process(process.pid)
        eventually(lambda: found.status() == psutil.STATUS_ZOMBIE or None, seconds=10, what=found.status)
        try:
            assert still_alive([found], timeout_s=0) == [found]
        finally:
            process.kill()
