import pytest

from serve.stack.restarts import RestartBudget
from serve.stack.steps import StackError


def test_each_restart_waits_twice_as_long_until_the_stack_gives_up() -> None:
    budget = RestartBudget(limit=3, window_s=60.0, first_wait_s=0.5)
    assert [budget.admit("Valkey", now) for now in (0.0, 1.0, 2.0)] == [0.5, 1.0, 2.0]
    with pytest.raises(StackError, match="Valkey ended 4 times within 1 minutes"):
        budget.admit("Valkey", 3.0)


def test_old_restarts_and_other_parts_do_not_count() -> None:
    budget = RestartBudget(limit=1, window_s=60.0, first_wait_s=0.5)
    assert budget.admit("Valkey", 0.0) == 0.5
    assert budget.admit("Temporal", 0.0) == 0.5
    assert budget.admit("Valkey", 61.0) == 0.5
