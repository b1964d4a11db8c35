"""A shard that dies at any of its awaits, whatever it was doing, is made good by the next: every one is tried."""

import pytest

from tests.fakes.simulation import Simulation, small_bounds

NEVER = 1_000_000


@pytest.mark.parametrize("seed", [0, 4])
def test_a_crash_before_every_step_of_a_shard_is_made_good(seed: int) -> None:
    with small_bounds():
        whole = Simulation(seed, first_dies_before=NEVER)
        whole.run()
        assert whole.steps_of_first > 100, "it has something to do"
        for step in range(1, whole.steps_of_first + 1):
            try:
                Simulation(seed, first_dies_before=step).run()
            except Exception as wrong:
                wrong.add_note(f"the shard died before its step {step} of seed {seed}")
                raise
