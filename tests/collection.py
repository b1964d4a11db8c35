"""Loaded before every other plugin: how tests are collected, and which go to which worker of pytest-xdist."""

import gc
import os
from contextlib import suppress
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from serve.stack.ray_cluster import SESSION_NICENESS

# Where Linux shares the processor among sessions first, Ray's yields to every other, so that Postgres need not wait. A
# worker yields as much, or what one computes holds up the stack that another one tries; in a session of its own, for
# that of the terminal is not ours to change.
if "PYTEST_XDIST_WORKER" in os.environ:
    with suppress(OSError):
        os.setsid()
        Path("/proc/self/autogroup").write_text(str(SESSION_NICENESS))

STACK_FOLDERS = ("tests/chaos/", "tests/e2e/")

# CPython before 3.11.10 can fail with "AST constructor recursion depth mismatch" when a collection runs code of its own
# between two steps of building a syntax tree (gh-106905); pytest builds one for each test module it rewrites.
gc.disable()


def pytest_collection_finish() -> None:
    # What was imported stays to the end: no later collection looks at it.
    gc.collect()
    gc.freeze()
    gc.enable()


class StackOnOneWorker(LoadFileScheduling):
    """A file to a worker, and all that use the running stack to one, which so starts it once.

    They come first and wait more than they compute: the other workers go through the rest beside them.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "the running stack" if nodeid.startswith(STACK_FOLDERS) else super()._split_scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackOnOneWorker:
    return StackOnOneWorker(config, log)
