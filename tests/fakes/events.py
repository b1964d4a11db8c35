"""Inbox rows of whole calls, in the order they would happen."""

from random import Random

from actors.domain.commands import InboxRow
from actors.domain.json_types import JSON


def row(
    row_id: int,
    call_id: str | None,
    kind: str,
    *,
    at: int,
    key: str | None = None,
    facts: dict[str, JSON] | None = None,
    provider: str = "vapi",
) -> InboxRow:
    """A row that says `facts` happened at `at` (provider's and our ms alike)."""
    return InboxRow(
        id=row_id,
        provider=provider,
        event_key=key or f"{kind}:{call_id}:{at}",
        type=kind,
        call_id=call_id,
        facts=facts or {},
        occurred_at=at,
        received_at=at,
    )


def call_rows(first_id: int, call_id: str, start: int, *, seconds: int = 60, report: bool = True) -> list[InboxRow]:
    """An answered call that ends, and its report three seconds later."""
    common: dict[str, JSON] = {"direction": "inbound", "assistant_id": "assistant-1", "from_number": "+15550100001"}
    ended = start + 2_000 + seconds * 1_000
    rows = [
        row(
            first_id,
            call_id,
            "status-update",
            at=start,
            facts={"status": "ringing", "fields": {**common, "ringing_at": start}},
        ),
        row(
            first_id + 1,
            call_id,
            "status-update",
            at=start + 2_000,
            facts={"status": "in-progress", "fields": {**common, "answered_at": start + 2_000}},
        ),
        row(first_id + 2, call_id, "tool-calls", at=start + 9_000, facts={"tool_call_ids": [f"tool-{call_id}"]}),
        row(first_id + 3, call_id, "hang", at=start + 12_000),
        row(
            first_id + 4,
            call_id,
            "status-update",
            at=ended,
            facts={"status": "ended", "fields": {"ended_at": ended, "ended_reason": "customer-ended-call"}},
        ),
    ]
    if report:
        fields: dict[str, JSON] = {
            "ended_reason": "customer-ended-call",
            "answered_at": start + 2_100,
            "ended_at": ended - 50,
            "duration_ms": seconds * 1_000 - 150,
            "cost_micros": seconds * 1_500,
            "summary": "A summary.",
            "success_evaluation": ["true", "false", "Good"][seconds % 3],
            "conversation": {
                "first_word_at": start + 2_900,
                "turn_latencies_ms": [700, 40 * seconds, 1_130],
                "silence_ms": 25 * seconds,
                "tools_called": 2,
                "tools_failed": seconds % 2,
                "tool_latencies_ms": [90 * seconds, 410],
                "interruptions": 1,
            },
        }
        rows.append(row(first_id + 5, call_id, "end-of-call-report", at=ended + 3_000, facts={"fields": fields}))
    return rows


def scripted_rows(random: Random, start: int) -> list[InboxRow]:
    """Two to six overlapping calls; some without a report, some without an end, and a message without a call."""
    rows: list[InboxRow] = [row(1, None, "session.created", at=start)]
    for index in range(random.randint(2, 6)):
        one = call_rows(
            10 * (index + 1),
            f"call-{index}",
            start + random.randint(0, 60_000),
            seconds=random.randint(1, 90),
            report=random.random() < 0.8,
        )
        rows.extend(each for each in one if random.random() < 0.9)
    return sorted(rows, key=lambda each: each.received_at)


def requests(random: Random, start: int) -> list[InboxRow]:
    """Calls that ask to begin: most of those of `scripted_rows`, and some that nothing else is heard of."""
    asking = [f"call-{number}" for number in range(6) if random.random() < 0.7]
    asking += [f"caller-{number}" for number in range(random.randint(0, 3))]
    return [
        row(1_000 + place, call_id, "assistant-request", at=start + random.randint(0, 90_000))
        for place, call_id in enumerate(asking)
    ]
