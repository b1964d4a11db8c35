"""What a killed session of tests leaves is removed by the next, and what a living one holds is not."""

import subprocess
import sys
import time
from pathlib import Path

import psutil

from tests.scratch import scratch_folder

SESSION = """
import os, subprocess, sys
from pathlib import Path
from tests.scratch import marker_of, scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    server = subprocess.Popen(["sleep", "600"], env={**os.environ, **marker_of(folder)}, stdout=subprocess.DEVNULL)
    print(folder, server.pid, flush=True)
    sys.stdin.read()
"""


def begin_session(parent: Path) -> tuple[subprocess.Popen[str], Path, psutil.Process]:
    """Another session with a folder and a server of its own; it ends when its input does."""
    session = subprocess.Popen(
        [sys.executable, "-c", SESSION, str(parent)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert session.stdout is not None
    folder, pid = session.stdout.readline().split()
    server = psutil.Process(int(pid))
    # It has been asked for, but the kernel may not have put its environment where it is read.
    while not server.environ():
        time.sleep(0.001)
    return session, Path(folder), server


def test_the_next_session_ends_what_a_killed_one_left(tmp_path: Path) -> None:
    living, kept, server = begin_session(tmp_path)
    killed, left, orphan = begin_session(tmp_path)
    with living, killed:
        killed.kill()
        killed.wait()
        assert orphan.is_running()
        with scratch_folder(tmp_path) as mine:
            assert (kept.exists(), left.exists(), mine.exists()) == (True, False, True)
            assert server.status() != psutil.STATUS_ZOMBIE
            assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
        assert not mine.exists()
        living.communicate()
        assert not kept.exists()
        server.terminate()
