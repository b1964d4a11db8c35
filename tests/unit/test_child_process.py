from pathlib import Path

import psutil
import pytest

from storage.child_process import spawn

_AUTOGROUP = Path("/proc/self/autogroup")


@pytest.mark.skipif(not _AUTOGROUP.exists(), reason="this kernel shares the processor among processes alone")
def test_a_server_that_is_to_yield_yields_with_its_whole_session(tmp_path: Path) -> None:
    wanted = min(19, psutil.Process().nice() + 3)
    child = spawn(
        "sleeper", ["sleep", "60"], log_path=tmp_path / "log", environment={"PATH": "/usr/bin:/bin"}, nice=wanted
    )
    try:
        assert psutil.Process(child.pid).nice() == wanted
        assert _session_niceness(child.pid) == wanted
    finally:
        child.stop()


@pytest.mark.skipif(not _AUTOGROUP.exists(), reason="this kernel shares the processor among processes alone")
def test_a_session_that_is_to_yield_leaves_the_order_within(tmp_path: Path) -> None:
    before = psutil.Process().nice()
    child = spawn(
        "sleeper", ["sleep", "60"], log_path=tmp_path / "log", environment={"PATH": "/usr/bin:/bin"}, session_nice=3
    )
    try:
        assert psutil.Process(child.pid).nice() == before
        assert _session_niceness(child.pid) == 3
    finally:
        child.stop()


def _session_niceness(pid: int) -> int:
    # `/autogroup-25 nice 3`: without it the niceness would count among the child's own processes alone.
    return int(Path(f"/proc/{pid}/autogroup").read_text().split()[-1])
