"""Shards that come, go, are dedicated and replaced by another release under traffic: nothing lost, nothing twice."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.slots import SLOTS, slot_of
from tests.chaos.ledger import Ledger
from tests.chaos.test_owners import board_equals_rest
from tests.chaos.traffic import Traffic
from tests.e2e.product import Product, eventually
from tests.running_stack import RunningStack

COMMAND_SECONDS = 400
LONG = "CHAOS_KILLS" in os.environ
"""`make chaos`; the short version in `make test` grows and shrinks once."""
COUNTS = (3, 1, 2) if LONG else (3, 2)
COMMAND = (str(Path(sys.executable).with_name("call-supervisor")),)
AS_ANOTHER_RELEASE = """
import actors.runtime
actors.runtime.code_version = lambda: "another release"
from serve.cli import main
main()
"""
ANOTHER_RELEASE = (sys.executable, "-c", AS_ANOTHER_RELEASE)
"""The same program under another version, as a redeploy brings it."""


def run(stack: RunningStack, *arguments: str, command: Sequence[str] = COMMAND) -> str:
    """A command with the settings of the running stack, as an operator gives it."""
    sourced = f'set -a; . "{stack.data.settings_file}"; exec "$@"'
    done = subprocess.run(
        ["sh", "-c", sourced, "sh", *command, *arguments],
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
        env={**os.environ, "COLUMNS": "220"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for_shards(stack: RunningStack, wanted: set[str]) -> None:
    eventually(lambda: stack.shard_pids().keys() == wanted or None, what=lambda: str(stack.shard_pids()))


def shared(count: int) -> set[str]:
    return {f"organization-shard-{number}" for number in range(count)}


def traffic_through(stack: RunningStack, product: Product, seed: int) -> Traffic:
    return Traffic(stack, product, seed=seed, calls=40, pause=0.2)


def judge(traffic: Traffic, product: Product, ledger: Ledger) -> None:
    """Every call as its script has it, every row applied once, memory and Postgres at one, every slot owned."""
    traffic.assert_undisturbed()
    traffic.finish()
    ledger.assert_whole()
    board_equals_rest(product)
    eventually(lambda: len(ledger.owners()) == SLOTS or None, what=lambda: str(len(ledger.owners())))


def test_shards_come_and_go(stack: RunningStack, product: Product) -> None:
    ledger = Ledger(stack)
    for step, count in enumerate(COUNTS):
        with traffic_through(stack, product, 500 + step) as traffic:
            traffic.acknowledged(3)
            assert "organization-shard-0" in run(stack, "shards", "--count", str(count))
            wait_for_shards(stack, shared(count))
            eventually(
                lambda count=count: set(ledger.owners().values()) == shared(count) or None,
                what=lambda: str(Counter(ledger.owners().values())),
            )
            traffic.acknowledged(3)
        judge(traffic, product, ledger)


def test_an_organization_gets_a_shard_of_its_own_and_gives_it_back(stack: RunningStack, product: Product) -> None:
    ledger, slot = Ledger(stack), slot_of(product.organization_id)
    dedicated = f"organization-shard-dedicated-{slot}"
    with traffic_through(stack, product, 510) as traffic:
        traffic.acknowledged(3)
        run(stack, "organization", "dedicate", product.organization_id)
        wait_for_shards(stack, {*shared(2), dedicated})
        eventually(
            lambda: [at for at, owner in ledger.owners().items() if owner == dedicated] == [slot] or None,
            what=lambda: str(ledger.owners()),
        )
        traffic.acknowledged(3)
    judge(traffic, product, ledger)
    with traffic_through(stack, product, 511) as traffic:
        traffic.acknowledged(3)
        run(stack, "organization", "dedicate", "--off", product.organization_id)
        wait_for_shards(stack, shared(2))
        traffic.acknowledged(3)
    judge(traffic, product, ledger)


@pytest.mark.skipif(not LONG, reason="belongs to make chaos: it replaces every shard twice")
def test_another_release_replaces_shards_one_by_one(stack: RunningStack, product: Product) -> None:
    ledger = Ledger(stack)
    for seed, command, version in ((520, ANOTHER_RELEASE, "another"), (521, COMMAND, None)):
        before = stack.shard_pids()
        with traffic_through(stack, product, seed) as traffic:
            traffic.acknowledged(3)
            shown = run(stack, "shards", "--count", "2", command=command)
            assert version is None or shown.count(version) == 2
            eventually(lambda before=before: stack.replaced_shards(before), what=lambda: str(stack.shard_pids()))
            traffic.acknowledged(3)
        wait_for_shards(stack, shared(2))
        judge(traffic, product, ledger)
