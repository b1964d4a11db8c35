"""What a process does to itself at its start, seen in processes of their own: it cannot be undone."""

import os
import subprocess
import sys

_NICENESS = """
import os, threading
from actors.process import yield_processor
before, told = threading.Event(), []
def look():
    before.wait()
    told.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
early = threading.Thread(target=look)
early.start()
yield_processor({wanted})
before.set()
late = threading.Thread(target=look)
late.start()
early.join()
late.join()
print(*told, os.getpriority(os.PRIO_PROCESS, 0))
"""
_HEAP = """
import gc
from actors.process import settle_heap
kept = [[number] for number in range(1000)]
settle_heap()
looked_through = sum(type(each) is list and len(each) == 1 for each in gc.get_objects())
print(looked_through, gc.isenabled())
"""


def test_every_thread_yields_the_processor() -> None:
    wanted = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 3)
    assert _run(_NICENESS.format(wanted=wanted)) == f"{wanted} {wanted} {wanted}"


def test_what_exists_at_the_start_is_looked_through_no_more() -> None:
    looked_through, enabled = _run(_HEAP).split()
    assert int(looked_through) < 1000
    assert enabled == "True"


def _run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=30)
    return done.stdout.strip()
