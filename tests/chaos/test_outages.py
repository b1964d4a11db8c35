"""Promises P1, P2 and P5 while servers are away or die under traffic: nothing lost, nothing doubled."""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus

import psutil
import pytest

from tests.chaos.traffic import Traffic
from tests.e2e.product import Product, eventually
from tests.running_stack import RunningStack

AWAY_SECONDS = float(os.environ.get("CHAOS_SECONDS", "6"))
# Traffic outlasts the disturbance: a hundred messages or so, spread over it.
PAUSE_SECONDS = max(0.1, AWAY_SECONDS / 60)


@contextmanager
def stopped(pid: int) -> Generator[None]:
    """A server and its children stand still."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            if process.is_running():
                process.send_signal(signal.SIGCONT)


def away(stack: RunningStack, part: str, traffic: Traffic) -> None:
    """Let the part be away for a while under traffic, after traffic has begun."""
    traffic.acknowledged(1)
    with stopped(stack.pid(part)):
        traffic.last(AWAY_SECONDS)


def test_postgres_away_refuses_and_recovers(stack: RunningStack, product: Product) -> None:
    with Traffic(stack, product, seed=201, pause=PAUSE_SECONDS) as traffic:
        away(stack, "PostgreSQL 18", traffic)
    assert traffic.answers[HTTPStatus.SERVICE_UNAVAILABLE] > 0
    traffic.assert_undisturbed()
    traffic.finish()


@pytest.mark.parametrize("part", ["Valkey", "Temporal"])
def test_redis_and_temporal_away_change_no_answer(stack: RunningStack, product: Product, part: str) -> None:
    with Traffic(stack, product, seed=210 + len(part), pause=PAUSE_SECONDS) as traffic:
        away(stack, part, traffic)
    traffic.assert_undisturbed()
    traffic.finish()


def test_killed_shards_come_back_with_everything(stack: RunningStack, product: Product) -> None:
    with Traffic(stack, product, seed=221) as traffic:
        traffic.acknowledged(10)
        before = stack.kill_shards()
        eventually(lambda: stack.replaced_shards(before), what=lambda: str(stack.shard_pids()))
    traffic.assert_undisturbed()
    traffic.finish()


@pytest.mark.parametrize("part", ["PostgreSQL 18", "Valkey", "Temporal"])
def test_a_killed_server_is_started_again(stack: RunningStack, product: Product, part: str) -> None:
    pid = stack.pid(part)
    with Traffic(stack, product, seed=230 + len(part), pause=0.1) as traffic:
        traffic.acknowledged(3)
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: stack.pid(part) != pid or None, what=stack.log.read_text)
    traffic.finish()
