"""One call: what was observed of it, merged so that the order of observations does not matter (promise P3)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from operator import attrgetter
from typing import Final, Literal, NamedTuple, Self

from actors.domain.conversation import Conversation, Speech, SpeechSign, ToolsFailed
from actors.domain.replacing import replaced


class CallStatus(StrEnum):
    """VAPI's statuses. A status moves only up in rank."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RINGING = "ringing"
    IN_PROGRESS = "in-progress"
    FORWARDING = "forwarding"
    ENDED = "ended"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {
    CallStatus.SCHEDULED: 0,
    CallStatus.QUEUED: 1,
    CallStatus.RINGING: 2,
    CallStatus.IN_PROGRESS: 3,
    CallStatus.FORWARDING: 4,
    CallStatus.ENDED: 9,
}

LIVE_STATUSES = frozenset({CallStatus.RINGING, CallStatus.IN_PROGRESS, CallStatus.FORWARDING})
TALKING_STATUSES = frozenset({CallStatus.IN_PROGRESS, CallStatus.FORWARDING})
WAITING_STATUSES = frozenset({CallStatus.SCHEDULED, CallStatus.QUEUED})

LONGEST_MS: Final = 24 * 3_600_000
"""VAPI ends a call after 12 hours at most: one that lasted twice as long was told by a clock that is wrong."""


class Source(IntEnum):
    """How much an observation is trusted against another about the same field."""

    MESSAGE = 10
    STATUS_UPDATE = 20
    PROVIDER_RECORD = 25
    REPORT = 30


class Precedence(NamedTuple):
    """Decides between two values of one field: source, then provider time (ms), then the event's digest."""

    source: int
    at: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFields:
    """What a message says about its call. None means the message does not say. Times are ms since the epoch."""

    type: str | None = None
    direction: str | None = None
    assistant_id: str | None = None
    assistant_name: str | None = None
    phone_number_id: str | None = None
    from_number: str | None = None
    to_number: str | None = None
    customer_name: str | None = None
    campaign_id: str | None = None
    transferred_to: str | None = None
    queued_at: int | None = None
    ringing_at: int | None = None
    answered_at: int | None = None
    forwarded_at: int | None = None
    ended_at: int | None = None
    ended_reason: str | None = None
    duration_ms: int | None = None
    cost_micros: int | None = None
    summary: str | None = None
    success_evaluation: str | None = None
    conversation: Conversation | None = None


FIELD_NAMES: tuple[str, ...] = tuple(CallFields.__dataclass_fields__)
_told: "Callable[[CallFields], tuple[str | int | Conversation | None, ...]]" = attrgetter(*FIELD_NAMES)

