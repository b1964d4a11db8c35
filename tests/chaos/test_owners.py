"""Promises P5 and P6 with real processes: killed, paused and resumed owners, a lost cache, a restarted cluster."""

import asyncio
import os
import signal

import pytest

from serve.live.board import LiveBoard
from tests.chaos.ledger import Ledger
from tests.chaos.traffic import Traffic
from tests.chaos.witness import witnessed
from tests.e2e.live import until
from tests.e2e.product import Product, eventually
from tests.running_stack import READY_SECONDS, RunningStack

KILLS = int(os.environ.get("CHAOS_KILLS", "3"))
PAUSED_SECONDS = 15.0


def board_equals_rest(product: Product) -> None:
    """A fresh board and REST tell of the same calls going on."""

    def shown() -> set[str]:
        board = LiveBoard()
        asyncio.run(until(product, board, lambda _: True))
        return {call_id for call_id, call in board.calls.items() if call["status"] != "ended"}

    def told() -> set[str]:
        answer = product.get("calls/active", limit=500).raise_for_status().json()
        return {call["call_id"] for call in answer["calls"]}

    # Not read at one moment: a call may end in between.
    eventually(lambda: shown() == told() or None, what=lambda: f"{shown() ^ told()} stand on one of them alone")


def test_killed_again_and_again(stack: RunningStack, product: Product) -> None:
    with Traffic(stack, product, seed=401, calls=40, pause=0.1) as traffic:
        for _ in range(KILLS):
            traffic.acknowledged(5)
            before = stack.kill_shards()
            eventually(lambda before=before: stack.replaced_shards(before), what=lambda: str(stack.shard_pids()))
    traffic.assert_undisturbed()
    traffic.finish()
    Ledger(stack).assert_whole()
    board_equals_rest(product)


def taken_over(ledger: Ledger, organization_id: str, before: int) -> int | None:
    """The epoch of the organization's slot once it is above `before`."""
    epoch = ledger.epoch(organization_id)
    return epoch if epoch > before else None


def test_a_paused_owner_is_taken_over_and_refused_when_it_wakes(stack: RunningStack, product: Product) -> None:
    ledger, organization_id = Ledger(stack), product.organization_id
    shards = stack.shard_pids()
    name, before = ledger.owner(organization_id), ledger.epoch(organization_id)
    assert name is not None
    with witnessed(ledger) as witness:
        with Traffic(stack, product, seed=402, calls=60, pause=0.2) as traffic:
            traffic.acknowledged(5)
            os.kill(shards[name], signal.SIGSTOP)
            try:
                traffic.last(PAUSED_SECONDS)
                epoch = eventually(lambda: taken_over(ledger, organization_id, before), what=lambda: "nobody took over")
                eventually(
                    lambda: witness.snapshot_epoch(organization_id) >= epoch or None,
                    what=lambda: f"the snapshot's epoch is {witness.snapshot_epoch(organization_id)}, not {epoch}",
                )
                told = witness.feed(organization_id, until_epoch=before)
            finally:
                os.kill(shards[name], signal.SIGCONT)
            for _ in range(10):
                traffic.acknowledged(1)
                assert witness.snapshot_epoch(organization_id) >= epoch, "an older snapshot was taken"
        traffic.assert_undisturbed()
        traffic.finish()
        assert witness.feed(organization_id, until_epoch=before) == told, "the old owner told more"
        assert stack.shard_pids() == shards, "nobody was replaced"
        witness.assert_only_owners_wrote(shards)
    ledger.assert_whole()
    board_equals_rest(product)


def test_an_emptied_cache_is_rebuilt(stack: RunningStack, product: Product) -> None:
    ledger = Ledger(stack)
    with Traffic(stack, product, seed=403) as traffic:
        for _ in range(3):
            traffic.acknowledged(8)
            ledger.flush_redis()
    traffic.assert_undisturbed()
    traffic.finish()
    ledger.assert_whole()
    board_equals_rest(product)


@pytest.mark.skipif("CHAOS_KILLS" not in os.environ, reason="belongs to make chaos; test_stack kills all there is")
def test_a_cluster_that_died_comes_back_with_everything(stack: RunningStack, product: Product) -> None:
    ray = stack.pid("Ray")
    with Traffic(stack, product, seed=404, pause=0.3) as traffic:
        traffic.acknowledged(5)
        os.kill(ray, signal.SIGKILL)
        eventually(
            lambda: (stack.data.dev_file.exists() and stack.pid("Ray") != ray) or None,
            seconds=READY_SECONDS,
            what=stack.log.read_text,
        )
    traffic.finish()
    Ledger(stack).assert_whole()
    board_equals_rest(product)
