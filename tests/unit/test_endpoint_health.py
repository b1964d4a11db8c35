"""An endpoint that fails is left in peace for a while, and nothing for it is dropped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from storage.endpoint_health import AT_ONCE, LONGEST_WAIT, OPENS_AFTER, EndpointHealth

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def failing(times: int, *, at: datetime = AT, since: EndpointHealth | None = None) -> EndpointHealth:
    health = since or EndpointHealth()
    for _ in range(times):
        health = health.failed(at=at, duration_ms=100, throttled=None)
    return health


def until(health: EndpointHealth, *, at: datetime = AT, under_way: int = 0, waited: bool = False) -> datetime | None:
    return health.admit(at=at, under_way=under_way, waited=waited, jitter=0.5)[1]


def test_a_few_attempts_go_at_once_and_the_others_in_line() -> None:
    health = replace(EndpointHealth(), pace_ms=1_000)
    assert until(health, under_way=AT_ONCE - 1) is None
    turns: list[datetime] = []
    for _ in range(10):
        health, turn = health.admit(at=AT, under_way=AT_ONCE, waited=False, jitter=0)
        assert turn is not None
        turns.append(turn)
    gaps = {later - earlier for earlier, later in pairwise(turns)}
    assert gaps == {SECOND / AT_ONCE}
    assert turns[0] > AT


def test_nobody_overtakes_the_line_and_who_waited_goes_in() -> None:
    health, turn = EndpointHealth().admit(at=AT, under_way=AT_ONCE, waited=False, jitter=0)
    assert turn is not None
    assert until(health, under_way=0, waited=False) is not None
    assert until(health, at=turn, under_way=0, waited=True) is None


def test_however_long_the_line_is_nobody_is_sent_away_for_longer() -> None:
    health = replace(EndpointHealth(), pace_ms=15_000)
    spread: set[datetime] = set()
    for place in range(2_000):
        health, turn = health.admit(at=AT, under_way=AT_ONCE, waited=False, jitter=place / 2_000)
        assert turn is not None
        assert AT < turn <= AT + LONGEST_WAIT
        spread.add(turn)
    assert len(spread) > 1_000


def test_it_opens_after_failures_in_a_row() -> None:
    assert until(failing(OPENS_AFTER - 1)) is None
    opened = failing(OPENS_AFTER)
    assert until(opened) is not None
    assert opened.open_until == AT + 30 * SECOND


def test_it_opens_when_most_of_some_minutes_failed() -> None:
    health = EndpointHealth()
    for round_ in range(5):
        health = failing(3, since=health, at=AT + round_ * SECOND)
        if health.open_until is None:
            health = health.succeeded(at=AT + round_ * SECOND, duration_ms=100)
    assert health.open_until is not None
    mostly_well = EndpointHealth()
    for _ in range(20):
        mostly_well = failing(1, since=mostly_well).succeeded(at=AT, duration_ms=100)
    assert mostly_well.open_until is None


def test_failures_of_long_ago_do_not_count_with_those_of_now() -> None:
    health = EndpointHealth()
    for hour in range(20):
        health = failing(4, since=health, at=AT + timedelta(hours=hour))
        health = health.succeeded(at=AT + timedelta(hours=hour), duration_ms=100)
    assert health.open_until is None


def test_what_was_under_way_when_it_opened_does_not_lengthen_it() -> None:
    opened = failing(OPENS_AFTER)
    assert failing(4, since=opened).open_until == opened.open_until


def test_half_open_lets_one_attempt_decide() -> None:
    opened = failing(OPENS_AFTER)
    later = AT + 31 * SECOND
    probing, turn = opened.admit(at=later, under_way=0, waited=True, jitter=0)
    assert turn is None
    assert until(probing, at=later, waited=True) is not None
    again = failing(1, since=probing, at=later)
    assert again.open_until == later + 60 * SECOND
    well = probing.succeeded(at=later, duration_ms=100)
    assert until(well, at=later) is None
    assert (well.open_until, well.opened, well.consecutive_failures) == (None, 0, 0)


def test_a_probe_that_is_never_heard_of_again_is_followed_by_another() -> None:
    probing, _ = failing(OPENS_AFTER).admit(at=AT + 31 * SECOND, under_way=0, waited=True, jitter=0)
    assert until(probing, at=AT + 62 * SECOND, waited=True) is None


def test_it_is_never_open_for_longer_than_minutes() -> None:
    health, at = failing(OPENS_AFTER), AT
    for _ in range(20):
        assert health.open_until is not None
        assert health.open_until - at <= timedelta(minutes=5)
        at = health.open_until
        health, turn = health.admit(at=at, under_way=0, waited=True, jitter=0)
        assert turn is None
        health = failing(1, since=health, at=at)


def test_who_asks_for_time_gets_it_from_everybody() -> None:
    asked = EndpointHealth().failed(at=AT, duration_ms=10, throttled=90)
    assert until(asked, at=AT + 89 * SECOND) is not None
    assert until(asked, at=AT + 90 * SECOND) is None
