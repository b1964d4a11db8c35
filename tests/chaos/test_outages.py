"""Promises P1, P2 and P5 while servers are away or die under traffic: nothing lost, nothing doubled."""

import os
import signal
from collections.abc import Callable, Generator
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
    eventually(lambda: traffic.answers[HTTPStatus.OK] or None, seconds=10, what=lambda: str(traffic.answers))
    with stopped(stack.pid(part)):
        traffic.last(AWAY_SECONDS)


def test_postgres_away_refuses_and_recovers(stack: RunningStack, product: Product) -> None:
    with Traffic(product, seed=201, pause=PAUSE_SECONDS) as traffic:
        away(stack, "PostgreSQL 18", traffic)
    assert traffic.answers[HTTPStatus.SERVICE_UNAVAILABLE] > 0
    assert set(traffic.answers) <= {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}
    assert traffic.unanswered == 0, "every request is answered while Postgres is away"
    traffic.finish()


@pytest.mark.parametrize("part", ["Valkey", "Temporal"])
def test_redis_and_temporal_away_change_no_answer(stack: RunningStack, product: Product, part: str) -> None:
    with Traffic(product, seed=210 + len(part), pause=PAUSE_SECONDS) as traffic:
        away(stack, part, traffic)
    assert set(traffic.answers) == {HTTPStatus.OK}
    assert traffic.unanswered == 0
    traffic.finish()


def kill_shards(stack: RunningStack) -> None:
    for pid in stack.shard_pids().values():
        os.kill(pid, signal.SIGKILL)


def test_killed_shards_come_back_with_everything(stack: RunningStack, product: Product) -> None:
    before = stack.shard_pids()
    with Traffic(product, seed=221) as traffic:
        eventually(lambda: traffic.answers[HTTPStatus.OK] > 10 or None, seconds=10, what=lambda: str(traffic.answers))
        kill_shards(stack)
        eventually(restarted(stack, before), seconds=30, what=lambda: str(stack.shard_pids()))
    assert set(traffic.answers) == {HTTPStatus.OK}
    traffic.finish()


def restarted(stack: RunningStack, before: dict[str, int]) -> Callable[[], bool | None]:
    def probe() -> bool | None:
        return None if set(stack.shard_pids().values()) & set(before.values()) else True

    return probe


@pytest.mark.parametrize("part", ["PostgreSQL 18", "Valkey", "Temporal"])
def test_a_killed_server_is_started_again(stack: RunningStack, product: Product, part: str) -> None:
    pid = stack.pid(part)
    with Traffic(product, seed=230 + len(part), pause=0.1) as traffic:
        eventually(lambda: traffic.answers[HTTPStatus.OK] > 3 or None, seconds=10, what=lambda: str(traffic.answers))
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: stack.pid(part) != pid or None, seconds=30, what=stack.log.read_text)
    traffic.finish()
