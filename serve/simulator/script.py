"""A simulated call as data: what is said and done in it, the messages that tell of it, and what is true afterwards."""

from dataclasses import dataclass, field
from typing import Literal

from actors.domain.json_types import JSON
from serve.simulator.content import Assistant, Kind

Role = Literal["assistant", "user"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One turn of speech; times in ms since the call was made."""

    role: Role
    text: str
    at: int
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolUse:
    """A tool the assistant called, and what it answered."""

    tool_call_id: str
    name: str
    arguments: dict[str, JSON]
    result: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedMessage:
    """A message VAPI sends `at` ms after the call was made; `content` is what is particular to its type."""

    type: str
    at: int
    content: dict[str, JSON] = field(default_factory=dict[str, JSON])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCall:
    """A call from beginning to end.

    `began_at` and `starts_at` are ms since the epoch; every other time is ms since the call was made, on the call's
    own clock, which runs `speed` times as fast as the wall's from `starts_at` on.
    """

    call_id: str
    kind: Kind
    account_id: str
    assistant: Assistant
    phone_number_id: str
    our_number: str
    customer_number: str
    customer_name: str
    provider_call_id: str
    began_at: int
    starts_at: int
    speed: float
    conversation: tuple[Said | ToolUse, ...]
    answered_at: int | None
    ended_at: int
    ended_reason: str
    transferred_to: str | None
    costs: tuple[dict[str, JSON], ...]
    messages: tuple[TimedMessage, ...]
    control_base: str = "https://phone-call-websocket.example.vapi.ai"
    """Where commands for the call are taken: `<control_base>/<call_id>/control`."""

    def wall_ms(self, at: int) -> int:
        """When something at `at` on the call's clock happens, in ms since the epoch."""
        return self.starts_at + round(at / self.speed)

    @property
    def cost_micros(self) -> int:
        return round(sum(float(str(part["cost"])) for part in self.costs) * 10_000) * 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What is true of a call once everything that was sent is applied and processed."""

    status: str
    ended_reason: str | None
    duration_ms: int | None
    cost_micros: int | None
    transcript: str | None
    tool_calls: int
    hangs: int
    report: bool


def transcript_of(call: ScriptedCall) -> str:
    """The transcript as the report gives it."""
    who = {"assistant": "AI", "user": "User"}
    return "".join(f"{who[said.role]}: {said.text}\n" for said in call.conversation if isinstance(said, Said))


def expected(call: ScriptedCall) -> Expected:
    """What is true of the call when none of its messages is lost."""
    return Expected(
        status="ended",
        ended_reason=call.ended_reason,
        duration_ms=0 if call.answered_at is None else call.ended_at - call.answered_at,
        cost_micros=call.cost_micros,
        transcript=transcript_of(call),
        tool_calls=sum(isinstance(each, ToolUse) for each in call.conversation),
        hangs=sum(message.type == "hang" for message in call.messages),
        report=True,
    )
