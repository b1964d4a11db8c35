"""What the terminal shows, read back as text."""

import re
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from actors.domain.alarm_rules import Metric
from actors.domain.capacity import Limits
from actors.domain.day_view import day_view
from actors.domain.metrics import DayCounters
from serve.live.board import LiveBoard
from serve.live.screen import NOTHING, Link, ago, evidence, plain_lines, render
from serve.live.wallboard import FIGURES_NOW, FIGURES_OF_THE_DAY
from serve.live.words import alarm_text
from storage.live_position import Position

NOW = 1_767_225_600_000
TIMES = {"created_at": "2025-12-31T23:58:55.000Z", "answered_at": "2025-12-31T23:59:00.000Z", "absent_at": None}


def call(**values: Any) -> dict[str, Any]:
    names = ["from_number", "to_number", "assistant_name", "type", "ended_at", "ended_reason", "processed_at"]
    return {
        **dict.fromkeys(names),
        **TIMES,
        "call_id": "c1",
        "status": "in-progress",
        "report": "pending",
        "evidence_at": "2025-12-31T23:59:50.000Z",
        "utterances": [],
        **values,
    }


def board(*calls: dict[str, Any]) -> LiveBoard:
    day = DayCounters.of(date(2026, 1, 1), "UTC")
    today = {
        **day_view(day, use=day.concurrency.use(Limits())),
        "calls": 12,
        "answered": 9,
        "talk_seconds": 90.0,
    }
    return LiveBoard(
        position=Position(1, 1),
        organization={"name": "Demo"},
        calls={each["call_id"]: each for each in calls},
        counters={"live": 3, "stale": 1, "waiting": 2, "today": today},
    )


def shown(board: LiveBoard, link: Link, now: int = NOW, *, lines: int = 50, width: int = 140) -> str:
    text = StringIO()
    Console(width=width, file=text).print(render(board, link, now, lines=lines))
    return text.getvalue()


def test_a_live_call_shows_state_ages_and_what_was_said() -> None:
    said = {"role": "user", "text": "hello [b]there[/b]", "final": True, "at": "2025-12-31T23:59:56.000Z"}
    text = shown(board(call(from_number="+15550001", utterances=[said])), Link(state="live", heard_at=NOW))
    assert "● live" in text
    assert "● in progress" in text
    assert "+15550001" in text
    assert "1:00" in text
    assert "0:04" in text
    assert "user: hello [b]there[/b]" in text
    assert "1.5 min" in text


def test_figures_show_what_was_measured_and_a_dash_for_what_was_not() -> None:
    figures = board(call())
    figures.counters["today"] |= {
        "peak_live": 7,
        "peak_at": "2025-12-31T11:22:33.000Z",
        "service_level_share": 0.8,
        "service_level_n": 25,
        "turn_latency_p95_ms": 1_940,
    }
    text = shown(figures, Link(state="live", heard_at=NOW))
    for told in ("7 at ", ":22", "9 of 12", "80% of 25", "1.9 s"):
        assert told in text
    assert text.count(NOTHING) == 3
    figures.counters |= {"live": 31, "stale": 29, "waiting": 27}
    assert [*re.findall(r"\b(?:31|29|27)\b", shown(figures, Link()))] == ["31", "29", "27"]
    assert [*re.findall(r"\b(?:live|stale|waiting)\b", shown(figures, Link()))] == ["live", "stale", "waiting"]
    # Not told: an owner that is away, or of an older release.
    del figures.counters["stale"]
    assert shown(figures, Link(state="live", heard_at=NOW)).count(NOTHING) == 4


