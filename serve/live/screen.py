"""The board as a terminal shows it: pure rendering of what the client knows at a moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from actors.domain.admission import is_refusal
from actors.domain.call import CONFIRMED_FOR_MS
from serve.live.board import LiveBoard, View
from serve.live.words import alarm_text, clock, words

STALE_AFTER_MS: Final = 10_000
ENDED_SHOWN: Final = 6
ALARMS_SHOWN: Final = 5
FEWEST_SHOWN: Final = 3
_IN_A_ROW: Final = 6
"""Figures that a terminal of 80 columns has room for."""
_FRAME_LINES: Final = 9
"""Header, figures in their box, the table's head, and what is not shown."""
_TRAY_TITLE_LINES: Final = 2
NOTHING: Final = "\N{EN DASH}"
_STYLES: Final = {"in-progress": "green", "forwarding": "cyan", "ringing": "yellow", "ended": "dim"}
_SHAPES: Final = {"critical": "▲", "warning": "◆", "notice": "■"}
_SEVERITY_STYLES: Final = {"critical": "bold red", "warning": "yellow", "notice": "cyan"}
_NO_CALLS: Final = Text("This key shows a wallboard: figures, and nothing of any caller.", style="dim")
_MARKS: Final = {"confirmed": "●", "quiet": "○", "unconfirmed": "?"}


@dataclass(slots=True)
class Link:
    """The connection. Times are ms since the epoch on this machine's clock; `skew_ms` leads to the server's."""

    state: Literal["connecting", "live", "reconnecting"] = "connecting"
    reason: str = ""
    heard_at: int = 0
    skew_ms: int = 0
    blind_at: int | None = None
    """Since when the hub itself cannot read the feed."""

    def hear(self, frame: Mapping[str, Any], now: int) -> None:
        """Note that a frame came; heartbeats bring the server's clock."""
        self.state, self.heard_at = "live", now
        match frame["type"]:
            case "heartbeat":
                self.skew_ms = (milliseconds(frame["time"]) or now) - now
                is_blind = not frame.get("current", True)
                self.blind_at = (self.blind_at or now) if is_blind else None
            case "events" | "snapshot" | "wallboard":
                self.blind_at = None
            case _:
                pass

    def stale_since(self, now: int) -> int | None:
        """When a board that is not live any more was; None while it is, or may be again in a moment."""
        if self.blind_at is not None:
            return self.blind_at
        # Heartbeats come every five seconds: two missed are as good as a lost connection.
        return self.heard_at if self.heard_at > 0 and now - self.heard_at >= STALE_AFTER_MS else None

    def board_time(self, now: int) -> int:
        """What clocks on the board go by: the server's now, or the last moment known of a board that is stale."""
        since = self.stale_since(now)
        return (now if since is None else since) + self.skew_ms


def milliseconds(time: str | None) -> int | None:
    return round(datetime.fromisoformat(time).timestamp() * 1000) if time else None


