"""The live protocol: every frame, event and view that a socket brings. The one source of its types.

From these models come `/asyncapi.json` (`serve.live.asyncapi`) and `dashboard/src/live/protocol.ts`
(`serve.live.typescript`). Tests hold everything that is sent to these models, field by field.
"""

from typing import Annotated, Any, Final, Literal

import orjson
from pydantic import Field, TypeAdapter
from typing_extensions import TypeAliasType

from actors.domain.events import IncidentChange
from serve.live.frames import Reason
from serve.live.views import (
    BoardState,
    CallView,
    ConversationView,
    CountersView,
    LiveIncident,
    Position,
    Strict,
    UtteranceView,
    WallboardAlarm,
    WallboardFigures,
    WallboardState,
)
from serve.schemas import Timestamp


class CallEvent(Strict):
    """A call's record is now `call`; what was said in it stays."""

    type: Literal["call"]
    kind: str = Field(description="The message that changed it.")
    call: CallView


class CallCompletedEvent(Strict):
    """Everything that follows a call was done; its record is now `call`."""

    type: Literal["call-completed"]
    kind: Literal["call-processed"]
    call: CallView


class UtteranceEvent(Strict):
    """Something was said: it follows the others, in place of partial ones of its role."""

    type: Literal["utterance"]
    call_id: str
    evidence_at: Timestamp
    utterance: UtteranceView


class EvidenceEvent(Strict):
    """A sign that the call goes on, and how it is talked."""

    type: Literal["evidence"]
    call_id: str
    evidence_at: Timestamp
    conversation: ConversationView


class CallRemovedEvent(Strict):
    """An ended call left the board. Its record is kept, and the REST API has it."""

    type: Literal["call-removed"]
    call_id: str


class StateRepairedEvent(Strict):
    """Memory and database had differed and were made one again; so often on this day."""

    type: Literal["state-repaired"]
    repairs: int


class OrganizationEvent(Strict):
    """The organization's settings are now these."""

    type: Literal["organization"]
    name: str
    time_zone: str


class IncidentEvent(Strict):
    """An incident is now `incident`."""

    type: Literal["incident"]
    kind: IncidentChange
    incident: LiveIncident


class CountersEvent(Strict):
    """The figures are now these."""

    type: Literal["counters"]
    counters: CountersView


class WallboardFiguresEvent(Strict):
    """To wallboards: the figures are now these."""

    type: Literal["wallboard-figures"]
    figures: WallboardFigures


class WallboardAlarmEvent(Strict):
    """To wallboards: an incident opened, changed, or (`open` false) ended."""

    type: Literal["wallboard-alarm"]
    alarm: WallboardAlarm
    open: bool


LiveEvent = TypeAliasType(
    "LiveEvent",
    Annotated[
        CallEvent
        | CallCompletedEvent
        | UtteranceEvent
        | EvidenceEvent
        | CallRemovedEvent
        | StateRepairedEvent
        | OrganizationEvent
        | IncidentEvent
        | CountersEvent
        | WallboardFiguresEvent
        | WallboardAlarmEvent,
        Field(discriminator="type"),
    ],
)


class SnapshotFrame(Strict):
    """The whole board as of `position`, in place of what the client has."""

    type: Literal["snapshot"]
    position: Position
    reason: Reason = Field(
        description="`first`: nothing was asked for. `gap`: what followed the client's position is not known any more."
        " `epoch`: another owner has begun."
    )
    state: BoardState


class WallboardFrame(Strict):
    """What who may see no more is sent in place of a snapshot: the whole wallboard as of `position`."""

    type: Literal["wallboard"]
    position: Position
    reason: Reason = Field(description="As a snapshot's.")
    state: WallboardState


class EventsFrame(Strict):
    """What brings a board from `after` to `position`. Dropped by a client whose position is not smaller.

    A client whose position is smaller than `after` has lost a frame on the way: it resumes from where it is.
    """

    type: Literal["events"]
    position: Position
    after: Position
    events: list[LiveEvent]


class HeartbeatFrame(Strict):
    """Every 5 s, and at once after a resumption that missed nothing. Three missed: the connection is dead.

    Its position is that of the last frame: a client whose position is smaller has lost one, and resumes.
    """

    type: Literal["heartbeat"]
    position: Position
    time: Timestamp = Field(description="The server's clock.")
    current: bool = Field(description="False while the feed cannot be read: the board may be older than `time`.")


class Watcher(Strict):
    """A credential with open sockets, at all hubs together."""

    subject: str = Field(description="`user:` or `key:` and an id: whom `acknowledged_by` and the audit log name.")
    name: str | None = Field(description="What the organization calls them; null for people who gave no name.")
    since: Timestamp
    sockets: int
    calls: list[str] = Field(description="Which calls it has open, 8 at most, in the order of their ids.")


class Actor(Strict):
    """The last command that somebody gave a call within the last minute."""

    subject: str
    name: str | None
    call_id: str
    action: str = Field(description="`say`, `whisper`, `mute`, `unmute`, `transfer`, `end`; others may come.")
    at: Timestamp


class PresenceFrame(Strict):
    """Who watches this board and who acts on its calls, whole: it takes the place of the one before.

    Within a second at one hub, 2 s between hubs; what a hub that died told is gone after 8 s, the call that a page had
    open half a minute after the page told of it last. It has no position.
    """

    type: Literal["presence"]
    watching: list[Watcher] = Field(description="Longest there first.")
    more: int = Field(description="So many more credentials watch.")
    acting: list[Actor] = Field(description="Newest first, 20 at most.")


LiveFrame = TypeAliasType(
    "LiveFrame",
    Annotated[
        SnapshotFrame | WallboardFrame | EventsFrame | HeartbeatFrame | PresenceFrame, Field(discriminator="type")
    ],
)

FRAMES: Final[tuple[type[Strict], ...]] = (SnapshotFrame, WallboardFrame, EventsFrame, HeartbeatFrame, PresenceFrame)
EVENT: Final[TypeAdapter[Any]] = TypeAdapter(LiveEvent)
FRAME: Final[TypeAdapter[Any]] = TypeAdapter(LiveFrame)


class ProtocolError(Exception):
    """Something is not what the protocol says."""


def exactly(told: bytes, model: TypeAdapter[Any] = FRAME) -> Any:
    """The frame (or event, or view) as JSON values. Raises when it is not, to the letter, what the model writes."""
    values = orjson.loads(told)
    written = model.dump_python(model.validate_json(told, strict=True), mode="json")
    if written != values:
        raise ProtocolError(f"{values!r} is written {written!r}")
    return values
