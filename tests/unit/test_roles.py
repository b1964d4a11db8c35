from itertools import pairwise

from serve.roles import LEAST_ROLE, Role, scopes_of


def test_each_role_may_do_all_that_the_next_one_may_and_more() -> None:
    for upper, lower in pairwise(Role):
        assert scopes_of(upper) > scopes_of(lower)
        assert upper.reaches(lower)
        assert not lower.reaches(upper)


def test_an_owner_may_do_everything_and_a_viewer_changes_nothing() -> None:
    assert scopes_of(Role.OWNER) == LEAST_ROLE.keys()
    assert {scope.partition(":")[2] for scope in scopes_of(Role.VIEWER)} == {"read"}
