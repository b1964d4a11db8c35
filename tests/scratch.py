"""A folder for a session's servers, and an end to what a killed session left: its processes and its folder.

Who is alive is told by a lock on a file in the folder, which the kernel gives up with the process that holds it.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from serve.stack.processes import reap

_PREFIX: Final = "call-supervisor-tests-"
_MARKER: Final = "CALL_SUPERVISOR_TESTS"
_ALIVE: Final = "alive"


def marker_of(folder: Path) -> Mapping[str, str]:
    """What the environment of the servers in this folder holds."""
    return {_MARKER: folder.name}


@contextmanager
def scratch_folder(parent: Path | None) -> Generator[Path]:
    """A new folder in `parent`, or wherever temporary files are; removed at the end, or by the next session."""
    parent = parent or Path(tempfile.gettempdir())
    # One session at a time: nobody takes a folder that is being made for one that was left.
    with (parent / f"{_PREFIX}lock").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _remove_left(parent)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        alive = (folder / _ALIVE).open("w")
        fcntl.flock(alive, fcntl.LOCK_EX)
    with alive:
        yield folder
        shutil.rmtree(folder)


def _remove_left(parent: Path) -> None:
    for alive in parent.glob(f"{_PREFIX}*/{_ALIVE}"):
        with suppress(OSError), alive.open() as held:  # locked by a living session, or just removed by it
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            reap(marker_of(alive.parent))
            shutil.rmtree(alive.parent)
