from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.domain.charging import LATEST_MS, Terms, added_worth, billable_seconds, charged_moment, worth
from storage.ledger import meter_identifier

TOLD = 1_790_000_000_000


@pytest.mark.parametrize(("duration_ms", "seconds"), [(None, 0), (0, 0), (-5, 0), (1, 1), (9_200, 10), (60_000, 60)])
def test_a_begun_second_is_charged(duration_ms: int | None, seconds: int) -> None:
    assert billable_seconds(duration_ms) == seconds


@given(
    calls=st.lists(st.integers(0, 5_000), max_size=40),
    taken_back=st.integers(0, 1_000),
    included=st.integers(0, 20_000),
    price=st.integers(0, 1_000_000),
)
def test_entries_sum_up_to_what_all_seconds_are_worth(
    calls: list[int], taken_back: int, included: int, price: int
) -> None:
    terms = Terms(included_seconds=included, minute_price_micros=price)
    seconds = [*calls, -min(taken_back, sum(calls))]
    sums = [sum(seconds[:n]) for n in range(len(seconds) + 1)]
    amounts = [added_worth(before, after - before, terms) for before, after in pairwise(sums)]
    assert sum(amounts) == worth(sum(seconds), terms)
    assert all(amount >= 0 for amount in amounts[:-1])


def test_included_seconds_cost_nothing_and_the_next_cost_their_part_of_a_minute() -> None:
    terms = Terms(included_seconds=600, minute_price_micros=140_000)
    assert added_worth(0, 600, terms) == 0
    assert added_worth(590, 20, terms) == 23_333
    assert added_worth(610, -20, terms) == -23_333


@pytest.mark.parametrize(
    ("ended_at", "charged_at"),
    [
        (TOLD - 4_000, TOLD - 4_000),
        (TOLD - LATEST_MS, TOLD - LATEST_MS),
        (TOLD - LATEST_MS - 1, TOLD),
        (TOLD + 1, TOLD),
        (None, TOLD),
    ],
)
def test_a_call_counts_where_it_ended_unless_its_clock_is_wrong(ended_at: int | None, charged_at: int) -> None:
    assert charged_moment(ended_at, TOLD) == charged_at


def test_no_two_entries_have_one_identifier() -> None:
    organization_id = "0b9d7c9e-7c39-4e0c-9a52-1d1b7a1f0002"
    assert meter_identifier(organization_id, "call-1", 1) == f"call:{organization_id}:call-1"
    assert meter_identifier(organization_id, "call-1", 2) == f"call:{organization_id}:call-1:2"
    told = {
        meter_identifier(organization_id, call_id, entry)
        for call_id in ("call-1", "call-1:2", "x" * 51, "x" * 52, "call/with:odd id")
        for entry in (1, 2, 3)
    }
    assert len(told) == 15
    assert max(map(len, told)) <= 100
