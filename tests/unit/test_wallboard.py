"""What a wallboard is told: a fold of its own frames, equal to what its whole says, and nothing that names a caller."""

from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given

from actors.domain.call import CallStatus
from actors.domain.commands import Command
from actors.domain.views import state_view
from serve.live.encoding import Encoding
from serve.live.frames import encode_state, events_frames, snapshot_frame
from serve.live.protocol import exactly
from serve.live.wallboard import wallboard_events, wallboard_state
from storage.live_position import Position
from tests.unit.test_live_board import START, history, observed, rounds
from tests.unit.test_live_frames import payload

PLANTED = "+15550142"


def incident(severity: str = "critical", *, recovered_at: str | None = None, number: int = 1) -> dict[str, Any]:
    return {
        "incident_id": f"incident-{number}",
        "rule": f"rule {PLANTED}",
        "call_id": f"call {PLANTED}",
        "severity": severity,
        "acknowledged_at": None,
        "acknowledged_by": PLANTED,
        "recovered_at": recovered_at,
        "resolved_at": None,
        "evidence": {"detail": PLANTED},
    }


@given(rounds)
def test_frames_lead_from_the_first_whole_to_the_last(told: list[list[Command]]) -> None:
    entries, states = history(told)
    wholes = [encode_state(state_view(state), Encoding.WALLBOARD) for state in states]
    first = payload(snapshot_frame(Position(1, 0), "first", wholes[0], Encoding.WALLBOARD))
    exactly(orjson.dumps(first))
    board = first["state"]
    alarms: dict[str, Any] = {}
    for frame in events_frames(entries[1:], entries[0].position, Encoding.WALLBOARD):
        received = exactly(orjson.dumps(payload(frame)))
        for event in received["events"]:
            match event:
                case {"type": "wallboard-figures"}:
                    board["figures"] = event["figures"]
                case {"type": "organization"}:
                    board["organization"] |= {"name": event["name"], "time_zone": event["time_zone"]}
                case {"type": "wallboard-alarm", "alarm": alarm, "open": is_open}:
                    if is_open:
                        alarms[alarm["alarm_id"]] = alarm
                    elif alarms.get(alarm["alarm_id"], {}).get("incident") == alarm["incident"]:
                        del alarms[alarm["alarm_id"]]
                case _:
                    raise AssertionError(f"{event} is not for a wallboard")
    last = orjson.loads(wholes[-1])
    assert alarms == {alarm["alarm_id"]: alarm for alarm in last.pop("alarms")}
    assert {**board, "alarms": []} == {**last, "alarms": []}


def test_nothing_of_a_call_or_an_alarms_cause_is_told() -> None:
    rang = observed("a", START, CallStatus.IN_PROGRESS, PLANTED, "1")
    entries, states = history([[replace(rang, call_id=f"call {PLANTED}")]])
    whole = {**state_view(states[-1]), "incidents": [incident()]}
    assert PLANTED in str(whole)
    told = [wallboard_state(whole), *wallboard_events(orjson.loads(entries[-1].events))]
    told += wallboard_events([{"type": "incident", "kind": "opened", "incident": incident()}])
    assert PLANTED not in str(told)


def test_an_alarm_is_known_by_what_it_is_about_and_told_when_it_ends() -> None:
    events = [
        {"type": "incident", "incident": incident()},
        {"type": "incident", "incident": incident(recovered_at="2026-01-01T00:00:00.000Z")},
        {"type": "incident", "incident": incident("warning", number=2)},
    ]
    opened, ended, again = wallboard_events(events)
    assert [each["open"] for each in (opened, ended, again)] == [True, False, True]
    assert opened["alarm"] == ended["alarm"]
    assert opened["alarm"]["alarm_id"] == again["alarm"]["alarm_id"]
    assert opened["alarm"]["incident"] != again["alarm"]["incident"]
