"""How far a call is, and asking its provider when nobody tells."""

from collections.abc import Awaitable, Callable

from temporalio import activity

from actors.domain.json_types import JSON
from storage.processing import ProcessingStore
from workflows.activities.internal_rows import InternalRow, InternalRows
from workflows.activities.provider_records import is_reported, record_row
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

KeyOf = Callable[[str], Awaitable[str | None]]
"""The provider key of an organization, None when it gave none."""

_TRIES = 3


class ProviderQuestions:
    """Activities around the wait for the end and for the report."""

    def __init__(
        self, store: ProcessingStore, rows: InternalRows, vapi: VapiClient, key_of: KeyOf, *, searchable: bool
    ) -> None:
        self._store = store
        self._rows = rows
        self._vapi = vapi
        self._key_of = key_of
        self._searchable = searchable

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
            searchable=self._searchable,
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
        await self._rows.accept(
            record_row(question.organization_id, question.call_id, record, asked_at=question.asked_at)
        )
        if is_reported(record):
            return Answer.REPORTED
        return Answer.ENDED if record.get("status") == "ended" else Answer.LIVE
