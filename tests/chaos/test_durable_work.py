"""Promises P2, P5 and P8 of what follows a call: whoever does it is killed, or Temporal is away, under traffic."""

import os
import signal
import sys
import time
from collections.abc import Collection
from contextlib import suppress

import psutil
import pytest

from serve.stack.processes import marked
from tests.chaos.ledger import Ledger
from tests.chaos.test_outages import stopped
from tests.chaos.traffic import Traffic
from tests.chaos.vendors import Vendors
from tests.e2e.product import Product, eventually
from tests.running_stack import RunningStack

IS_LONG = "CHAOS_TEMPORAL_SECONDS" in os.environ
"""`make chaos`; in `make test` Temporal is away in test_outages, and workers die in test_kill_points."""
KILLS = int(os.environ.get("CHAOS_KILLS", "20"))
AWAY_SECONDS = float(os.environ.get("CHAOS_TEMPORAL_SECONDS", "600"))
DRAINED_SECONDS = 120.0
"""Ten minutes of calls are caught up with in two."""
CATCHING_UP_SECONDS = 240.0
pytestmark = [
    pytest.mark.skipif(not IS_LONG, reason="belongs to make chaos: it takes a quarter of an hour"),
    pytest.mark.timeout(3600),
]
PAUSE_SECONDS = 0.1
"""Between one message and the next: a call has some six, so that nearly two calls end in a second."""
OUTAGE_PAUSE_SECONDS = 0.2
"""Nearly one call a second, 80,000 a day: what two cores do for all parts at once is some nine calls a second, of which
what goes on takes its part."""


def worker_pids(stack: RunningStack) -> set[int]:
    found: set[int] = set()
    for process in marked(stack.data.marker):
        with suppress(psutil.Error):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::ServeReplica:TemporalWorker"):
                found.add(process.pid)
    return found


def ended(ledger: Ledger, product: Product, traffic: Traffic) -> Collection[str]:
    """The calls of the traffic that are over by now."""
    ids = [call.call_id for call in traffic.script]
    rows = ledger.ask(
        "select provider_call_id from calls where organization_id = $1::uuid and status = 'ended'"
        " and provider_call_id = any ($2)",
        product.organization_id, ids,
    )  # fmt: skip
    return [row["provider_call_id"] for row in rows]


def kill_workers(stack: RunningStack, traffic: Traffic, vendors: Vendors) -> None:
    """Again and again, each time once others took their place and some traffic came by."""
    for _ in range(KILLS):
        traffic.acknowledged(5)
        before = worker_pids(stack)
        assert before
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        eventually(
            lambda before=before: (worker_pids(stack) and not worker_pids(stack) & before) or None,
            what=lambda: str(worker_pids(stack)),
        )
        vendors.look()


def test_killed_workers_do_everything_once(stack: RunningStack, product: Product) -> None:
    vendors = Vendors(Ledger(stack), product)
    with Traffic(stack, product, seed=601, pause=PAUSE_SECONDS) as traffic:
        kill_workers(stack, traffic, vendors)
    traffic.assert_undisturbed()
    judge(traffic, vendors)


def test_what_waited_for_temporal_is_caught_up_with(stack: RunningStack, product: Product) -> None:
    ledger = Ledger(stack)
    vendors = Vendors(ledger, product)
    with Traffic(stack, product, seed=701, pause=OUTAGE_PAUSE_SECONDS) as traffic:
        traffic.acknowledged(1)
        with stopped(stack.pid("Temporal")):
            traffic.last(AWAY_SECONDS)
            waiting = ended(ledger, product, traffic)
        began = time.monotonic()
        # Under the same traffic: calls go on ending while it catches up.
        vendors.settled(waiting, seconds=CATCHING_UP_SECONDS)
        took = time.monotonic() - began
    told = f"Temporal was away for {AWAY_SECONDS:g} s: {len(waiting)} calls waited, and were done {took:.1f} s after it"
    sys.stderr.write(f"{told}\n")
    assert took < DRAINED_SECONDS, told
    traffic.assert_undisturbed()
    judge(traffic, vendors)


def judge(traffic: Traffic, vendors: Vendors) -> None:
    """Every call as its script has it, and each thing about it done once."""
    traffic.finish()
    vendors.settled([call.call_id for call in traffic.script], seconds=CATCHING_UP_SECONDS)
    vendors.assert_each_once(traffic.script)
    vendors.ledger.assert_whole()
