"""What the REST API tells of reconciliation: what webhooks did not bring, and was fetched from the provider."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import ConfigDict, Field

from serve.schemas import Schema, Timestamp
from storage.calls import Row


class ReconciliationState(Schema):
    """How far it is. A failing one goes on from `reconciled_to` once the provider answers."""

    reconciled_to: Timestamp = Field(description="Every call the provider changed before this was looked at.")
    attempted_at: Timestamp
    error: str | None = Field(description="Why the last attempt failed; null when it did not.")
    failing_since: Timestamp | None
    repairs: int = Field(description="Differences brought in, of all time.")
    repaired_at: Timestamp | None = Field(description="When one last was.")


class LastDay(Schema):
    """The last 24 hours: how much webhooks brought, and how much of what they did not was fetched."""

    received: int = Field(description="Webhooks, duplicates too.")
    duplicates: int = Field(description="Those of them that had been received before.")
    last_received_at: Timestamp | None = Field(
        description="When the last new webhook was received; null: none in 24 hours."
    )
    refused: int = Field(
        description="Messages of VAPI that showed no secret of the organization: lost, for it sends them once. In whole"
        " hours, and within seconds."
    )
    last_refused_at: Timestamp | None
    repaired: int


class Repair(Schema):
    """Something that was fetched because no webhook had told it."""

    call_id: str | None
    repair: str = Field(
        description="`missed-call`, `missed-status`, `missed-report`, or `corrected`: told otherwise than it is."
    )
    type: str = Field(description="As what it went into the call's timeline.")
    occurred_at: Timestamp | None = Field(description="When the provider last changed the call.")
    received_at: Timestamp
    applied_at: Timestamp | None = Field(description="Null until the call shows it.")


class Reconciliations(Schema):
    """`repairs` are a page of those of the range, newest first; `by_kind` counts all of the range."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    state: ReconciliationState | None = Field(description="Null while the organization never was reconciled.")
    last_day: LastDay
    by_kind: dict[str, int]
    repairs: list[Repair]
    since: Timestamp = Field(alias="from")
    until: Timestamp = Field(alias="to")
    next_cursor: str | None

    @classmethod
    def of(
        cls,
        *,
        state: Row | None,
        last_day: LastDay,
        by_kind: Sequence[Row],
        repairs: Sequence[Row],
        since: datetime,
        until: datetime,
        next_cursor: str | None,
    ) -> "Reconciliations":
        return cls.model_validate(
            {
                "state": state,
                "last_day": last_day,
                "by_kind": {row["repair"]: row["count"] for row in by_kind},
                "repairs": repairs,
                "from": since,
                "to": until,
                "next_cursor": next_cursor,
            }
        )
