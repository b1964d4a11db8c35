"""The inbox, the calls and the effects of an organization, read for recovery and written a batch at a time."""

import asyncio
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID, uuid5

import asyncpg

from actors.domain.admission import MonthUse
from actors.domain.alarm_rules import rules_from
from actors.domain.alarms import Incident
from actors.domain.call import Call
from actors.domain.commands import InboxRow
from actors.domain.ended_reasons import classify
from actors.domain.local_day import day_bounds
from actors.domain.measured import measured
from actors.domain.metrics import DayCounters
from actors.domain.policy import policy_from
from actors.ports import AlreadyAppliedError, Batch, CallMark, Finding, Lease, Profile, StaleOwnerError, Standing
from actors.slots import slot_of
from storage.day_rows import day_of_rows
from storage.inbox_rows import inbox_row
from storage.incident_rows import incident_of, incident_record
from storage.postgres import Pool, fetch
from storage.times import moment, told_moment

FIRST_RETRY_MS = 2_000
"""The owner runs an effect at once; the sweep looks for it only after this."""

# Calls of a day below which a thread of their own takes longer than they do.
_MANY = 200

# Marks are made by the clocks of successive owners: how far those may be apart.
_CLOCK_SKEW = timedelta(minutes=5)


class PostgresJournal:
    """`actors.ports.Journal` on Postgres. Every method answers or raises StorageUnavailableError within 2 s."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def profile(self, organization_id: str) -> Profile | None:
        rows = await fetch(self._pool, "journal_profile", organization_id)
        if not rows:
            return None
        (row,) = rows
        return Profile(
            name=row["name"],
            time_zone=row["time_zone"],
            policy=policy_from(row["policy"]),
            alarm_rules=rules_from(row["alarm_rules"]),
        )

    async def last_sequence(self, organization_id: str) -> int:
        rows = await fetch(self._pool, "journal_last_sequence", organization_id)
        return int(rows[0]["last_sequence"])

    async def rows_of_open_calls(self, organization_id: str, *, ended_after: int) -> Sequence[InboxRow]:
        after = moment(ended_after)
        return await self._rows("journal_rows_of_open_calls", organization_id, after, after - _CLOCK_SKEW)

    async def rows_after(self, organization_id: str, apply_sequence: int) -> Sequence[InboxRow]:
        return await self._rows("journal_rows_after", organization_id, apply_sequence)

    async def rows_of_calls(self, organization_id: str, call_ids: Sequence[str]) -> Sequence[InboxRow]:
        return await self._rows("journal_rows_of_calls", organization_id, list(call_ids))

    async def unapplied(self, organization_id: str, *, limit: int) -> Sequence[InboxRow]:
        return await self._rows("journal_unapplied", slot_of(organization_id), organization_id, limit)

    async def day(self, organization_id: str, day: date, time_zone: str) -> DayCounters:
        bounds = [moment(at) for at in day_bounds(day, time_zone)]
        rows = await fetch(self._pool, "journal_day", organization_id, *bounds)
        (events,) = await fetch(self._pool, "journal_day_events", organization_id, *bounds)
        if len(rows) < _MANY:
            return day_of_rows(day, time_zone, [dict(row) for row in rows], dict(events))
        # A day of ten thousand calls takes a fifth of a second: other organizations go on meanwhile.
        return await asyncio.to_thread(day_of_rows, day, time_zone, [dict(row) for row in rows], dict(events))

    async def month(self, organization_id: str, month: date, time_zone: str) -> MonthUse:
        following = (month + timedelta(days=31)).replace(day=1)
        start, end = local_midnight(month, time_zone), local_midnight(following, time_zone)
        (sums,) = await fetch(self._pool, "journal_month", organization_id, start, end)
        return MonthUse(month=month, minutes=sums["minutes"])

    async def standing(self, organization_id: str, day: date, time_zone: str) -> Standing:
        (record,) = await fetch(self._pool, "journal_standing", organization_id)
        return Standing(
            apply_sequence=record["apply_sequence"],
            open_calls={call_id: CallMark(*mark) for call_id, mark in record["open_calls"].items()},
            today=await self.day(organization_id, day, time_zone),
        )

    async def note_repairs(
        self, organization_id: str, findings: Sequence[Finding], *, lease: Lease, owner: str, at: int
    ) -> Sequence[InboxRow]:
        records = await fetch(
            self._pool,
            "journal_note_repairs",
            organization_id,
            lease.slot,
            owner,
            lease.epoch,
            moment(at),
            [f"state-repaired:{lease.epoch}:{at}:{finding.call_id or ''}" for finding in findings],
            [finding.call_id for finding in findings],
            [finding.facts for finding in findings],
        )
        if not records:
            raise StaleOwnerError(f"{owner} no longer holds slot {lease.slot} at epoch {lease.epoch}")
        return [inbox_row(record) for record in records]

    async def incidents(
        self, organization_id: str, *, closed_after: int, muted_after: int, incident_ids: Sequence[str]
    ) -> Sequence[Incident]:
        rows = await fetch(
            self._pool,
            "journal_incidents",
            organization_id,
            moment(closed_after),
            moment(muted_after),
            list(incident_ids),
        )
        return [incident_of(row) for row in rows]

    async def commit(self, batch: Batch) -> None:
        """Write the batch, all or nothing; durable on return.

        Raises StaleOwnerError, AlreadyAppliedError (then nothing is written) and StorageUnavailableError, after which
        the batch may have been written: committing it again tells, by AlreadyAppliedError.
        """
        try:
            (verdict,) = await fetch(
                self._pool,
                "journal_commit",
                batch.organization_id,
                batch.lease.slot,
                batch.owner,
                batch.lease.epoch,
                [row_id for row_id, _ in batch.marks],
                [sequence for _, sequence in batch.marks],
                moment(batch.at),
                [call_record(batch.organization_id, call) for call in batch.calls],
                [effect.call_id for effect in batch.effects],
                [effect.effect for effect in batch.effects],
                moment(batch.at + FIRST_RETRY_MS),
                [batch.outcomes.get(row_id) for row_id, _ in batch.marks],
                [incident_record(incident) for incident in batch.incidents],
            )
        except asyncpg.UniqueViolationError as taken:
            # The rows are free but their sequence is not, or an incident is open already: the state behind this batch
            # lacks what Postgres has applied.
            raise AlreadyAppliedError(frozenset()) from taken
        if not verdict["is_owner"]:
            raise StaleOwnerError(f"{batch.owner} no longer holds slot {batch.lease.slot} at epoch {batch.lease.epoch}")
        if verdict["refused"]:
            raise AlreadyAppliedError(frozenset(verdict["refused"]))

    async def _rows(self, name: str, *arguments: object) -> Sequence[InboxRow]:
        return [inbox_row(record) for record in await fetch(self._pool, name, *arguments)]


def local_midnight(day: date, time_zone: str) -> datetime:
    """The first moment of a day where the organization is; days of 23 or 25 hours come out right."""
    return moment(day_bounds(day, time_zone)[0])


def call_record(organization_id: str, call: Call) -> dict[str, object]:
    """A row of `calls`, but for its organization, under the names of its columns."""
    fields, figures = call.fields, measured(call)
    reason = classify(fields.ended_reason) if fields.ended_reason is not None else None
    return {
        "id": uuid5(UUID(organization_id), call.call_id),
        "created_at": moment(call.created_at),
        "provider_call_id": call.call_id,
        "type": fields.type,
        "direction": fields.direction,
        "status": str(call.status),
        "ended_reason": fields.ended_reason,
        "ended_class": str(reason.ended_class) if reason is not None else None,
        "fault_owner": str(reason.fault_owner) if reason is not None else None,
        "assistant_id": fields.assistant_id,
        "assistant_name": fields.assistant_name,
        "phone_number_id": fields.phone_number_id,
        "from_number": fields.from_number,
        "to_number": fields.to_number,
        "customer_name": fields.customer_name,
        "campaign_id": fields.campaign_id,
        "transferred_to": fields.transferred_to,
        "queued_at": told_moment(fields.queued_at),
        "ringing_at": told_moment(fields.ringing_at),
        "answered_at": told_moment(fields.answered_at),
        "ended_at": told_moment(fields.ended_at),
        "duration_ms": call.duration_ms,
        "cost_micros": fields.cost_micros,
        "summary": fields.summary,
        "success_evaluation": fields.success_evaluation,
        "tool_calls": len(call.tool_call_ids),
        "hangs": call.hangs,
        "report": call.report,
        "last_event_at": moment(call.last_event_at),
        "last_event_kind": call.last_event_kind,
        "processed_at": told_moment(call.processed_at),
        "version": call.version,
        "admission": call.admission,
        "released_at": told_moment(call.released_at),
        "forwarded_at": told_moment(figures.forwarded_at),
        "live_from": told_moment(figures.live_from),
        "live_until": told_moment(figures.live_until),
        "first_word_at": told_moment(figures.first_word_at),
        "turn_latencies_ms": figures.turn_latencies_ms,
        "silence_ms": figures.silence_ms,
        "tools_called": figures.tools_called,
        "tools_failed": figures.tools_failed,
        "tool_latencies_ms": figures.tool_latencies_ms,
        "reported_at": told_moment(figures.reported_at),
        "interruptions": figures.interruptions,
        "webhook_lags_ms": figures.webhook_lags_ms,
        "reorders": figures.reorders,
    }