def ago(since: str | None, now: int) -> str:
    """How long ago, on the server's clock, as m:ss or h:mm:ss."""
    at = milliseconds(since)
    if at is None:
        return "-"
    return clock((now - at) // 1000)


def evidence(call: View, now: int) -> str:
    """How sure the call is what it is shown as: `confirmed`, `quiet` or `unconfirmed`."""
    at, absent_at = milliseconds(call["evidence_at"]) or 0, milliseconds(call["absent_at"])
    if absent_at is not None and absent_at >= at:
        return "unconfirmed"
    return "confirmed" if now - at <= CONFIRMED_FOR_MS else "quiet"


def render(board: LiveBoard, link: Link, now: int, *, lines: int) -> RenderableType:
    """The whole screen, in so many lines. `now` is this machine's clock in ms.

    Of more calls than fit those are shown that are worst off, the oldest before others, and how many more there are.
    """
    server_now = link.board_time(now)
    if board.is_wallboard:
        return Group(_header(board, link, now), _counters(board), _wall_alarms(board), _NO_CALLS)
    calls, ranks = board.calls.values(), alarmed_calls(board)
    open_calls = sorted((call for call in calls if call["status"] != "ended"), key=lambda call: _urgency(call, ranks))
    ended = sorted((call for call in calls if call["status"] == "ended"), key=_ended_at, reverse=True)[:ENDED_SHOWN]
    alarms = sorted(board.incidents.values(), key=_rank)
    alarm_lines = min(len(alarms), ALARMS_SHOWN + 1)
    room = max(FEWEST_SHOWN, lines - _FRAME_LINES - alarm_lines - (len(ended) + _TRAY_TITLE_LINES if ended else 0))
    hidden = max(0, len(open_calls) - room)
    return Group(
        _header(board, link, now),
        _counters(board),
        _alarms(alarms, server_now),
        _table(open_calls[:room], ranks, server_now) if open_calls else _empty(board, link),
        Text(f"{hidden} more not shown" if hidden else "", style="dim"),
        _tray(ended, server_now),
    )


def plain_lines(frame: Mapping[str, Any]) -> Iterable[str]:
    """One line for each event of a frame, for logs and pipes."""
    match frame:
        case {"type": "snapshot", "position": position, "reason": reason, "state": {"calls": calls}}:
            yield f"snapshot {position} ({reason}): {len(calls)} calls"
        case {"type": "wallboard", "position": position, "reason": reason, "state": {"figures": figures}}:
            yield f"wallboard {position} ({reason}): {_plain_figures(figures)}"
        case {"type": "events", "position": position, "events": events}:
            yield from (f"{position} {line}" for event in events if (line := _plain(event)))
        case _:
            pass


def _plain(event: Mapping[str, Any]) -> str | None:
    match event:
        case {"type": "call" | "call-completed", "kind": kind, "call": {"call_id": call_id, "status": status}}:
            return f"call {call_id} {status} ({kind})"
        case {"type": "utterance", "call_id": call_id, "utterance": {"role": role, "text": text, "final": True}}:
            return f"call {call_id} {role}: {text}"
        case {"type": "incident", "kind": kind, "incident": {"rule": rule, "severity": severity, "call_id": call_id}}:
            about = "the organization" if call_id is None else f"call {call_id}"
            return f"incident {kind}: {rule} ({severity}) of {about}"
        case {"type": "call-removed", "call_id": call_id}:
            return f"call {call_id} left the board"
        case {"type": "organization", "name": name}:
            return f"organization {name}"
        case {"type": "wallboard-figures", "figures": figures}:
            return _plain_figures(figures)
        case {"type": "wallboard-alarm", "alarm": {"severity": severity, "alarm_id": alarm_id}, "open": is_open}:
            return f"alarm {alarm_id} {'open' if is_open else 'ended'} ({severity})"
        case _:
            return None


def _plain_figures(figures: Mapping[str, Any]) -> str:
    today = figures["today"]
    return f"live {figures['live']}, waiting {figures['waiting']}, answered {today['answered']} of {today['calls']}"


def _header(board: LiveBoard, link: Link, now: int) -> RenderableType:
    title = Text(str(board.organization.get("name", "Waiting for the first snapshot")), style="bold")
    line = Table.grid(expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right")
    line.add_row(title, _chip(board, link, now))
    return line


def _chip(board: LiveBoard, link: Link, now: int) -> Text:
    if (since := link.stale_since(now)) is not None:
        stood = _time_of_day(since + link.skew_ms, board, "%H:%M:%S")
        return Text(f"■ stale since {stood}  {link.reason}", style="bold red")
    if link.state == "live":
        return Text("● live", style="bold green")
    return Text(f"◐ {link.state}  {link.reason}", style="bold yellow")


def _counters(board: LiveBoard) -> RenderableType:
    if not board.counters:
        return Text("")
    today = board.counters["today"]
    peak_at = milliseconds(today["peak_at"])
    peak = f"{today['peak_live']} at {_time_of_day(peak_at, board)}" if peak_at is not None else NOTHING
    level = today["service_level_share"]
    figures = [
        ("live", str(board.counters["live"])),
        ("stale", str(stale) if (stale := board.counters.get("stale")) is not None else NOTHING),
        ("waiting", str(board.counters["waiting"])),
        ("peak", peak),
        ("answered", f"{today['answered']} of {today['calls']}"),
        ("refused", str(today["refused"])),
        ("service level", f"{level:.0%} of {today['service_level_n']}" if level is not None else NOTHING),
        ("answer", _told(today["answer_seconds"], "s")),
        ("handling", _told(today["handle_seconds"], "s")),
        ("latency p95", _told(_of_ms(today["turn_latency_p95_ms"]), "s")),
    ]
    if not board.is_wallboard:
        figures.insert(-1, ("first word", _told(_of_ms(today["first_word_p50_ms"]), "s")))
        figures.append(("talk", f"{today['talk_seconds'] / 60:,.1f} min"))
    grid = Table.grid(expand=True)
    for _ in range(_IN_A_ROW):
        grid.add_column(justify="center", no_wrap=True)
    for row in (figures[at : at + _IN_A_ROW] for at in range(0, len(figures), _IN_A_ROW)):
        grid.add_row(*(Text(value, style="bold") for _, value in row))
        grid.add_row(*(Text(name, style="dim") for name, _ in row))
    return Panel(grid, border_style="dim")


def _time_of_day(at: int, board: LiveBoard, form: str = "%H:%M") -> str:
    """On the organization's clock, as the page tells it."""
    zone = ZoneInfo(board.organization.get("time_zone", "UTC"))
    return datetime.fromtimestamp(at / 1000, zone).strftime(form)


def _of_ms(value: float | None) -> float | None:
    return value / 1000 if value is not None else None


def _told(value: float | None, unit: str) -> str:
    """What was not measured is neither 0 nor all."""
    return f"{value:,.1f} {unit}" if value is not None else NOTHING


def alarmed_calls(board: LiveBoard) -> Mapping[str, str]:
    """The shape of the worst alarm of each call that has one."""
    worst = sorted(board.incidents.values(), key=_rank, reverse=True)
    return {each["call_id"]: _SHAPES[each["severity"]] for each in worst if each["call_id"] is not None}


def _urgency(call: View, alarmed: Mapping[str, str]) -> tuple[int, str, str]:
    """The page's order: severity, then age."""
    shape = alarmed.get(call["call_id"])
    rank = len(_SHAPES) if shape is None else [*_SHAPES.values()].index(shape)
    return (rank, call["answered_at"] or call["created_at"], call["call_id"])


def _rank(incident: View) -> tuple[int, str]:
    return ([*_SHAPES].index(incident["severity"]), incident["opened_at"])


def _alarms(alarms: Sequence[View], now: int) -> RenderableType:
    lines = [_alarm(incident, now) for incident in alarms[:ALARMS_SHOWN]]
    if len(alarms) > ALARMS_SHOWN:
        lines.append(Text(f"{len(alarms) - ALARMS_SHOWN} more alarms not shown", style="dim"))
    return Group(*lines)


def _alarm(incident: View, now: int) -> Text:
    severity, found = incident["severity"], incident["evidence"]
    line = Text(f"{_SHAPES[severity]} {severity.capitalize():8} ", style=_SEVERITY_STYLES[severity])
    line.append(alarm_text(incident), style="bold")
    line.append(f"  call {found['call_id']}" if found["call_id"] else "")
    line.append(f"  for {ago(incident['opened_at'], now)}", style="dim")
    if incident["acknowledged_at"] is not None:
        line.append("  acknowledged", style="dim")
    if (milliseconds(incident["muted_until"]) or 0) > now:
        line.append("  muted", style="dim")
    return line


def _wall_alarms(board: LiveBoard) -> RenderableType:
    """Alarms without what they are about, the worst first."""
    lines: list[Text] = []
    for alarm in sorted(board.alarms.values(), key=lambda each: [*_SHAPES].index(each["severity"])):
        severity = alarm["severity"]
        line = Text(f"{_SHAPES[severity]} {severity.capitalize()}", style=_SEVERITY_STYLES[severity])
        lines.append(line.append("  acknowledged", style="dim") if alarm["acknowledged"] else line)
    return Group(*lines)


def _table(calls: Iterable[View], alarmed: Mapping[str, str], now: int) -> RenderableType:
    table = Table(expand=True, box=None, header_style="dim", pad_edge=False)
    for name in ("state", "from", "to", "assistant"):
        table.add_column(name, no_wrap=True)
    for name in ("age", "silence"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last said", ratio=1, no_wrap=True, overflow="ellipsis")
    for call in calls:
        sure = evidence(call, now)
        told = words(call["admission"] if is_refusal(call.get("admission")) else call["status"])
        state = Text(f"{_MARKS[sure]} {told}", style=_STYLES.get(call["status"], ""))
        if call["call_id"] in alarmed:
            state = Text(f"{alarmed[call['call_id']]} ", style="bold red").append_text(state)
        if sure != "confirmed":
            state.append(f" ({sure})", style="yellow")
        said = call["utterances"][-1] if call["utterances"] else None
        table.add_row(
            state,
            escape(call["from_number"] or call["type"] or "-"),
            escape(call["to_number"] or "-"),
            escape(call["assistant_name"] or "-"),
            ago(call["answered_at"] or call["created_at"], now),
            ago(said["at"] if said else call["answered_at"], now),
            Text(f"{said['role']}: {said['text']}", style="" if said["final"] else "italic dim") if said else Text(""),
        )
    return table


def _empty(board: LiveBoard, link: Link) -> RenderableType:
    if board.position is None:
        return Text(f"No board yet. {link.reason}", style="dim")
    return Text("No live calls.", style="dim")


def _tray(ended: list[View], now: int) -> RenderableType:
    if not ended:
        return Text("")
    table = Table(expand=True, box=None, show_header=False, pad_edge=False, style="dim")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True)
    for call in ended:
        table.add_row(
            f"{ago(_ended_at(call), now)} ago",
            escape(call["from_number"] or call["call_id"]),
            escape(words(call["ended_reason"]) if call["ended_reason"] else "reason not told yet"),
            _report(call),
        )
    return Group(Text("\nrecently ended", style="dim bold"), table)


def _report(call: View) -> str:
    if call["processed_at"] is not None:
        return "processed"
    return "report arrived" if call["report"] == "received" else f"report {call['report']}"


def _ended_at(call: View) -> str:
    return call["ended_at"] or call["evidence_at"]
