"""The quick copy says what the standard library's says."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from actors.domain.call import Call, CallFields
from actors.domain.events import CallProcessed
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization
from actors.domain.replacing import replaced

CALL = Call(call_id="a", created_at=1)
TODAY = DayCounters(day=date.min)
STATE = Organization(organization_id="o", name="One", time_zone="UTC", today=TODAY)


@pytest.mark.parametrize(
    ("held", "changes"),
    [
        (CALL, {"version": 2, "admission": "accepted"}),
        (CALL, {}),
        (CallFields(type="inbound"), {"type": None, "ended_at": 5}),
        (CallProcessed(call=CALL), {"call": replace(CALL, version=7)}),
        (TODAY, {"calls": 3}),
        (STATE, {"calls": {"a": CALL}, "apply_sequence": 4}),
    ],
)
def test_it_equals_the_standard_copy(held: Any, changes: dict[str, Any]) -> None:
    before = replace(held)
    assert replaced(held, **changes) == replace(held, **changes)
    assert held == before, "what is copied stays"


def test_a_field_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        replaced(CALL, calls=1)
