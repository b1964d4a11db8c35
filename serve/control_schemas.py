"""What may be asked of a call that goes on, and how VAPI is told."""

from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import Field, StringConstraints

from actors.domain.json_types import JSON
from serve.resource_schemas import E164, Asked, Text
from serve.schemas import Schema, Timestamp

Reason: TypeAlias = Annotated[Text, StringConstraints(max_length=500)]
Content: TypeAlias = Annotated[Text, StringConstraints(max_length=5_000)]


class _Explained(Asked):
    reason: Reason | None = Field(default=None, description="Kept in the audit log.")

    @property
    def ends(self) -> bool:
        """Whether the call ends by it."""
        return False


class Say(_Explained):
    """The assistant says a sentence now."""

    action: Literal["say"]
    content: Content
    end_call_after_spoken: bool = False
    interrupt_assistant: bool = False

    @property
    def ends(self) -> bool:
        return self.end_call_after_spoken

    def wire(self) -> dict[str, JSON]:
        """The command in VAPI's words."""
        return {
            "type": "say",
            "content": self.content,
            "endCallAfterSpoken": self.end_call_after_spoken,
            "interruptAssistantEnabled": self.interrupt_assistant,
        }


class Whisper(_Explained):
    """The assistant is told something that the caller does not hear."""

    action: Literal["whisper"]
    content: Content
    respond: bool = Field(default=False, description="Whether the assistant speaks at once because of it.")

    def wire(self) -> dict[str, JSON]:
        message: dict[str, JSON] = {"role": "system", "content": self.content}
        return {"type": "add-message", "message": message, "triggerResponseEnabled": self.respond}


class Mute(_Explained):
    action: Literal["mute", "unmute"]
    whom: Literal["assistant", "customer"]

    def wire(self) -> dict[str, JSON]:
        return {"type": "control", "control": f"{self.action}-{self.whom}"}


class NumberTarget(Asked):
    type: Literal["number"]
    number: E164

    def wire(self) -> dict[str, JSON]:
        return {"type": "number", "number": self.number}


class SipTarget(Asked):
    type: Literal["sip"]
    sip_uri: Annotated[str, StringConstraints(pattern=r"^sips?:[\x21-\x7e]{1,490}$")]

    def wire(self) -> dict[str, JSON]:
        return {"type": "sip", "sipUri": self.sip_uri}


class Transfer(_Explained):
    """The call goes on with somebody else."""

    action: Literal["transfer"]
    destination: Annotated[NumberTarget | SipTarget, Field(discriminator="type")]
    content: Content | None = Field(default=None, description="What the caller hears before.")

    def wire(self) -> dict[str, JSON]:
        told: dict[str, JSON] = {"type": "transfer", "destination": self.destination.wire()}
        return {**told, "content": self.content} if self.content is not None else told


class End(Asked):
    """The call ends now. One that is over already has ended: that is no fault."""

    action: Literal["end"]
    reason: Reason = Field(description="Why; kept in the audit log.")

    @property
    def ends(self) -> bool:
        return True

    def wire(self) -> dict[str, JSON]:
        return {"type": "end-call"}


Command: TypeAlias = Annotated[Say | Whisper | Mute | Transfer | End, Field(discriminator="action")]


class ControlResult(Schema):
    """`done`: VAPI took the command; `already_ended`: there was nothing to end any more."""

    call_id: str
    action: str
    result: Literal["done", "already_ended"]


class Customer(Asked):
    number: E164
    name: Annotated[Text, StringConstraints(max_length=200)] | None = None


Variables: TypeAlias = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")],
        Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")],
    ],
    Field(max_length=100),
]


class NewCall(Asked):
    """A call to place: who calls, from which number, whom."""

    assistant_id: UUID = Field(description="One of the organization's assistants.")
    phone_number_id: UUID = Field(description="One of its numbers, which VAPI must know.")
    customer: Customer
    variable_values: Variables = Field(default={}, description="What fills in the assistant's prompt.")


PlacementStatus: TypeAlias = Literal["requested", "refused", "dialing", "placed", "failed", "unknown"]


class OutboundCall(Schema):
    """A call somebody asked for.

    `refused` by the organization's limits (`reason`), `placed` (then `call_id` is VAPI's), `failed`: there is no call,
    `unknown`: VAPI was asked and did not answer; it is looked up there, never dialled again.
    """

    id: UUID
    status: PlacementStatus
    reason: str | None
    call_id: str | None
    request: Any
    requested_by: str
    subscription_limits: Any = Field(description="What VAPI told of its own limits.")
    held_slots: int | None = Field(description="How many slots the organization held then.")
    created_at: Timestamp
    updated_at: Timestamp


class OutboundCallPage(Schema):
    outbound_calls: list[OutboundCall]
    next_cursor: str | None
