"""What the shell has to do in the world, once each: the name is unique per call in `effects` (promise P2)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalProcessing:
    """Start the call's `CallProcessingWorkflow`, or wake it: it re-reads Postgres, the signal carries nothing.

    `effect` names the reason: `processing:seen`, `processing:ended`, `processing:report:<digest>`.
    """

    call_id: str
    effect: str


Effect = SignalProcessing