def test_figures_keep_their_words_in_a_terminal_of_80_columns() -> None:
    figures = board(call())
    figures.counters["today"] |= {"peak_live": 12, "peak_at": "2025-12-31T11:22:33.000Z"}
    text = shown(figures, Link(state="live", heard_at=NOW), width=80)
    for told in ("12 at ", "first word", "latency p95", "handling", "1.5 min"):
        assert told in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_wallboards_key_shows_figures_and_alarms_and_says_why_no_calls() -> None:
    figures = {name: board().counters[name] for name in FIGURES_NOW}
    figures["today"] = {name: board().counters["today"][name] for name in FIGURES_OF_THE_DAY}
    alarms = [
        {"alarm_id": severity, "incident": severity, "severity": severity, "acknowledged": severity == "critical"}
        for severity in ("warning", "critical")
    ]
    state = {"organization": {"name": "Demo"}, "figures": figures, "alarms": alarms}
    told = {"type": "wallboard", "position": "1-1", "reason": "first", "state": state}
    wall = LiveBoard()
    assert wall.apply(told) == "snapshot"
    text = shown(wall, Link(state="live", heard_at=NOW))
    for each in ("Demo", "9 of 12", "latency p95", "nothing of any caller"):
        assert each in text
    assert text.index("▲ Critical  acknowledged") < text.index("◆ Warning")
    assert "first word" not in text
    ended = {"type": "wallboard-alarm", "alarm": alarms[0], "open": False}
    fewer = {"type": "wallboard-figures", "figures": {**figures, "live": 2}}
    events = {"type": "events", "position": "1-2", "after": "1-1", "events": [ended, fewer]}
    assert [*plain_lines(told), *plain_lines(events)] == [
        "wallboard 1-1 (first): live 3, waiting 2, answered 9 of 12",
        "1-2 alarm warning ended (warning)",
        "1-2 live 2, waiting 2, answered 9 of 12",
    ]
    wall.apply(events)
    assert "Warning" not in shown(wall, Link())


def test_ages_follow_the_servers_clock() -> None:
    link = Link()
    link.hear({"type": "heartbeat", "time": "2026-01-01T00:00:00.000Z"}, NOW - 3_600_000)
    assert link.skew_ms == 3_600_000
    assert "1:00" in shown(board(call()), link, NOW - 3_600_000)


def test_a_board_that_is_not_fed_says_since_when() -> None:
    assert "reconnecting  1006" in shown(board(), Link(state="reconnecting", reason="1006", heard_at=NOW - 5_000))
    assert "stale since" in shown(board(), Link(state="reconnecting", heard_at=NOW - 11_000))
    assert "stale since" in shown(board(), Link(state="live", heard_at=NOW - 11_000))
    blind = Link()
    for later in (0, 5):
        told = {"type": "heartbeat", "time": f"2026-01-01T00:00:0{later}.000Z", "current": False}
        blind.hear(told, NOW + later * 1_000)
    assert "stale since 00:00:00" in shown(board(), blind, NOW + 5_000)
    blind.hear({"type": "snapshot"}, NOW + 6_000)
    assert "● live" in shown(board(), blind, NOW + 6_000)


def test_clocks_of_a_stale_board_stand_where_it_was_last_heard() -> None:
    link = Link(state="live", heard_at=NOW)
    texts = {shown(board(call()), link, NOW + after * 1_000) for after in (20, 80)}
    assert len(texts) == 1
    assert "1:00" in texts.pop()
    assert "1:09" in shown(board(call()), link, NOW + 9_000), "a moment without a frame is no standstill"


def test_times_are_the_organizations() -> None:
    seen = board()
    seen.organization["time_zone"] = "Asia/Kolkata"
    seen.counters["today"] |= {"peak_live": 7, "peak_at": "2025-12-31T23:40:00.000Z"}
    text = shown(seen, Link(state="live", heard_at=NOW - 11_000))
    assert "7 at 05:10" in text
    assert "stale since 05:29:49" in text


def test_eighty_columns_have_room_for_every_figures_name() -> None:
    text = shown(board(call()), Link(state="live", heard_at=NOW), width=80)
    assert all(name in text for name in ("service level", "answered", "waiting", "latency p95", "first word", "talk"))


def test_nothing_is_shown_as_zero_before_it_is_known() -> None:
    text = shown(LiveBoard(), Link())
    assert "Waiting for the first snapshot" in text
    assert "0" not in text


def test_ended_calls_move_to_the_tray() -> None:
    text = shown(board(call(status="ended", ended_reason="customer-ended-call")), Link())
    assert "No live calls." in text
    assert "customer ended call" in text
    assert "report pending" in text


def test_of_more_calls_than_fit_the_worst_and_then_the_oldest_are_shown_and_the_rest_is_counted() -> None:
    began = "2025-12-31T23:{:02}:00.000Z"
    calls = [call(call_id=f"c{n:02}", from_number=f"+1555{n:04}", answered_at=began.format(n)) for n in range(59)]
    over = [call(call_id=f"e{n}", status="ended", ended_reason="customer-ended-call") for n in range(9)]
    seen = board(*calls, *over)
    for call_id, severity in (("c50", "critical"), ("c55", "warning")):
        seen.incidents["call-silent", call_id] = incident(incident_id=call_id, severity=severity, call_id=call_id)
    text = shown(seen, Link(), lines=30)
    assert len(text.splitlines()) <= 30
    rows = re.findall(r"\+1555\d{4}", text)
    assert rows[:4] == ["+15550050", "+15550055", "+15550000", "+15550001"]
    assert f"{len(calls) - len(rows)} more not shown" in text
    assert "recently ended" in text
    assert "not shown" not in shown(board(*calls[:3]), Link(), lines=30)


