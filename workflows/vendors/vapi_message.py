"""A webhook body read as a message: what it is, which call it is about, and what makes it itself."""

from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import xxhash

from actors.domain.call import Utterance
from actors.domain.conversation import SpeechSign
from actors.domain.json_types import JSON, Facts
from workflows.vendors.control_urls import control_url
from workflows.vendors.vapi_facts import message_facts
from workflows.vendors.vapi_values import ID_LENGTH, REPLACEMENT, TOO_DEEP, WireError, decode, mapping, moment, text

CALL_SEEN = "call-seen"
_FINAL_TRANSCRIPT = 'transcript[transcriptType="final"]'
_FLAT = frozenset({"call-start", "call-end"})
_CHATTER = frozenset(
    {
        "transcript",
        "speech-update",
        "conversation-update",
        "model-output",
        "voice-input",
        "user-interrupted",
        "assistant.speechStarted",
        "assistant.started",
        "language-change-detected",
        "language-changed",
    }
)
KNOWN_TYPES = frozenset(
    {
        *_FLAT,
        *_CHATTER,
        "assistant-request",
        "call.artifact.upload",
        "call.delete.failed",
        "call.deleted",
        "call.endpointing.request",
        "campaign.predial",
        "chat.created",
        "chat.deleted",
        "end-of-call-report",
        "function-call",
        "handoff-destination-request",
        "hang",
        "knowledge-base-request",
        "phone-call-control",
        "session.created",
        "session.deleted",
        "session.updated",
        "status-update",
        "tool-calls",
        "transfer-destination-request",
        "transfer-update",
        "voice-request",
    }
)
# What every message carries and grows with the call: it tells no twins apart, and its URLs differ on each delivery.
_COMMON = frozenset(
    {
        "artifact",
        "assistant",
        "assistantVersion",
        "call",
        "customer",
        "messages",
        "messagesOpenAIFormatted",
        "phoneNumber",
        "timestamp",
        "toolWithToolCallList",
        "type",
    }
)
# What messages of some type carry beside that, documented or captured; anything else is new to us, and counted.
_PARTICULAR = frozenset(
    {
        "analysis",
        "artifacts",
        "assistantId",
        "assistantName",
        "campaignId",
        "chat",
        "compliance",
        "contact",
        "conversation",
        "cost",
        "costBreakdown",
        "costs",
        "destination",
        "detectedThreats",
        "durationMinutes",
        "durationMs",
        "durationSeconds",
        "endedAt",
        "endedReason",
        "fromAssistant",
        "fromStepRecord",
        "functionCall",
        "inboundPhoneCallDebuggingArtifacts",
        "input",
        "isFiltered",
        "language",
        "newAssistant",
        "originalTranscript",
        "output",
        "parameters",
        "recordingUrl",
        "request",
        "role",
        "sampleRate",
        "session",
        "source",
        "startedAt",
        "status",
        "stereoRecordingUrl",
        "summary",
        "text",
        "timing",
        "toAssistant",
        "toStepRecord",
        "toolCallList",
        "toolCalls",
        "transcript",
        "transcriptType",
        "turn",
        "turnId",
    }
)
_KNOWN_FIELDS = _COMMON | _PARTICULAR
_KEY_LENGTH = 500
_UTTERANCE_LENGTH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMessage:
    """A message as the inbox and the organization take it. Times are ms since the epoch.

    `body` is the whole decoded body, secrets included; `message` the part of it that is the message; `control_url` the
    address that commands the call, which is a secret too.
    For chatter `event_key` and `facts` are those of the call's first sign (`call-seen`).
    """

    type: str
    call_id: str | None
    occurred_at: int | None
    event_key: str
    facts: Facts
    chatter: bool
    unknown: bool
    unknown_fields: int
    replaced_characters: int
    utterance: Utterance | None
    sign: SpeechSign | None
    message: dict[str, JSON] = field(repr=False)
    body: JSON = field(repr=False)
    control_url: str | None = field(default=None, repr=False)


def parse_message(body: bytes, *, received_at: int) -> ParsedMessage:
    """Read a body. Raises WireError when it is no message, or an identifier is not storable text; nothing else."""
    decoded, replaced = decode(body)
    kind, message = _envelope(decoded)
    call = message.get("call")
    if call is not None and not isinstance(call, dict):
        raise WireError("`call` must be an object")
    call = mapping(call)
    call_id = _call_id(call.get("id"), suspicious=replaced > 0)
    if replaced and REPLACEMENT in kind:
        raise WireError("`type` holds a character that cannot be stored")
    chatter = kind in _CHATTER
    occurred_at = moment(message.get("timestamp"))
    facts = message_facts(CALL_SEEN if chatter else kind, message, call, occurred_at)
    return ParsedMessage(
        type=kind,
        call_id=call_id,
        occurred_at=occurred_at,
        event_key=f"{CALL_SEEN}:{call_id}" if chatter else _event_key(kind, call_id, message, facts),
        facts=facts,
        chatter=chatter,
        unknown=kind not in KNOWN_TYPES,
        unknown_fields=0 if kind in _FLAT else len(message.keys() - _KNOWN_FIELDS),
        replaced_characters=replaced,
        utterance=_utterance(message, received_at) if kind == "transcript" else None,
        sign=_sign(message, occurred_at) if kind == "speech-update" else None,
        message=message,
        body=decoded,
        control_url=control_url(call),
    )


