"""An open set of ended reasons: known values, families by prefix, and the rest as unknown."""

import pytest

from actors.domain.ended_reasons import EndedClass, FaultOwner, classify


@pytest.mark.parametrize(
    ("reason", "ended_class", "fault_owner"),
    [
        ("customer-ended-call", EndedClass.COMPLETED, FaultOwner.NOBODY),
        ("assistant-ended-call", EndedClass.COMPLETED, FaultOwner.NOBODY),
        ("voicemail", EndedClass.NOT_REACHED, FaultOwner.CUSTOMER),
        ("assistant-forwarded-call", EndedClass.TRANSFERRED, FaultOwner.NOBODY),
        ("call.forwarding.operator-busy", EndedClass.TRANSFER_FAILED, FaultOwner.CARRIER),
        ("call.in-progress.error-warm-transfer-max-duration", EndedClass.TRANSFER_FAILED, FaultOwner.CARRIER),
        ("call.start.error-get-assistant", EndedClass.START_FAILED, FaultOwner.ORGANIZATION),
        ("call.start.error-vapifault-get-org", EndedClass.PLATFORM_FAULT, FaultOwner.VAPI),
        ("call.start.error-subscription-concurrency-limit-reached", EndedClass.LIMIT, FaultOwner.ORGANIZATION),
        ("call.in-progress.error-vapifault-worker-died", EndedClass.PLATFORM_FAULT, FaultOwner.VAPI),
        (
            "call.in-progress.error-providerfault-outbound-sip-403-forbidden",
            EndedClass.PROVIDER_FAULT,
            FaultOwner.PROVIDER,
        ),
        ("pipeline-error-openai-llm-failed", EndedClass.PROVIDER_FAULT, FaultOwner.PROVIDER),
        ("phone-call-provider-closed-websocket", EndedClass.TRANSPORT, FaultOwner.CARRIER),
        ("a-reason-of-next-month", EndedClass.UNKNOWN, FaultOwner.UNKNOWN),
        ("", EndedClass.UNKNOWN, FaultOwner.UNKNOWN),
    ],
)
def test_classify(reason: str, ended_class: EndedClass, fault_owner: FaultOwner) -> None:
    found = classify(reason)
    assert (found.ended_class, found.fault_owner) == (ended_class, fault_owner)
