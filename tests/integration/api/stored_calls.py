"""Calls as the actor and post-call processing leave them in Postgres."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from actors.slots import slot_of
from storage.postgres import Pool

NOW = datetime.now(UTC).replace(microsecond=0)


async def store_call(pool: Pool, organization_id: str, call_id: str, **told: Any) -> UUID:
    """One row of calls and its key. Unless told otherwise it began a minute ago and is going on."""
    row_id = uuid5(UUID(organization_id), call_id)
    values: dict[str, Any] = {
        "created_at": NOW - timedelta(minutes=1),
        "status": "in-progress",
        "direction": "inbound",
        "last_event_at": NOW,
        "last_event_kind": "status-update",
        "version": 1,
        **told,
        "id": row_id,
        "organization_id": UUID(organization_id),
        "provider_call_id": call_id,
    }
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    await pool.execute(f"insert into calls ({', '.join(values)}) values ({places})", *values.values())  # noqa: S608
    await pool.execute(
        "insert into call_keys (organization_id, provider_call_id, id, created_at) values ($1, $2, $3, $4)",
        UUID(organization_id),
        call_id,
        row_id,
        values["created_at"],
    )
    return row_id


async def store_event(pool: Pool, organization_id: str, **told: Any) -> int:
    """One row of the inbox, applied unless told otherwise."""
    values: dict[str, Any] = {
        "provider": "vapi",
        "type": "status-update",
        "facts": {},
        "received_at": NOW,
        "applied_at": NOW,
        **told,
        "organization_id": UUID(organization_id),
        "slot": slot_of(organization_id),
    }
    places = ", ".join(f"${place}" for place in range(1, len(values) + 1))
    return await pool.fetchval(
        f"insert into webhook_inbox ({', '.join(values)}) values ({places}) returning id",  # noqa: S608
        *values.values(),
    )


async def store_artifacts(
    pool: Pool, organization_id: str, row_id: UUID, created_at: datetime, *, path: str, recording: bytes, sha256: bytes
) -> None:
    """What processing stores once the report is in."""
    place = (row_id, created_at, UUID(organization_id))
    await pool.execute(
        "insert into call_transcripts (call_id, call_created_at, organization_id, transcript_text, messages, analysis)"
        " values ($1, $2, $3, $4, $5, $6)",
        *place,
        "AI: Hello\nUser: Hi",
        [{"role": "assistant", "text": "Hello"}, {"role": "user", "text": "Hi"}],
        {"successEvaluation": "true"},
    )
    await pool.execute(
        "insert into call_costs (call_id, call_created_at, organization_id, cost_micros, breakdown)"
        " values ($1, $2, $3, $4, $5)",
        *place,
        123_456,
        [{"type": "vapi", "cost": 0.123456}],
    )
    await pool.execute(
        "insert into call_actions (call_id, call_created_at, organization_id, position, text, source)"
        " values ($1, $2, $3, 1, 'Send the offer', 'rules'), ($1, $2, $3, 0, 'Call back', 'provider')",
        *place,
    )
    await pool.execute(
        "insert into call_recordings (call_id, call_created_at, organization_id, path, bytes, sha256, content_type)"
        " values ($1, $2, $3, $4, $5, $6, 'audio/wav')",
        *place,
        path,
        len(recording),
        sha256,
    )
