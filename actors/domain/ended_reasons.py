"""Ten classes of VAPI's open set of ended reasons, each with who has to act on it.

Source: VAPI's call-ended-reason page and the enum of its OpenAPI document (about 600 values, growing monthly): known
values are listed, families are told by prefix, and anything else is `unknown`, never refused.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache


class EndedClass(StrEnum):
    """What happened to the call."""

    COMPLETED = "completed"
    NOT_REACHED = "not-reached"
    TRANSFERRED = "transferred"
    TRANSFER_FAILED = "transfer-failed"
    START_FAILED = "start-failed"
    PLATFORM_FAULT = "platform-fault"
    PROVIDER_FAULT = "provider-fault"
    TRANSPORT = "transport"
    LIMIT = "limit"
    UNKNOWN = "unknown"


class FaultOwner(StrEnum):
    """Who has to act, if anyone."""

    NOBODY = "nobody"
    CUSTOMER = "customer"
    ORGANIZATION = "organization"
    VAPI = "vapi"
    PROVIDER = "provider"
    CARRIER = "carrier"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class EndedReason:
    """A reason's class and the owner of the fault."""

    ended_class: EndedClass
    fault_owner: FaultOwner


_COMPLETED = EndedReason(EndedClass.COMPLETED, FaultOwner.NOBODY)
_NOT_REACHED = EndedReason(EndedClass.NOT_REACHED, FaultOwner.CUSTOMER)
_TRANSFERRED = EndedReason(EndedClass.TRANSFERRED, FaultOwner.NOBODY)
_TRANSFER_FAILED = EndedReason(EndedClass.TRANSFER_FAILED, FaultOwner.CARRIER)
_TRANSPORT = EndedReason(EndedClass.TRANSPORT, FaultOwner.CARRIER)
_START_FAILED = EndedReason(EndedClass.START_FAILED, FaultOwner.ORGANIZATION)
_PLATFORM_FAULT = EndedReason(EndedClass.PLATFORM_FAULT, FaultOwner.VAPI)
_PROVIDER_FAULT = EndedReason(EndedClass.PROVIDER_FAULT, FaultOwner.PROVIDER)
_LIMIT = EndedReason(EndedClass.LIMIT, FaultOwner.ORGANIZATION)
_UNKNOWN = EndedReason(EndedClass.UNKNOWN, FaultOwner.UNKNOWN)

_EXACT: dict[str, EndedReason] = {
    "assistant-ended-call": _COMPLETED,
    "assistant-ended-call-after-message-spoken": _COMPLETED,
    "assistant-ended-call-with-hangup-task": _COMPLETED,
    "assistant-said-end-call-phrase": _COMPLETED,
    "customer-ended-call": _COMPLETED,
    "silence-timed-out": _COMPLETED,
    "manually-canceled": _COMPLETED,
    "call-deleted": _COMPLETED,
    "vonage-completed": _COMPLETED,
    "call.in-progress.twilio-completed-call": _COMPLETED,
    "call.in-progress.sip-completed-call": _COMPLETED,
    "exceeded-max-duration": _LIMIT,
    "call.start.error-subscription-concurrency-limit-reached": _LIMIT,
    "call.start.error-subscription-insufficient-credits": _LIMIT,
    "call.start.error-subscription-frozen": _LIMIT,
    "call.start.error-vapi-number-outbound-daily-limit": _LIMIT,
    "customer-busy": _NOT_REACHED,
    "customer-did-not-answer": _NOT_REACHED,
    "voicemail": _NOT_REACHED,
    "twilio-reported-customer-misdialed": _NOT_REACHED,
    "customer-did-not-give-microphone-permission": _NOT_REACHED,
    "assistant-forwarded-call": _TRANSFERRED,
    "call.ringing.hook-executed-transfer": _TRANSFERRED,
    "call.ending.hook-executed-transfer": _TRANSFERRED,
    "call.ringing.hook-executed-say": _COMPLETED,
    "call.ending.hook-executed-say": _COMPLETED,
    "customer-ended-call-before-warm-transfer": _TRANSFER_FAILED,
    "customer-ended-call-after-warm-transfer-attempt": _TRANSFER_FAILED,
    "customer-ended-call-during-transfer": _TRANSFER_FAILED,
    "assistant-not-found": _START_FAILED,
    "assistant-not-valid": _START_FAILED,
    "scheduled-call-deleted": _START_FAILED,
    "phone-call-provider-closed-websocket": _TRANSPORT,
    "phone-call-provider-bypass-enabled-but-no-call-received": _TRANSPORT,
    "twilio-failed-to-connect-call": _TRANSPORT,
    "vonage-disconnected": _TRANSPORT,
    "vonage-failed-to-connect-call": _TRANSPORT,
    "vonage-rejected": _TRANSPORT,
    "assistant-join-timed-out": _PLATFORM_FAULT,
    "worker-shutdown": _PLATFORM_FAULT,
    "database-error": _PLATFORM_FAULT,
    "unknown-error": _PLATFORM_FAULT,
}

# Longest first matters only where one prefix begins another; the order below keeps the narrower one ahead.
_PREFIXES: tuple[tuple[str, EndedReason], ...] = (
    ("call.start.error-vapifault", _PLATFORM_FAULT),
    ("call.start.", _START_FAILED),
    ("call-start-error-", _START_FAILED),
    ("assistant-request-", _START_FAILED),
    ("call.forwarding.", _TRANSFER_FAILED),
    ("call.in-progress.error-transfer-", _TRANSFER_FAILED),
    ("call.in-progress.error-warm-transfer-", _TRANSFER_FAILED),
    ("call.in-progress.error-vapifault-", _PLATFORM_FAULT),
    ("call.in-progress.error-providerfault-", _PROVIDER_FAULT),
    ("call.in-progress.error-sip-", _TRANSPORT),
    ("pipeline-error-", _PROVIDER_FAULT),
    ("pipeline-no-available-", _PLATFORM_FAULT),
    ("worker-", _PLATFORM_FAULT),
    ("sip-", _TRANSPORT),
    ("call.ringing.sip-", _TRANSPORT),
    ("call.ringing.error-sip-", _TRANSPORT),
    ("call.in-progress.sip-", _TRANSPORT),
    ("vonage-", _TRANSPORT),
    ("twilio-", _TRANSPORT),
    ("call.in-progress.error-", _PROVIDER_FAULT),
)


@lru_cache(maxsize=4_096)
def classify(reason: str) -> EndedReason:
    """The class and fault owner of `reason`; `unknown` for a value and a family never seen before."""
    known = _EXACT.get(reason)
    if known is not None:
        return known
    return next((found for prefix, found in _PREFIXES if reason.startswith(prefix)), _UNKNOWN)
