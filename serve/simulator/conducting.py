"""A simulated call while it goes on: what a command changes of the rest of it."""

from dataclasses import dataclass, replace
from typing import Any, Final, cast

from serve.simulator.script import Said, ScriptedCall, TimedMessage, ToolUse

_REPORT_MS: Final = 2_600
_MS_PER_CHARACTER: Final = 60
_TRANSFER_MS: Final = 1_500
MANUALLY_ENDED: Final = "manually-canceled"
FORWARDED: Final = "assistant-forwarded-call"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCommandError(Exception):
    """VAPI would refuse the command; `message` is what it would say."""

    message: str


def commanded(call: ScriptedCall, command: Any, *, at: int) -> ScriptedCall:
    """The call with its rest changed by a command at `at` (ms on its clock). Raises BadCommandError.

    What a caller cannot hear (`add-message`, muting) leaves the script as it is.
    """
    told = _object(command)
    match told.get("type"):
        case "say":
            content = told.get("content")
            if not isinstance(content, str) or not content:
                raise BadCommandError(message="content should not be empty")
            return _said(call, content, at=at, ends=told.get("endCallAfterSpoken") is True)
        case "end-call":
            return ended(call, at=at, reason=MANUALLY_ENDED)
        case "transfer":
            target = _object(told.get("destination"))
            number = target.get("number") or target.get("sipUri")
            if not isinstance(number, str):
                raise BadCommandError(message="destination should not be empty")
            return _transferred(call, number, at=at)
        case "add-message" | "control" | "send-transport-message" | "handoff":
            return call
        case _:
            raise BadCommandError(message="type must be a known control")


def _object(told: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", told) if isinstance(told, dict) else {}


def ended(call: ScriptedCall, *, at: int, reason: str) -> ScriptedCall:
    """The call, over at `at`: what was not said by then never is."""
    spoken = tuple(_cut(item, at) for item in call.conversation if item.at < at)
    kept = [each for each in call.messages if each.at < at]
    status = TimedMessage(type="status-update", at=at, content={"status": "ended", "endedReason": reason})
    report = TimedMessage(type="end-of-call-report", at=at + _REPORT_MS)
    return replace(call, ended_at=at, ended_reason=reason, conversation=spoken, messages=(*kept, status, report))


def _said(call: ScriptedCall, content: str, *, at: int, ends: bool) -> ScriptedCall:
    said = Said(role="assistant", text=content, at=at, until=at + _MS_PER_CHARACTER * len(content))
    conversation = tuple(sorted((*call.conversation, said), key=lambda item: item.at))
    heard = TimedMessage(
        type="transcript",
        at=said.until,
        content={"role": "assistant", "transcriptType": "final", "transcript": content},
    )
    longer = replace(call, conversation=conversation, messages=_in_order(*call.messages, heard))
    # The one who speaks outlives the script.
    if said.until >= call.ended_at:
        longer = ended(longer, at=said.until + 1, reason=call.ended_reason)
    return ended(longer, at=said.until + 1, reason="assistant-ended-call") if ends else longer


def _transferred(call: ScriptedCall, number: str, *, at: int) -> ScriptedCall:
    content: dict[str, Any] = {"status": "forwarding", "destination": {"type": "number", "number": number}}
    told = TimedMessage(type="status-update", at=at, content=content)
    going = replace(call, transferred_to=number, messages=_in_order(*call.messages, told))
    return ended(going, at=at + _TRANSFER_MS, reason=FORWARDED)


def _cut(item: Said | ToolUse, at: int) -> Said | ToolUse:
    return replace(item, until=min(item.until, at)) if isinstance(item, Said) else item


def _in_order(*messages: TimedMessage) -> tuple[TimedMessage, ...]:
    return tuple(sorted(messages, key=lambda message: message.at))