# A status may be told twice; the moment it began is the earliest telling.
_EARLIEST_WINS = frozenset({"queued_at", "ringing_at", "answered_at", "forwarded_at"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One durable sign of a call, as the inbox holds it.

    `at` is the provider's time in ms (0 when it gave none), `received_at` ours; `digest` is unique to the event.
    `delivered` when it came by webhook, not from within.
    """

    kind: str
    source: Source
    received_at: int
    at: int
    digest: str
    status: CallStatus | None = None
    fields: CallFields = field(default_factory=CallFields)
    tool_call_ids: frozenset[str] = frozenset()
    outcome: str | None = None
    """What a request to begin was decided to be."""
    let_through: bool = False
    """The door answered a request without its owner's word: `outcome` stands, whatever was or will be decided."""
    delivered: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Something said. `at` is our time in ms; a partial one is replaced by the next of the same role."""

    role: str
    text: str
    final: bool
    at: int


ReportState = Literal["pending", "received", "missing"]
EvidenceState = Literal["confirmed", "quiet", "unconfirmed"]

CONFIRMED_FOR_MS = 60_000
STALE_AFTER_MS = 15 * 60_000
"""No sign of a call for so long, and its provider is asked: the silence that `CallProcessingWorkflow` waits out."""
UTTERANCES_KEPT = 30
_REQUEST = "assistant-request"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call's record: the merge of every observation of it.

    `merge` is commutative, associative and, for distinct observations, applied once each by the inbox. The volatile
    part (`heard_at`, `utterances`, `speech`) comes from chatter that is delivered at most once and is not part of the
    record.

    `live_since` is the earliest time at which anything told that the call rings or talks; `talking_from` is when, by
    our clock, the first sign came that somebody talks, `reported_at` the first report. `arrivals` holds, sorted,
    (received, occurred) of each webhook that told its time: the webhook lag, and what overtook what, come from it.
    `tags` are as the inbox row `tagged_by` told them: of two rows the one accepted later, whose id is greater, stands.
    """

    call_id: str
    created_at: int
    status: CallStatus = CallStatus.SCHEDULED
    fields: CallFields = field(default_factory=CallFields)
    precedences: Mapping[str, Precedence] = field(default_factory=dict[str, Precedence])
    tool_call_ids: frozenset[str] = frozenset()
    hangs: int = 0
    live_since: int | None = None
    arrivals: tuple[tuple[int, int], ...] = ()
    reported_at: int | None = None
    report_missing: bool = False
    processed_at: int | None = None
    last_event_at: int = 0
    last_event_kind: str = ""
    talking_from: int | None = None
    absent_at: int | None = None
    # What decides whether the call holds a slot (`admission.holds_slot`), by our clock: when it asked to begin, what it
    # was told, the first and the last sign that it goes on, and when an operator freed its slot.
    requested_at: int | None = None
    admission: str | None = None
    held_since: int | None = None
    held_at: int = 0
    released_at: int | None = None
    tags: tuple[str, ...] = ()
    tagged_by: int = 0
    version: int = 0
    heard_at: int = 0
    utterances: tuple[Utterance, ...] = ()
    speech: Speech = field(default_factory=Speech)

    def merge(self, seen: Observation) -> Self:
        """The record after one more observation."""
        values: dict[str, str | int | Conversation] = {}
        precedences = dict(self.precedences)
        for name, value in zip(FIELD_NAMES, _told(seen.fields), strict=True):
            if value is None:
                continue
            at = -seen.at if name in _EARLIEST_WINS else seen.at
            precedence = Precedence(seen.source, at, seen.digest)
            held = precedences.get(name)
            if held is None or precedence > held:
                values[name] = value
                precedences[name] = precedence
        status = max(self.status, seen.status or self.status, key=lambda each: each.rank)
        live_since = self.live_since
        if seen.status in LIVE_STATUSES:
            told = seen.at or seen.received_at
            live_since = told if live_since is None else min(live_since, told)
        arrivals = self.arrivals
        if seen.delivered and seen.at:
            arrivals = tuple(sorted((*arrivals, (seen.received_at, seen.at))))
        newest = (seen.received_at, seen.kind) > (self.last_event_at, self.last_event_kind)
        is_request = seen.kind == _REQUEST or seen.let_through
        is_held = seen.status in LIVE_STATUSES and not is_request
        talking_from = self.talking_from
        if seen.status in TALKING_STATUSES:
            talking_from = min(seen.received_at, self.talking_from or seen.received_at)
        return replaced(
            self,
            status=status,
            fields=replaced(self.fields, **values) if values else self.fields,
            precedences=precedences,
            tool_call_ids=self.tool_call_ids | seen.tool_call_ids,
            hangs=self.hangs + (seen.kind == "hang"),
            live_since=live_since,
            arrivals=arrivals,
            reported_at=_earliest(self.reported_at, seen.received_at)
            if seen.source is Source.REPORT
            else self.reported_at,
            last_event_at=seen.received_at if newest else self.last_event_at,
            last_event_kind=seen.kind if newest else self.last_event_kind,
            requested_at=_earliest(self.requested_at, seen.received_at) if is_request else self.requested_at,
            admission=seen.outcome if seen.let_through else self.admission or seen.outcome,
            held_since=_earliest(self.held_since, seen.received_at) if is_held else self.held_since,
            held_at=max(self.held_at, seen.received_at) if is_held else self.held_at,
            talking_from=talking_from,
        )

    def hear(self, at: int, utterance: Utterance | None, sign: SpeechSign | ToolsFailed | None = None) -> Self:
        """The call after a piece of chatter: evidence that it is alive, and perhaps something said or a voice.

        What our door found out about its tools is no voice: it ends no silence.
        """
        if isinstance(sign, ToolsFailed):
            return replaced(self, speech=self.speech.after(sign))
        utterances = self.utterances
        if utterance is not None:
            kept = tuple(said for said in utterances if said.final or said.role != utterance.role)
            utterances = (*kept, utterance)[-UTTERANCES_KEPT:]
        speech = self.speech if sign is None else self.speech.after(sign)
        return replaced(self, heard_at=max(self.heard_at, at), utterances=utterances, speech=speech)

    @property
    def is_live(self) -> bool:
        return self.status in LIVE_STATUSES

    @property
    def is_ended(self) -> bool:
        return self.status is CallStatus.ENDED

    @property
    def evidence_at(self) -> int:
        """When we last had a sign of the call, durable or not, in ms of our clock."""
        return max(self.last_event_at, self.heard_at)

    def evidence(self, now: int) -> EvidenceState:
        """How sure we are that the call is what we show at `now`."""
        if self.absent_at is not None and self.absent_at >= self.evidence_at:
            return "unconfirmed"
        return "confirmed" if now - self.evidence_at <= CONFIRMED_FOR_MS else "quiet"

    @property
    def stale_at(self) -> int | None:
        """From when on it is stale unless another sign comes (ms of our clock); None of a call that is not live.

        Last evidence + `STALE_AFTER_MS`, which is when its provider is asked, or as soon as that knew nothing of it:
        `unconfirmed`. The longest a call may last is no part of it: not every message tells that, and who still speaks
        is not stale.
        """
        if not self.is_live:
            return None
        silent_at = self.evidence_at + STALE_AFTER_MS
        if self.absent_at is not None and self.absent_at >= self.evidence_at:
            return min(silent_at, self.absent_at)
        return silent_at

    @property
    def tools_failed(self) -> int:
        """Tool calls that failed: what our door saw of them, until the report tells exactly."""
        told = self.fields.conversation
        return told.tools_failed if told is not None else self.speech.tools_failed

    @property
    def report(self) -> ReportState:
        if self.reported_at is not None:
            return "received"
        return "missing" if self.report_missing else "pending"

    @property
    def live_span(self) -> tuple[int, int | None] | None:
        """When the call was live, [start, end) in ms of the provider's clock; no end while it may go on.

        From the first sign that it rang or was answered; None for one that only waited. An end that nobody told is the
        last time told of the call, or, when no message told any, our time of its last event.
        """
        fields = self.fields
        told = [at for at in (fields.ringing_at, fields.answered_at, self.live_since) if at is not None]
        if not told:
            return None
        if not self.is_ended:
            return min(told), None
        end = fields.ended_at
        if end is None:
            end = max((at for _, at in self.arrivals), default=self.last_event_at)
        return (min(told), end) if min(told) < end else None

    @property
    def webhook_lags_ms(self) -> tuple[int, ...]:
        """Received minus occurred, for each webhook that told its time; negative where the clocks disagree."""
        return tuple(received - occurred for received, occurred in self.arrivals)

    @property
    def reorders(self) -> int:
        """Webhooks that one which occurred later had overtaken, by time of receipt."""
        count, newest, pending, pending_at = 0, 0, 0, -1
        for received, occurred in self.arrivals:
            if received != pending_at:
                newest, pending_at = max(newest, pending), received
            pending = max(pending, occurred)
            count += occurred < newest
        return count

    @property
    def duration_ms(self) -> int | None:
        """From answered to ended, by the report if it says so; None while either is unknown, or cannot be."""
        told, answered_at, ended_at = self.fields.duration_ms, self.fields.answered_at, self.fields.ended_at
        if told is not None and told <= LONGEST_MS:
            return told
        if answered_at is None or ended_at is None or ended_at - answered_at > LONGEST_MS:
            return None
        return max(0, ended_at - answered_at)


def _earliest(held: int | None, at: int) -> int:
    return at if held is None else min(held, at)
