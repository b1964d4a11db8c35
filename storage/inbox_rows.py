"""Rows of `webhook_inbox` as the domain reads them."""

import asyncpg

from actors.domain.commands import InboxRow
from storage.times import milliseconds


def inbox_row(record: asyncpg.Record) -> InboxRow:
    """The row of a statement that selects the columns id, provider, … , apply_sequence, outcome of `webhook_inbox`."""
    occurred_at = record["occurred_at"]
    return InboxRow(
        id=record["id"],
        provider=record["provider"],
        event_key=record["event_key"],
        type=record["type"],
        call_id=record["call_id"],
        facts=record["facts"],
        occurred_at=milliseconds(occurred_at) if occurred_at is not None else None,
        received_at=milliseconds(record["received_at"]),
        apply_sequence=record["apply_sequence"],
        outcome=record["outcome"],
    )
