import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from serve.stack.processes import PART_MARKER, ProcessIdentity, marked
from serve.stack.state import DataFolder, Part, StackRecord
from storage.embedded import start_valkey

NEVER = ProcessIdentity(pid=2**22 + 1, create_time=0.0)


def supervisor(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command: Sequence[str | Path] = [sys.executable, "-m", "serve.cli", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


def leave_behind(folder: DataFolder) -> tuple[int, Path]:
    """Put the folder into the state a killed run leaves: a server, a record of it, dev.json and Ray's folder."""
    folder.create()
    ray_folder = folder.path / "cs-killed"
    ray_folder.mkdir()
    marker = {**folder.marker, PART_MARKER: "valkey"}
    server = start_valkey(folder.path / "valkey", password="p", marker=marker, durable=False)
    killed = Part(pid=NEVER.pid, create_time=NEVER.create_time)
    folder.write_record(StackRecord(supervisor=killed, ray_folder=str(ray_folder)))
    folder.dev_file.write_text(json.dumps({"base_url": "http://127.0.0.1:1"}))
    return server.pid, ray_folder


def test_down_ends_what_a_killed_run_left(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    _, ray_folder = leave_behind(folder)

    done = supervisor("down", "--data-dir", folder.path)

    assert done.returncode == 0
    assert "ended 1 processes of a killed run" in done.stdout
    assert marked(folder.marker) == []
    assert not ray_folder.exists()
    assert not folder.dev_file.exists()
    assert folder.read_record() is None


def test_a_second_up_says_that_one_runs_and_touches_nothing(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    pid, _ = leave_behind(folder)
    held = folder.lock()
    assert held is not None
    with held:
        done = supervisor("up", "--data-dir", folder.path)
    assert done.returncode == 1
    assert "already running" in done.stdout
    assert pid in {process.pid for process in marked(folder.marker)}
    supervisor("down", "--data-dir", folder.path)


def test_up_names_the_holder_of_its_port_and_leaves_nothing(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = supervisor("up", "--data-dir", folder.path, "--http-port", str(port))
    assert done.returncode == 1
    assert f"port {port} is taken by" in done.stdout
    assert "--http-port" in done.stdout
    assert marked(folder.marker) == []


def test_status_of_a_killed_run_is_not_well(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    leave_behind(folder)
    done = supervisor("status", "--data-dir", folder.path)
    assert done.returncode == 1
    assert "ended" in done.stdout
    supervisor("down", "--data-dir", folder.path)