def _envelope(body: JSON) -> tuple[str, dict[str, JSON]]:
    """The type and the message, of `{"message": {"type": …}}` or of the flat `{"type": "call-start", "call": …}`."""
    if not isinstance(body, dict):
        raise WireError("the body must be an object")
    flat = text(body.get("type"))
    if "message" not in body and flat in _FLAT:
        return flat, body
    message = body.get("message")
    if not isinstance(message, dict):
        raise WireError("`message` must be an object" if "message" in body else "there is no `message`")
    kind = message.get("type")
    if not isinstance(kind, str) or not 0 < len(kind) <= ID_LENGTH:
        raise WireError(f"`message.type` must be text of 1 to {ID_LENGTH} characters")
    if kind == "status-update" and text(message.get("status")) is None:
        raise WireError("`message.status` must be text")
    return ("transcript" if kind == _FINAL_TRANSCRIPT else kind), message


def _call_id(value: JSON, *, suspicious: bool) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not 0 < len(value) <= ID_LENGTH:
        raise WireError(f"`call.id` must be text of 1 to {ID_LENGTH} characters")
    if suspicious and REPLACEMENT in value:
        raise WireError("`call.id` holds a character that cannot be stored")
    return value


def _event_key(kind: str, call_id: str | None, message: dict[str, JSON], facts: Facts) -> str:
    build = _KEYS.get(kind, _twin_key)
    key = f"{kind}:{call_id or '-'}:{build(message, facts)}"
    return key if len(key) <= _KEY_LENGTH else f"{key[:_KEY_LENGTH]}:{xxhash.xxh3_128_hexdigest(key.encode())}"


def _status_key(message: dict[str, JSON], _facts: Facts) -> str:
    return f"{text(message.get('status'))}:{_told_moment(message)}"


def _report_key(message: dict[str, JSON], facts: Facts) -> str:
    """A report is what it tells, whenever it is sent: a retry has other URLs, a correction has other values."""
    artifact = mapping(message.get("artifact"))
    told = [facts, message.get("analysis"), artifact.get("transcript"), message.get("transcript")]
    return _digest(told)


def _flat_report_key(message: dict[str, JSON], facts: Facts) -> str:
    return _report_key(mapping(message.get("call")), facts)


def _tool_calls_key(message: dict[str, JSON], facts: Facts) -> str:
    ids = facts.get("tool_call_ids")
    return ",".join(sorted(map(str, ids))) if isinstance(ids, list) else _twin_key(message, facts)


def _twin_key(message: dict[str, JSON], _facts: Facts) -> str:
    told: JSON = {name: value for name, value in message.items() if name not in _COMMON}
    return f"{_told_moment(message)}:{_digest(told)}"


def _told_moment(message: dict[str, JSON]) -> int | str:
    return moment(message.get("timestamp")) or "-"


def _digest(told: object) -> str:
    try:
        return xxhash.xxh3_128_hexdigest(orjson.dumps(told, option=orjson.OPT_SORT_KEYS))
    except orjson.JSONEncodeError as too_deep:
        raise WireError(TOO_DEEP) from too_deep


_KEYS: dict[str, Callable[[dict[str, JSON], Facts], str]] = {
    "status-update": _status_key,
    "end-of-call-report": _report_key,
    "call-end": _flat_report_key,
    "tool-calls": _tool_calls_key,
}


def _utterance(message: dict[str, JSON], received_at: int) -> Utterance | None:
    said = text(message.get("transcript"), _UTTERANCE_LENGTH)
    if said is None:
        return None
    role = text(message.get("role")) or "user"
    return Utterance(
        role="assistant" if role == "bot" else role,
        text=said,
        final=message.get("transcriptType") != "partial",
        at=received_at,
    )


def _sign(message: dict[str, JSON], occurred_at: int | None) -> SpeechSign | None:
    role, status = text(message.get("role")), text(message.get("status"))
    if occurred_at is None or role not in {"assistant", "bot", "user"} or status not in {"started", "stopped"}:
        return None
    return SpeechSign(role="user" if role == "user" else "assistant", started=status == "started", at=occurred_at)
