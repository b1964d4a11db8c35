"""What a wallboard is told: a fold of its own frames, equal to what its whole says, and nothing that names a caller."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import orjson
from hypothesis import given

from actors.domain.call import CallStatus
from actors.domain.commands import Command
from actors.domain.views import state_view
from serve.live.board import LiveBoard
from serve.live.encoding import Encoding
from serve.live.frames import encode_state, events_frames, snapshot_frame
from serve.live.protocol import exactly
from serve.live.wallboard import Wallboard
from storage.live_position import Position
from tests.unit.test_live_board import START, history, observed, rounds
from tests.unit.test_live_frames import payload

PLANTED = "+15550142"
WALL = Wallboard.of("organization", b"secret")


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
    wholes = [encode_state(state_view(state), WALL) for state in states]
    first = payload(snapshot_frame(Position(1, 0), "first", wholes[0], Encoding.WALLBOARD))
    exactly(orjson.dumps(first))
    board = first["state"]
    terminal = LiveBoard()
    terminal.apply(deepcopy(first))
    alarms: dict[str, Any] = {}
    for frame in events_frames(entries[1:], entries[0].position, WALL):
        received = exactly(orjson.dumps(payload(frame)))
        assert terminal.apply(deepcopy(received)) == "events"
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
    assert terminal.is_wallboard
    assert (terminal.organization, terminal.counters) == (last["organization"], last["figures"])
    assert terminal.alarms == alarms


def test_nothing_of_a_call_or_an_alarms_cause_is_told() -> None:
    rang = observed("a", START, CallStatus.IN_PROGRESS, PLANTED, "1")
    entries, states = history([[replace(rang, call_id=f"call {PLANTED}")]])
    whole = {**state_view(states[-1]), "incidents": [incident()]}
    assert PLANTED in str(whole)
    told = [WALL.state(whole), *WALL.events(orjson.loads(entries[-1].events))]
    told += WALL.events([{"type": "incident", "kind": "opened", "incident": incident()}])
    assert PLANTED not in str(told)


def test_an_alarm_is_known_by_what_it_is_about_and_told_when_it_ends() -> None:
    events = [
        {"type": "incident", "incident": incident()},
        {"type": "incident", "incident": incident(recovered_at="2026-01-01T00:00:00.000Z")},
        {"type": "incident", "incident": incident("warning", number=2)},
    ]
    opened, ended, again = WALL.events(events)
    assert [each["open"] for each in (opened, ended, again)] == [True, False, True]
    assert opened["alarm"] == ended["alarm"]
    assert opened["alarm"]["alarm_id"] == again["alarm"]["alarm_id"]
    assert opened["alarm"]["incident"] != again["alarm"]["incident"]


def test_the_name_of_an_alarm_tells_its_cause_to_nobody() -> None:
    """Who guesses rule and call, and knows how names are made, lacks the secret; and elsewhere another name is made."""
    told = {Wallboard.of(*of).state(whole())["alarms"][0]["alarm_id"] for of in SECRETS}
    assert len(told) == len(SECRETS)
    assert "secret" not in repr(WALL)


SECRETS = [("organization", b"secret"), ("organization", b"another"), ("elsewhere", b"secret")]


def whole() -> dict[str, Any]:
    _, states = history([])
    return {**state_view(states[-1]), "incidents": [incident()]}
