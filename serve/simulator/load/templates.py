"""Bodies ready to be sent again and again, each time for a fresh call: rendering costs one copy of the bytes."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Final

import orjson

from serve.simulator.bodies import body_of
from serve.simulator.calls import scripted_calls
from serve.simulator.script import ScriptedCall, TimedMessage

CHATTER: Final = "chatter"
LIFECYCLE: Final = "lifecycle"
_CHATTER_TYPES: Final = frozenset({"transcript", "speech-update", "conversation-update", "user-interrupted"})
_MARK: Final = "said-at-the-moment-000000000000"
_SEED: Final = 7
_SCRIPTS: Final = 24
_BEFORE_MS: Final = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A body cut at every place where its call id stands, so that another fits in by one join."""

    kind: str
    type: str
    pieces: tuple[bytes, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces)) + 36 * (len(self.pieces) - 1)

    def render(self, call_id: bytes) -> bytes:
        return call_id.join(self.pieces)

    def render_marked(self, call_id: bytes, mark: str) -> bytes:
        """The body of a marked transcript with its text replaced by `mark`, of any length."""
        return self.render(call_id).replace(_MARK.encode(), mark.encode())


class CallIds:
    """Fresh ids in the form of VAPI's; runs begun at different ms share none."""

    def __init__(self, started_at: int) -> None:
        self._prefix = b"%08x-%04x-7000-8" % ((started_at >> 16) & 0xFFFFFFFF, started_at & 0xFFFF)
        self._numbers = itertools.count()

    def fresh(self) -> bytes:
        number = next(self._numbers)
        return b"%b%03x-%012x" % (self._prefix, (number >> 48) & 0xFFF, number & 0xFFFFFFFFFFFF)


class Templates:
    """Everything the phases send, made of scripted calls that ended shortly before `now` (ms)."""

    def __init__(self, now: int) -> None:
        calls = scripted_calls(_SEED, 200, starts_at=now - _BEFORE_MS, rate=1000)
        talked = [call for call in calls if call.answered_at is not None]
        phone = next(call for call in talked if call.kind != "webCall" and len(call.conversation) > 8)  # noqa: PLR2004
        web = next(call for call in talked if call.kind == "webCall" and len(call.conversation) > 4)  # noqa: PLR2004
        self.calls = [[_template(call, each) for each in call.messages] for call in calls[:_SCRIPTS]]
        """Whole calls: types in the proportion of real ones."""
        self.in_progress = _template(phone, _status(phone, "in-progress"))
        self.ended = _template(phone, _status(phone, "ended"))
        self.report = _template(phone, phone.messages[-1])
        self.transcript = _template(web, [each for each in web.messages if each.type == "transcript"][-1])
        """A web call's: about 12 KB."""
        self.marked_transcript = _marked(web)

    def mixed(self, ids: CallIds, *, at_once: int) -> "MixedStream":
        """Messages of `at_once` calls that go on at the same time, each new when one ended."""
        return MixedStream(self.calls, ids, at_once=at_once)


class MixedStream:
    """An endless stream of messages; `remaining` ends the calls that still go on."""

    def __init__(self, calls: list[list[Template]], ids: CallIds, *, at_once: int) -> None:
        self._calls = calls
        self._ids = ids
        self._random = Random(_SEED)  # noqa: S311  (repeatable by its seed)
        self._going_on: list[tuple[bytes, Iterator[Template], list[Template]]] = [self._begin() for _ in range(at_once)]

    def __iter__(self) -> Iterator[tuple[Template, bytes]]:
        while True:
            for place, (call_id, rest, _) in enumerate(self._going_on):
                template = next(rest, None)
                if template is None:
                    self._going_on[place] = self._begin()
                    continue
                yield template, template.render(call_id)

    def remaining(self) -> list[bytes]:
        """The last two messages of every call that goes on: its end and its report."""
        return [template.render(call_id) for call_id, _, call in self._going_on for template in call[-2:]]

    def _begin(self) -> tuple[bytes, Iterator[Template], list[Template]]:
        call = self._random.choice(self._calls)
        return self._ids.fresh(), iter(call), call


def _template(call: ScriptedCall, message: TimedMessage) -> Template:
    return Template(
        kind=CHATTER if message.type in _CHATTER_TYPES else LIFECYCLE,
        type=message.type,
        pieces=tuple(body_of(call, message).split(call.call_id.encode())),
    )


def _status(call: ScriptedCall, status: str) -> TimedMessage:
    return next(each for each in call.messages if each.content.get("status") == status and each.type == "status-update")


def _marked(call: ScriptedCall) -> Template:
    message = [each for each in call.messages if each.content.get("transcriptType") == "final"][-1]
    body = orjson.loads(body_of(call, message))
    body["message"]["transcript"] = _MARK
    pieces = orjson.dumps(body).split(call.call_id.encode())
    return Template(kind=CHATTER, type=message.type, pieces=tuple(pieces))
