"""What one call adds to the figures of a day: its milestones, and what follows from them.

Durations are differences of the provider's times; our own time of receipt decides only the day a call belongs to, the
webhook lag, and how long a report took.
"""

from collections.abc import Sequence
from typing import NamedTuple

from actors.domain.admission import is_refusal
from actors.domain.call import Call
from actors.domain.concurrency import Span
from actors.domain.ended_reasons import EndedClass, classify

SHORT_ABANDON_MS = 5_000
"""Who hangs up sooner did not wait: apart, in no numerator and no denominator."""
GAVE_UP_MS = 10_000
"""A caller who hangs up within this of the answer gave up on the assistant: such a call is not contained."""
VOICEMAIL = "voicemail"
"""The ended reason of an outbound call that a machine took: answered, and nobody reached."""
_CALLER_HUNG_UP = "customer-ended-call"
_VERDICTS = {"true": True, "false": False}


class Measured(NamedTuple):
    """What the figures need of one call: of its record (`measured`), or of its row in `calls`. Times are ms.

    Postgres: each field is the column of its name; `is_ended`: status, `is_report_missing`: report,
    `is_refused`: admission.
    """

    created_at: int
    is_ended: bool
    ended_reason: str | None = None
    success_evaluation: str | None = None
    reported_at: int | None = None
    direction: str | None = None
    queued_at: int | None = None
    ringing_at: int | None = None
    answered_at: int | None = None
    forwarded_at: int | None = None
    ended_at: int | None = None
    live_from: int | None = None
    live_until: int | None = None
    duration_ms: int | None = None
    cost_micros: int | None = None
    is_report_missing: bool = False
    is_refused: bool = False
    first_word_at: int | None = None
    turn_latencies_ms: Sequence[int] = ()
    silence_ms: int | None = None
    tools_called: int = 0
    tools_failed: int = 0
    tool_latencies_ms: Sequence[int] = ()
    interruptions: int = 0
    webhook_lags_ms: Sequence[int] = ()
    reorders: int = 0

    @property
    def span(self) -> Span | None:
        return None if self.live_from is None else (self.live_from, self.live_until)

    @property
    def offered_at(self) -> int | None:
        """When the call was first queued or rang."""
        return min((at for at in (self.queued_at, self.ringing_at) if at is not None), default=None)

    @property
    def answer_wait_ms(self) -> int | None:
        """From offered to answered, of an inbound call of which both are known."""
        if self.direction != "inbound" or self.answered_at is None or self.offered_at is None:
            return None
        return max(0, self.answered_at - self.offered_at)

    @property
    def is_abandoned(self) -> bool:
        """An inbound call that ended and was never answered, and that we had not refused."""
        return self.direction == "inbound" and self.is_ended and self.answered_at is None and not self.is_refused

    @property
    def is_short_abandoned(self) -> bool:
        """Abandoned within `SHORT_ABANDON_MS` of being offered. Of unknown length: not short."""
        if not self.is_abandoned or self.ended_at is None or self.offered_at is None:
            return False
        return self.ended_at - self.offered_at < SHORT_ABANDON_MS

    @property
    def handle_ms(self) -> int | None:
        """From answered to ended, until hand-over: VAPI tells nothing of the far leg after a transfer."""
        if not self.is_ended or self.answered_at is None:
            return None
        if self.forwarded_at is not None:
            return max(0, self.forwarded_at - self.answered_at)
        return self.duration_ms

    @property
    def is_attempted(self) -> bool:
        """An outbound call that was placed and is over: somebody was reached or not."""
        return self.direction == "outbound" and self.is_ended and not self.is_refused

    @property
    def is_connected(self) -> bool:
        """Attempted, and answered by somebody: voicemail is apart."""
        return self.is_attempted and self.answered_at is not None and self.ended_reason != VOICEMAIL

    @property
    def is_voicemail(self) -> bool:
        """Attempted, and taken by a machine."""
        return self.is_attempted and self.ended_reason == VOICEMAIL

    @property
    def outcome(self) -> str | None:
        """What became of an attempted call: the class of its ended reason, voicemail apart."""
        if not self.is_attempted:
            return None
        if self.ended_reason is None:
            return EndedClass.UNKNOWN.value
        return VOICEMAIL if self.is_voicemail else classify(self.ended_reason).ended_class.value

    @property
    def is_concluded(self) -> bool:
        """Answered and ended. Whether a call that goes on is contained nobody knows yet."""
        return self.is_ended and self.answered_at is not None

    @property
    def is_contained(self) -> bool:
        """Concluded without a transfer, and the caller did not hang up within `GAVE_UP_MS` of the answer."""
        if not self.is_concluded or self.forwarded_at is not None:
            return False
        reason = self.ended_reason
        if reason is None:
            return True
        if classify(reason).ended_class in {EndedClass.TRANSFERRED, EndedClass.TRANSFER_FAILED}:
            return False
        gave_up = self.duration_ms is not None and self.duration_ms < GAVE_UP_MS
        return not (gave_up and reason == _CALLER_HUNG_UP)

    @property
    def succeeded(self) -> bool | None:
        """VAPI's evaluation where its rubric says true or false; grades, texts and numbers are no verdict: None."""
        return None if self.success_evaluation is None else _VERDICTS.get(self.success_evaluation.lower())

    @property
    def report_delay_ms(self) -> int | None:
        """Post-processing: from the provider's end to our receipt of the report. Negative where the clocks disagree."""
        return None if self.reported_at is None or self.ended_at is None else self.reported_at - self.ended_at

    @property
    def first_word_ms(self) -> int | None:
        """From answered to the assistant's first audio: what a caller feels as speed of answer."""
        if self.first_word_at is None or self.answered_at is None:
            return None
        return max(0, self.first_word_at - self.answered_at)


def measured(call: Call) -> Measured:
    """What the figures need of a call in memory; `storage.journal` writes the same values into its row."""
    fields, is_refused = call.fields, is_refusal(call.admission)
    span = call.live_span if not is_refused else None
    told = fields.conversation
    return Measured(
        created_at=call.created_at,
        is_ended=call.is_ended,
        ended_reason=fields.ended_reason,
        success_evaluation=fields.success_evaluation,
        reported_at=call.reported_at,
        direction=fields.direction,
        queued_at=fields.queued_at,
        ringing_at=fields.ringing_at,
        answered_at=fields.answered_at,
        forwarded_at=fields.forwarded_at,
        ended_at=fields.ended_at,
        live_from=span[0] if span is not None else None,
        live_until=span[1] if span is not None else None,
        duration_ms=call.duration_ms,
        cost_micros=fields.cost_micros,
        is_report_missing=call.report == "missing",
        is_refused=is_refused,
        first_word_at=told.first_word_at if told is not None else None,
        turn_latencies_ms=told.turn_latencies_ms if told is not None else (),
        silence_ms=told.silence_ms if told is not None else None,
        tools_called=told.tools_called if told is not None else 0,
        tools_failed=told.tools_failed if told is not None else 0,
        tool_latencies_ms=told.tool_latencies_ms if told is not None else (),
        interruptions=told.interruptions if told is not None else 0,
        webhook_lags_ms=call.webhook_lags_ms,
        reorders=call.reorders,
    )