def test_evidence_grows_old_and_absence_counts_against_it() -> None:
    assert evidence(call(), NOW) == "confirmed"
    assert evidence(call(), NOW + 60_000) == "quiet"
    assert evidence(call(absent_at="2025-12-31T23:59:51.000Z"), NOW) == "unconfirmed"
    assert ago("2025-12-31T22:58:58.000Z", NOW) == "1:01:02"
    assert ago(None, NOW) == "-"


def test_plain_lines_tell_each_event_once_and_no_partials() -> None:
    events: list[dict[str, Any]] = [
        {"type": "call", "kind": "status-update", "call": {"call_id": "a", "status": "ringing"}},
        {"type": "utterance", "call_id": "a", "utterance": {"role": "user", "text": "hel", "final": False}},
        {"type": "utterance", "call_id": "a", "utterance": {"role": "user", "text": "hello", "final": True}},
        {"type": "counters", "counters": {}},
        {"type": "call-removed", "call_id": "a"},
    ]
    assert list(plain_lines({"type": "events", "position": "1-2", "events": events})) == [
        "1-2 call a ringing (status-update)",
        "1-2 call a user: hello",
        "1-2 call a left the board",
    ]
    snapshot: dict[str, Any] = {"type": "snapshot", "position": "1-2", "reason": "gap", "state": {"calls": [{}, {}]}}
    assert list(plain_lines(snapshot)) == ["snapshot 1-2 (gap): 2 calls"]


def incident(**values: Any) -> dict[str, Any]:
    return {
        "incident_id": "i1",
        "rule": "call-silent",
        "metric": "silence_seconds",
        "severity": "warning",
        "call_id": "c1",
        "evidence": {"value": 15.5, "since": TIMES["created_at"], "call_id": "c1", "detail": None},
        "opened_at": "2025-12-31T23:59:18.000Z",
        "acknowledged_at": None,
        "muted_until": None,
        "recovered_at": None,
        "resolved_at": None,
        **values,
    }


def test_open_incidents_stand_above_and_mark_their_rows() -> None:
    seen = board(call())
    fleet = incident(incident_id="i2", rule="webhooks-silent", severity="critical", call_id=None)
    for each in (incident(acknowledged_at=TIMES["created_at"], muted_until="2026-01-01T00:10:00.000Z"), fleet):
        seen.incidents[each["rule"], each["call_id"]] = each
    lines = shown(seen, Link(state="live", heard_at=NOW)).splitlines()
    critical, warning = (next(line for line in lines if word in line) for word in ("Critical", "Warning"))
    assert lines.index(critical) < lines.index(warning)
    assert "◆ Warning  Silent for 0:15  call c1  for 0:42  acknowledged  muted" in warning
    assert any("◆ ● in progress" in line for line in lines)


def test_every_metric_has_the_pages_words() -> None:
    page = (Path(__file__).parents[2] / "dashboard" / "src" / "calls" / "alarms.ts").read_text()
    for metric in Metric:
        found = {"value": 2.0, "since": TIMES["created_at"], "call_id": None, "detail": None}
        text = alarm_text(incident(metric=metric, evidence=found))
        begins = re.match(r"[A-Za-z ]+(?=[:0-9])|.+", text)
        assert begins is not None
        assert begins.group().strip() in page, metric
    assert alarm_text(incident(metric="of_later", evidence={"value": 2.5, "detail": None})) == "call silent: 2.5"
    refused = {"value": 3.0, "detail": "refused:concurrency"}
    assert (
        alarm_text(incident(metric="refused_calls", evidence=refused)) == "Calls refused: 3, the last for concurrency"
    )


def test_plain_lines_tell_of_incidents() -> None:
    opened = {"type": "incident", "kind": "opened", "incident": incident()}
    fleet = {"type": "incident", "kind": "recovered", "incident": incident(call_id=None)}
    assert list(plain_lines({"type": "events", "position": "1-2", "events": [opened, fleet]})) == [
        "1-2 incident opened: call-silent (warning) of call c1",
        "1-2 incident recovered: call-silent (warning) of the organization",
    ]
