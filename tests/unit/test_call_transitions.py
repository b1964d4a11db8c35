"""The code holds to the table of transitions: every status, every kind of message."""

from collections.abc import Mapping

import pytest

from actors.domain.call import Call, CallStatus
from actors.domain.commands import IMPLIED, LET_THROUGH, command_from
from actors.domain.json_types import JSON
from actors.domain.local_day import local_date
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, decide, evolve
from actors.domain.transitions import AFTER, BEFORE
from tests.fakes.events import row
from workflows.vendors.vapi_message import KNOWN_TYPES

NOW = 1_790_000_000_000
NOTES = {
    "provider-absent",
    "report-missing",
    "call-processed",
    "slot-released",
    "call-control",
    "state-repaired",
    "call-tagged",
}
"""What we ourselves tell of a call."""


def _status_after(before: CallStatus, kind: str, facts: Mapping[str, JSON]) -> CallStatus:
    state = Organization(
        organization_id="o",
        name="One",
        time_zone="UTC",
        today=DayCounters.of(local_date(NOW, "UTC"), "UTC"),
        calls={"c": Call(call_id="c", created_at=NOW, status=before)},
    )
    provider = "internal" if kind in {LET_THROUGH, *NOTES} else "vapi"
    command = command_from(row(1, "c", kind, at=NOW, facts=dict(facts), provider=provider))
    return evolve(state, decide(state, command).events).calls["c"].status


@pytest.mark.parametrize("message", AFTER)
def test_every_message_moves_every_status_as_the_table_says(message: str) -> None:
    kind, _, told = message.partition(" ")
    facts: Mapping[str, JSON] = {"status": told} if told else {}
    assert tuple(_status_after(before, kind, facts) for before in BEFORE) == AFTER[message]


def test_the_table_holds_every_message_that_says_something_of_a_status() -> None:
    told = {f"status-update {status}" for status in CallStatus}
    assert told | IMPLIED.keys() | {LET_THROUGH} <= AFTER.keys()
    assert tuple(sorted(CallStatus, key=lambda status: status.rank)) == BEFORE


@pytest.mark.parametrize("kind", sorted(KNOWN_TYPES - {"status-update"} | NOTES | {"something-new", "provider-record"}))
def test_any_other_message_leaves_the_status(kind: str) -> None:
    expected = AFTER.get(kind, BEFORE)
    assert tuple(_status_after(before, kind, {}) for before in BEFORE) == expected
