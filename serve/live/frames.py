"""The frames of a live socket, each encoded once however many sockets it goes to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

import orjson
from websockets.frames import Frame, Opcode

from actors.domain.iso_time import iso
from actors.domain.json_types import JSON
from serve.live.encoding import Encoding
from serve.live.wallboard import Wallboard
from storage.live_position import Position
from storage.live_presence import Present
from storage.live_reader import FeedEntry

Reason: TypeAlias = Literal["first", "gap", "epoch"]
"""Why a snapshot is sent: nothing was asked for, entries are missing, or another owner has begun."""

FRAME_BYTES: Final = 256 * 1024
"""Events of one frame, about: clients commonly refuse messages over 1 MiB."""


def encode_state(state: Mapping[str, JSON], wallboard: Wallboard | None = None) -> bytes:
    """All of a state, or what a wallboard is told of it."""
    return orjson.dumps(state if wallboard is None else wallboard.state(state))


def snapshot_frame(position: Position, reason: Reason, state: bytes, encoding: Encoding = Encoding.FULL) -> bytes:
    """The frame of a state that was encoded alike."""
    kind = b"snapshot" if encoding is Encoding.FULL else b"wallboard"
    return _frame(b'{"type":"%b","position":"%b","reason":"%b","state":%b}', kind, position, reason, state)


def heartbeat_frame(position: Position, time: str, *, current: bool) -> bytes:
    """`current` is false while the hub cannot read the feed: the board may be older than `time`."""
    values = orjson.dumps({"time": time, "current": current})
    return _frame(b'{"type":"heartbeat","position":"%b",%b', position, values.removeprefix(b"{"))


def presence_frame(present: Present, names: Mapping[str, str]) -> bytes:
    """Who is there, whole: it has no position and takes the place of the one before."""
    told = {
        "type": "presence",
        "watching": [
            {
                "subject": each.subject,
                "name": names.get(each.subject),
                "since": iso(each.since),
                "sockets": each.sockets,
                "calls": present.looking.get(each.subject, ()),
            }
            for each in present.watching
        ],
        "more": present.more,
        "acting": [
            {
                "subject": each.subject,
                "name": names.get(each.subject),
                "call_id": each.call_id,
                "action": each.action,
                "at": iso(each.at),
            }
            for each in present.acting
        ],
    }
    return Frame(Opcode.TEXT, orjson.dumps(told)).serialize(mask=False)


def events_frames(entries: Sequence[FeedEntry], after: Position, wallboard: Wallboard | None = None) -> Iterator[bytes]:
    """Frames that bring a client, or a wallboard, from `after` to the last entry.

    Entries follow one another and `after`.
    """
    for part in _parts(entries):
        if wallboard is not None:
            events = orjson.dumps(wallboard.events(_events(part)))
        else:
            events = part[0].events if len(part) == 1 else orjson.dumps(folded(_events(part)))
        position = part[-1].position
        yield _frame(b'{"type":"events","position":"%b","after":"%b","events":%b}', position, after, events)
        after = position


def folded(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The events without those that a later one of the same frame replaces: partial utterances, evidence, counters."""
    replaced: set[tuple[str, ...]] = set()
    kept: list[Mapping[str, Any]] = []
    for event in reversed(events):
        match event:
            case {"type": "utterance", "call_id": str(call_id), "utterance": {"role": str(role), "final": final}}:
                if not final and ("utterance", call_id, role) in replaced:
                    continue
                # Evidence before it stays: it carries how the conversation goes, an utterance does not.
                replaced.add(("utterance", call_id, role))
            case {"type": "evidence", "call_id": str(call_id)}:
                if ("evidence", call_id) in replaced:
                    continue
                replaced.add(("evidence", call_id))
            case {"type": "counters"}:
                if ("counters",) in replaced:
                    continue
                replaced.add(("counters",))
            case _:
                pass
        kept.append(event)
    return kept[::-1]


def _events(entries: Iterable[FeedEntry]) -> list[Mapping[str, Any]]:
    return [event for entry in entries for event in orjson.loads(entry.events)]


def _parts(entries: Sequence[FeedEntry]) -> Iterator[list[FeedEntry]]:
    part: list[FeedEntry] = []
    size = 0
    for entry in entries:
        if part and size + len(entry.events) > FRAME_BYTES:
            yield part
            part, size = [], 0
        part.append(entry)
        size += len(entry.events)
    if part:
        yield part


def _frame(template: bytes, *values: Position | str | bytes) -> bytes:
    texts = tuple(value if isinstance(value, bytes) else str(value).encode() for value in values)
    # Servers do not mask and we negotiate no extension, so one framing serves every socket.
    return Frame(Opcode.TEXT, template % texts).serialize(mask=False)
