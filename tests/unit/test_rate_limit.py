"""GCRA against its definition, and shares of it on many replicas, whatever the clocks and the owner do."""

import asyncio
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.api_limits import SHARE_PART, SHARE_SECONDS, ApiShares, Grant, Granting
from actors.domain.rate_limit import Bucket, Rate
from actors.ports import HourCount, UnavailableError

RATES = st.builds(Rate, per_second=st.sampled_from([0.5, 1, 7, 200]), burst=st.integers(1, 50))


@given(rate=RATES, pauses=st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_window_holds_more_than_its_time_and_one_burst(rate: Rate, pauses: list[float]) -> None:
    bucket, now, let_through = Bucket(), 1_790_000_000.0, list[float]()
    for pause in pauses:
        now += pause
        granted, bucket = bucket.take(rate, now)
        let_through += [now] * granted
    for first in range(len(let_through)):
        for last in range(first, len(let_through)):
            window = let_through[last] - let_through[first]
            assert last - first + 1 <= rate.burst + window * rate.per_second + 0.001


@given(rate=RATES, taken=st.integers(0, 100))
@example(rate=Rate(per_second=7, burst=28), taken=27)  # sums of floating-point seconds are off by 4e-15
def test_who_waits_as_long_as_told_is_let_through(rate: Rate, taken: int) -> None:
    granted, bucket = Bucket().take(rate, 100.0, wanted=taken)
    assert granted == min(taken, rate.burst)
    wait = bucket.retry_after(rate, 100.0)
    assert (wait > 0) == (granted == rate.burst)
    assert bucket.take(rate, 100.0 + wait + 1e-9)[0] == 1
    assert bucket.available(rate, 100.0 + bucket.full_after(rate, 100.0)) == rate.burst


@given(rate=RATES, jumps=st.lists(st.floats(-1e6, 1e6), max_size=20))
def test_a_clock_that_jumps_is_forgotten_within_one_burst(rate: Rate, jumps: list[float]) -> None:
    bucket, now = Bucket(), 1_790_000_000.0
    for jump in jumps:
        now += jump
        _, bucket = bucket.take(rate, now, wanted=rate.burst)
        assert bucket.full_after(rate, now) <= rate.burst * rate.interval
    assert bucket.available(rate, now + rate.burst * rate.interval + 0.001) == rate.burst


class Owner:
    """The owner of one organization and the clock all share, which moves when told."""

    def __init__(self, per_second: int) -> None:
        self.now = 1_000.0
        self.per_second = per_second
        self.is_away = False
        self.granting = Granting()

    async def ask(self, organization_id: str, wanted: int) -> Grant:
        await asyncio.sleep(0)
        if self.is_away:
            raise UnavailableError("away")
        return self.granting.grant(organization_id, wanted=wanted, per_second=self.per_second, now=self.now)

    def replicas(self, count: int) -> list[ApiShares]:
        return [ApiShares(self.ask, replicas=count, monotonic=lambda: self.now) for _ in range(count)]


async def racing(owner: Owner, replicas: list[ApiShares], random: Random, *, seconds: float, load: float) -> int:
    """How many requests are let through when the replicas are asked `load` times the rate, in bursts at random."""
    let_through, end = 0, owner.now + seconds
    while owner.now < end:
        asked = [random.choice(replicas) for _ in range(random.randint(0, int(load * owner.per_second / 10)))]
        verdicts = await asyncio.gather(*(replica.take("one") for replica in asked))
        let_through += sum(verdict.allowed for verdict in verdicts)
        owner.now += random.uniform(0, 0.1)
    return let_through


@settings(max_examples=25, deadline=None)
@given(
    per_second=st.sampled_from([10, 50, 200]),
    count=st.integers(1, 16),
    seed=st.integers(0, 2**32),
    load=st.sampled_from([1, 3, 10]),
)
def test_many_replicas_let_through_no_more_than_the_limit_and_a_share_each(
    per_second: int, count: int, seed: int, load: float
) -> None:
    owner = Owner(per_second)
    began = owner.now
    let_through = asyncio.run(racing(owner, owner.replicas(count), Random(seed), seconds=2, load=load))
    share = max(1, per_second // SHARE_PART)
    assert let_through <= per_second * (owner.now - began) + per_second + count * share


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_under_load_hardly_anything_of_the_limit_is_lost(count: int, seed: int) -> None:
    owner = Owner(200)
    began = owner.now
    let_through = asyncio.run(racing(owner, owner.replicas(count), Random(seed), seconds=2, load=3))
    assert let_through >= 200 * (owner.now - began) - count * 200 // SHARE_PART


@settings(max_examples=15, deadline=None)
@given(count=st.integers(1, 8), seed=st.integers(0, 2**32))
def test_with_the_owner_away_the_replicas_together_keep_the_limit(count: int, seed: int) -> None:
    owner = Owner(40)
    replicas = owner.replicas(count)

    async def scenario() -> int:
        for replica in replicas:
            await replica.take("one")
        owner.now += SHARE_SECONDS
        owner.is_away = True
        return await racing(owner, replicas, Random(seed), seconds=2, load=3)

    began = owner.now + SHARE_SECONDS
    let_through = asyncio.run(scenario())
    assert let_through <= 40 * (owner.now - began) + 40
    assert let_through > 40, "it is not closed either"


async def test_what_is_left_of_a_share_after_a_second_is_lost() -> None:
    owner = Owner(200)
    (replica,) = owner.replicas(1)
    for _ in range(8):
        assert (await replica.take("one")).allowed
    first = (await replica.take("one")).remaining
    owner.now += SHARE_SECONDS
    after = await replica.take("one")
    assert (after.allowed, after.limit, after.remaining) == (True, 200, 199)
    assert first < 199


def test_what_was_granted_is_counted_by_the_clock_hour() -> None:
    granting = Granting()

    def granted(organization_id: str, now: float, wanted: int = 5) -> int:
        return granting.grant(organization_id, wanted=wanted, per_second=50, now=now).granted

    assert granting.take_changed() == {}
    assert granted("one", 3_599.0) + granted("one", 3_599.5) == 10
    granted("none", 3_599.5, wanted=0)
    assert granting.take_changed() == {"one": HourCount(granted=10, ends_at=3_600)}
    assert granting.take_changed() == {}
    granted("two", 3_599.9)
    granted("one", 3_599.9)
    assert granting.take_changed()["one"] == HourCount(granted=15, ends_at=3_600), "whole, whatever became of the last"
    granted("one", 3_600.0)
    assert granting.take_changed() == {"one": HourCount(granted=5, ends_at=7_200)}


async def test_a_refusal_tells_when_to_come_back() -> None:
    owner = Owner(2)
    (replica,) = owner.replicas(1)
    verdicts = [await replica.take("one") for _ in range(3)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, False]
    assert (verdicts[2].remaining, verdicts[2].retry_after, verdicts[2].full_after) == (0, 0.5, 1.0)
    owner.now += 0.5
    assert (await replica.take("one")).allowed
