"""How far a call is, and asking its provider when nobody tells."""

from collections.abc import Awaitable, Callable

import orjson
import xxhash
from temporalio import activity

from actors.domain.json_types import JSON, Facts
from storage.processing import ProcessingStore
from workflows.activities.internal_rows import InternalRow, InternalRows
from workflows.contracts import (
    ASK_PROVIDER,
    NOTE_REPORT_MISSING,
    READ_PROGRESS,
    Answer,
    CallRef,
    Progress,
    Question,
)
from workflows.errors import AbsentError, ProviderUnavailableError, RefusedError
from workflows.vendors.vapi import VapiClient
from workflows.vendors.vapi_values import mapping, moment
from workflows.vendors.vapi_wire import record_facts

KeyOf = Callable[[str], Awaitable[str | None]]
"""The provider key of an organization, None when it gave none."""

_TRIES = 3
# What processing reads; the rest of a record (the assistant with its secrets, control addresses) is not kept.
_KEPT = frozenset(
    {
        "id",
        "startedAt",
        "endedAt",
        "endedReason",
        "cost",
        "costBreakdown",
        "costs",
        "analysis",
        "artifact",
        "transcript",
        "summary",
        "messages",
        "recordingUrl",
        "stereoRecordingUrl",
    }
)


class ProviderQuestions:
    """Activities around the wait for the end and for the report."""

    def __init__(self, store: ProcessingStore, rows: InternalRows, vapi: VapiClient, key_of: KeyOf) -> None:
        self._store = store
        self._rows = rows
        self._vapi = vapi
        self._key_of = key_of

    @activity.defn(name=READ_PROGRESS)
    async def read_progress(self, call: CallRef) -> Progress:
        """How far the call is."""
        progress = await self._store.progress(call.organization_id, call.call_id)
        if progress is None:
            return Progress(found=False)
        return Progress(
            ended=progress.ended,
            ended_at=progress.ended_at,
            evidence_at=progress.evidence_at,
            reports=progress.reports,
            report_missing=progress.report_missing,
            processed=progress.processed,
            recording_stored=progress.recording_stored,
            provider_key=await self._key_of(call.organization_id) is not None,
        )

    @activity.defn(name=ASK_PROVIDER)
    async def ask_provider(self, question: Question) -> Answer:
        """Ask once, and tell the owner what came back. Silence counts as absence at the third try."""
        key = await self._key_of(question.organization_id)
        if key is None:
            return await self._absent(question, "no key")
        try:
            record = await self._vapi.get_call(key, question.call_id)
        except ProviderUnavailableError as silent:
            if activity.info().attempt < _TRIES:
                raise
            return await self._absent(question, str(silent))
        except (AbsentError, RefusedError) as refused:
            return await self._absent(question, str(refused))
        return await self._found(question, record)

    @activity.defn(name=NOTE_REPORT_MISSING)
    async def note_report_missing(self, call: CallRef) -> None:
        """Tell the owner that no report will come; one that comes all the same still merges."""
        await self._rows.accept(
            InternalRow(
                organization_id=call.organization_id,
                call_id=call.call_id,
                type="report-missing",
                key=f"report-missing:{call.call_id}",
                facts={},
            )
        )

    async def _absent(self, question: Question, reason: str) -> Answer:
        if question.ended:
            return Answer.ABSENT
        await self._rows.accept(
            InternalRow(
                organization_id=question.organization_id,
                call_id=question.call_id,
                type="provider-absent",
                key=f"provider-absent:{question.call_id}:{question.asked_at}",
                facts={"details": {"reason": reason}},
            )
        )
        return Answer.ABSENT

    async def _found(self, question: Question, record: dict[str, JSON]) -> Answer:
        facts = record_facts(record)
        updated_at = moment(record.get("updatedAt"))
        ended = record.get("status") == "ended"
        reported = ended and _tells_of_the_conversation(record)
        # The report, fetched instead of delivered, is a report: it merges with the same trust.
        kind = "end-of-call-report" if reported else "provider-record"
        version = _digest(facts) if reported else f"{updated_at or '-'}:{question.asked_at}"
        await self._rows.accept(
            InternalRow(
                organization_id=question.organization_id,
                call_id=question.call_id,
                type=kind,
                key=f"{kind}:{question.call_id}:{version}",
                facts=facts,
                occurred_at=updated_at,
                body=_body(record) if ended else None,
            )
        )
        if reported:
            return Answer.REPORTED
        return Answer.ENDED if ended else Answer.LIVE


def _tells_of_the_conversation(record: dict[str, JSON]) -> bool:
    artifact = mapping(record.get("artifact"))
    return any(holder.get(part) for holder in (record, artifact) for part in ("transcript", "messages", "analysis"))


def _body(record: dict[str, JSON]) -> bytes:
    return orjson.dumps({name: value for name, value in record.items() if name in _KEPT})


def _digest(facts: Facts) -> str:
    return xxhash.xxh3_128_hexdigest(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
