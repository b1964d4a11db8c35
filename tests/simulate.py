"""Many seeds of the simulated cluster: `python -m tests.simulate --seeds 10000` judges them and counts the faults."""

import argparse
import gc
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import structlog
from rich.console import Console
from rich.table import Table

from tests.fakes.simulation import Simulation, small_bounds

PROCESSES = 2
CHUNK = 25
FAILURES_SHOWN = 5


@dataclass(slots=True, kw_only=True)
class Sweep:
    """What some seeds came to. A failure names its seed, which repeats it; `happened` counts faults and refusals."""

    seeds: int
    failures: list[str] = field(default_factory=list[str])
    happened: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0


def sweep(seeds: int, *, first: int = 0) -> Sweep:
    """Judge the seeds from `first` on, in processes of their own."""
    chunks = [range(begin, min(begin + CHUNK, first + seeds)) for begin in range(first, first + seeds, CHUNK)]
    total, began = Sweep(seeds=seeds), time.perf_counter()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"), initializer=_prepare) as processes:
        for part in processes.map(judge, chunks):
            total.failures += part.failures
            total.happened += part.happened
    total.seconds = time.perf_counter() - began
    return total


def judge(seeds: Sequence[int]) -> Sweep:
    """Judge these seeds here."""
    found = Sweep(seeds=len(seeds))
    with small_bounds():
        for seed in seeds:
            simulation = Simulation(seed)
            try:
                simulation.run()
            except Exception as wrong:  # noqa: BLE001  # whatever it is, the seed is what is asked for
                found.failures.append(f"SEED={seed}: {wrong!r}")
            found.happened += simulation.happened
            # Nothing may hold what the seed leaves, or it is never looked at again.
            del simulation
            gc.collect(1)
    return found


def _prepare() -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=True
    )
    # What a seed leaves dies with it: looked for once after each, and among modules never, a seed takes half the time.
    gc.collect()
    gc.freeze()
    gc.disable()


def print_sweep(console: Console, found: Sweep) -> None:
    """One table of what happened, how often, and a line that sums up."""
    table = Table(title="What happened to the simulated clusters", title_justify="left")
    table.add_column("fault or refusal")
    table.add_column("times", justify="right")
    table.add_column("per seed", justify="right")
    for kind, count in found.happened.most_common():
        table.add_row(kind, f"{count:,}", f"{count / found.seeds:,.2f}")
    console.print(table)
    speed, faults = found.seeds / found.seconds, sum(found.happened.values())
    console.print(
        f"{found.seeds:,} seeds in {found.seconds:.1f} s on {PROCESSES} processes, {speed:,.0f} a second; "
        f"{faults:,} faults and refusals, {len(found.failures)} seeds failed",
        highlight=False,
    )
    for failure in found.failures[:FAILURES_SHOWN]:
        console.print(failure, highlight=False, markup=False)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulate", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    options = parser.parse_args(arguments)
    found = sweep(options.seeds, first=options.first)
    print_sweep(Console(), found)
    return 1 if found.failures else 0


if __name__ == "__main__":
    sys.exit(main())
