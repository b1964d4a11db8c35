"""Calls as the REST API shows them, with the names the live feed uses."""

from typing import Any

from pydantic import Field

from serve.schemas import Schema, Timestamp
from storage.calls import CallRecord, Row


class CallSummary(Schema):
    """One call, with the names the live feed uses."""

    call_id: str
    status: str
    type: str | None
    direction: str | None
    assistant_id: str | None
    assistant_name: str | None
    from_number: str | None
    to_number: str | None
    customer_name: str | None
    campaign_id: str | None
    transferred_to: str | None
    created_at: Timestamp
    ringing_at: Timestamp | None
    answered_at: Timestamp | None
    ended_at: Timestamp | None
    ended_reason: str | None
    ended_class: str | None
    fault_owner: str | None
    duration_seconds: float | None
    cost_usd: float | None
    success_evaluation: str | None
    tool_calls: int
    hangs: int
    report: str = Field(description="Whether the end-of-call report is `pending`, `received` or `missing`.")
    processed_at: Timestamp | None
    admission: str | None = Field(description="`accepted`, `accepted:unchecked`, `refused:…`; null: it never asked.")
    released_at: Timestamp | None = Field(description="When an operator freed the call's slot.")
    evidence_at: Timestamp
    evidence_kind: str
    version: int
    tags: list[str] = Field([], description="What people sort it by, ordered.")
    archived: bool = Field(False, description="Of a month that was moved out of the database; slower to read.")

    @classmethod
    def of(cls, row: Row) -> "CallSummary":
        return cls.model_validate(_summary(row))


class CallList(Schema):
    """Calls that have not ended, newest first; `total` counts those beyond the limit too."""

    calls: list[CallSummary]
    total: int


class SaidPart(Schema):
    """A piece of a transcript; `match` where it is what was searched for. Plain text, never markup."""

    text: str
    match: bool


class CallPage(Schema):
    """Calls first seen in [`from`, `to`), newest first. `next_cursor` is null on the last page alone.

    `highlights`, when words were searched for: by call id up to three fragments of what was said around them.
    """

    calls: list[CallSummary]
    highlights: dict[str, list[list[SaidPart]]] | None = None
    since: Timestamp = Field(alias="from")
    until: Timestamp = Field(alias="to")
    next_cursor: str | None


class Recording(Schema):
    """The copy of the call's recording; `url` needs the same credential."""

    url: str
    bytes: int
    sha256: str
    content_type: str


class ActionItem(Schema):
    """Something to be done after the call, and what found it: `provider`, `model` or `rules`."""

    text: str
    source: str


class CallNote(Schema):
    """What somebody wrote down about a call."""

    note_id: str
    author: str
    text: str
    created_at: Timestamp

    @classmethod
    def of(cls, row: Row) -> "CallNote":
        return cls.model_validate({**row, "note_id": str(row["id"])})


class TimelineEntry(Schema):
    """One event about the call, however often it was delivered."""

    type: str
    provider: str
    status: str | None
    occurred_at: Timestamp | None
    received_at: Timestamp
    applied_at: Timestamp | None
    deliveries: int
    details: Any


class CallDetail(CallSummary):
    """Everything known of one call. Transcript, costs and recording appear once post-call processing stored them."""

    summary: str | None
    transcript: str | None
    messages: list[Any]
    analysis: Any
    costs: Any
    recording: Recording | None
    actions: list[ActionItem]
    notes: list[CallNote]
    timeline: list[TimelineEntry]

    @classmethod
    def of_record(cls, record: CallRecord, *, recording_url: str) -> "CallDetail":
        row = record.call
        told = {
            "transcript": row["transcript_text"],
            "messages": row["messages"] or [],
            "costs": row["breakdown"],
            "recording": {**row, "url": recording_url, "sha256": row["sha256"].hex()} if row["path"] else None,
            "actions": record.actions,
            "notes": [CallNote.of(each) for each in record.notes],
            "timeline": [_timeline_entry(each) for each in record.timeline],
        }
        return cls.model_validate({**_summary(row), **told})


def _summary(row: Row) -> dict[str, Any]:
    duration_ms, cost_micros = row["duration_ms"], row["cost_micros"]
    return {
        **row,
        "call_id": row["provider_call_id"],
        "duration_seconds": duration_ms / 1000 if duration_ms is not None else None,
        "cost_usd": cost_micros / 1_000_000 if cost_micros is not None else None,
        "evidence_at": row["last_event_at"],
        "evidence_kind": row["last_event_kind"],
    }


def _timeline_entry(row: Row) -> dict[str, Any]:
    facts: Row = row["facts"]
    return {**row, "status": facts.get("status"), "details": facts.get("details")}
