"""A seed is a whole run: another process, where texts hash otherwise and other seeds ran before, goes the same way."""

import os
import subprocess
import sys

SEEDS = 100
RUN = """
from tests.fakes.simulation import Simulation, small_bounds
with small_bounds():
    for seed in sorted(range({seeds}), reverse={reverse}):
        simulation = Simulation(seed)
        simulation.run()
        print(seed, simulation.trace())
"""


def _traces(*, hash_seed: int, reverse: bool) -> "subprocess.Popen[str]":
    code = "import structlog; structlog.configure(logger_factory=structlog.ReturnLoggerFactory())"
    code += RUN.format(seeds=SEEDS, reverse=reverse)
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)


def test_a_seed_goes_the_same_way_whatever_texts_hash_to_and_whatever_ran_before() -> None:
    processes = [_traces(hash_seed=1, reverse=False), _traces(hash_seed=2, reverse=True)]
    (one, _), (other, _) = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    lines = one.splitlines()
    assert len(lines) == SEEDS
    assert lines == other.splitlines()[::-1]
