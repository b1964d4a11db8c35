"""Calls of many organizations over months, as COPY takes them: a few large customers, a long tail, busy weekdays."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Final
from uuid import UUID

from actors.slots import slot_of

CALL_COLUMNS = (
    "id", "created_at", "organization_id", "provider_call_id", "type", "direction", "status", "ended_reason",
    "ended_class", "fault_owner", "assistant_id", "assistant_name", "from_number", "to_number", "answered_at",
    "ended_at",
    "duration_ms", "cost_micros", "summary", "report", "last_event_at", "last_event_kind", "version", "live_from",
    "live_until",
)  # fmt: skip
KEY_COLUMNS = ("organization_id", "provider_call_id", "id", "created_at")
TRANSCRIPT_COLUMNS = ("call_id", "call_created_at", "organization_id", "transcript_text", "messages", "analysis")
INBOX_COLUMNS = (
    "organization_id", "provider", "event_key", "slot", "call_id", "type", "facts", "occurred_at", "received_at",
    "apply_sequence", "applied_at",
)  # fmt: skip
MONTHS = 6
_ASSISTANTS = 5
_WORDS: Final = (
    "hello", "appointment", "tuesday", "insurance", "refund",
    "doctor", "morning", "please", "invoice", "later",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What the rows of one call are made of."""

    id: UUID
    created_at: datetime
    organization_id: str
    provider_call_id: str
    seconds: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Tenants:
    """Organizations and how much of the traffic is theirs: the k-th has 1 / (k + 10) of it."""

    ids: Sequence[str]

    def drawn(self, rng: random.Random, count: int) -> list[str]:
        weights = list(accumulate(1 / (place + 10) for place in range(len(self.ids))))
        return rng.choices(self.ids, cum_weights=weights, k=count)


def calls(tenants: Tenants, count: int, *, until: datetime, seed: int) -> Iterator[Sequence[Call]]:
    """`count` calls of the last months up to `until`, in chunks, oldest first as time would bring them."""
    rng = random.Random(seed)
    since = (until - timedelta(days=30 * (MONTHS - 1))).replace(day=1)
    span = (until - since).total_seconds()
    made = 0
    while made < count:
        chunk: list[Call] = []
        for organization_id in tenants.drawn(rng, min(10_000, count - made)):
            at = since + timedelta(seconds=span * (made + rng.random()) / count)
            chunk.append(
                Call(
                    id=UUID(int=rng.getrandbits(128), version=4),
                    created_at=at,
                    organization_id=organization_id,
                    provider_call_id=f"call-{seed}-{made}",
                    seconds=rng.randrange(5, 900),
                    is_open=made > count - 500 and rng.random() < 0.5,  # the last few go on
                )
            )
            made += 1
        yield chunk


def call_line(call: Call) -> str:
    """A row of `calls` in COPY's text format."""
    answered, ended = call.created_at + timedelta(seconds=4), call.created_at + timedelta(seconds=4 + call.seconds)
    number = call.id.int
    direction = "inbound" if number % 3 else "outbound"

    def open_or(told: object) -> str:
        return r"\N" if call.is_open else str(told)

    return "\t".join(
        (
            str(call.id),
            _time(call.created_at),
            call.organization_id,
            call.provider_call_id,
            f"{direction}PhoneCall",
            direction,
            "in-progress" if call.is_open else "ended",
            open_or("customer-ended-call"),
            open_or("completed"),
            open_or("nobody"),
            f"assistant-{call.organization_id[:8]}-{number % _ASSISTANTS}",
            "Reception",
            f"+1555{number % 10**7:07}",
            "+15550100002",
            _time(answered),
            open_or(_time(ended)),
            open_or(call.seconds * 1000),
            open_or(call.seconds * 1_500),
            open_or("The caller asked for an appointment and was given one on Tuesday morning."),
            "pending" if call.is_open else "received",
            _time(ended),
            "end-of-call-report",
            "3",
            _time(answered),
            open_or(_time(ended)),
        )
    )


def key_line(call: Call) -> str:
    return "\t".join((call.organization_id, call.provider_call_id, str(call.id), _time(call.created_at)))


def transcript_line(call: Call, rng: random.Random) -> str:
    """About a minute of talk."""
    turns = [" ".join(rng.choices(_WORDS, k=12)) for _ in range(10)]
    messages = ",".join(f'{{"role":"user","text":"{turn}"}}' for turn in turns)
    return "\t".join(
        (str(call.id), _time(call.created_at), call.organization_id, r"\n".join(turns), f"[{messages}]", "{}")
    )


def inbox_lines(call: Call, first_sequence: int) -> Iterator[str]:
    """Three events of the call, applied."""
    slot = slot_of(call.organization_id)
    for place, kind in enumerate(("status-update", "status-update", "end-of-call-report")):
        at = _time(call.created_at + timedelta(seconds=place * call.seconds / 2))
        yield "\t".join(
            (
                call.organization_id, "vapi", f"{call.provider_call_id}:{place}", str(slot), call.provider_call_id,
                kind,
                '{"status":"ended"}', at, at, str(first_sequence + place), at,
            )
        )  # fmt: skip


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _time(at: datetime) -> str:
    return at.isoformat()
