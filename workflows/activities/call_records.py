"""What a call left behind goes to Postgres, from the bodies of its reports."""

from temporalio import activity

from storage.processing import ProcessingStore
from workflows.action_items import action_items, kept_texts
from workflows.activities.internal_rows import InternalRow, InternalRows
from workflows.activities.step_notes import StepNotes
from workflows.call_report import CallReport, read_report
from workflows.contracts import (
    ANNOUNCE_PROCESSED,
    STORE_ACTIONS,
    STORE_COSTS,
    STORE_TRANSCRIPT,
    CallRef,
    ProcessedNote,
)
from workflows.errors import ProviderUnavailableError
from workflows.step_contracts import FIND_ACTIONS, ItemsOutcome
from workflows.vendors.action_model import ActionModel


class CallRecords:
    """Activities that touch Postgres alone: run as local activities. Each is safe to repeat."""

    def __init__(
        self, store: ProcessingStore, rows: InternalRows, notes: StepNotes, *, model: ActionModel | None = None
    ) -> None:
        self._store = store
        self._rows = rows
        self._notes = notes
        self._model = model

    @activity.defn(name=STORE_TRANSCRIPT)
    async def store_transcript(self, call: CallRef) -> None:
        """Keep the transcript, its turns and the analysis. Without any of them nothing is written."""
        report = await self._report(call)
        if report.transcript or report.turns or report.analysis:
            await self._store.store_transcript(
                call.organization_id,
                call.call_id,
                text=report.transcript,
                messages=report.turns,
                analysis=report.analysis,
            )

    @activity.defn(name=STORE_COSTS)
    async def store_costs(self, call: CallRef) -> None:
        """Keep what the call cost, when a report says so."""
        report = await self._report(call)
        if report.cost_micros is not None:
            await self._store.store_costs(
                call.organization_id, call.call_id, cost_micros=report.cost_micros, breakdown=report.breakdown
            )

    @activity.defn(name=STORE_ACTIONS)
    async def store_actions(self, call: CallRef) -> ItemsOutcome:
        """Keep the call's action items, replacing those of an earlier reading.

        What rules found is kept at once, also where a model is to look closer: it stays if the model does not answer.
        """
        report = await self._report(call)
        found = action_items(report.analysis, report.turns)
        await self._store.replace_actions(call.organization_id, call.call_id, source=found.source, texts=found.texts)
        looks_closer = self._model is not None and found.source == "rules" and report.transcript != ""
        return ItemsOutcome.ASK_MODEL if looks_closer else ItemsOutcome.STORED

    @activity.defn(name=FIND_ACTIONS)
    async def find_actions(self, call: CallRef) -> None:
        """Have a model find the call's action items, in the place of those that rules found. Not a local activity.

        Safe to repeat. Raises ProviderUnavailableError and RefusedError.
        """
        report = await self._report(call)
        if self._model is None or not report.transcript:
            return
        try:
            texts = kept_texts(await self._model.find(report.transcript))
        except ProviderUnavailableError as away:
            await self._notes.delayed(call, FIND_ACTIONS, str(away))
            raise
        await self._store.replace_actions(call.organization_id, call.call_id, source="model", texts=texts)

    @activity.defn(name=ANNOUNCE_PROCESSED)
    async def announce_processed(self, note: ProcessedNote) -> None:
        """Tell the owner that the call is processed, which tells everyone who watches."""
        await self._rows.accept(
            InternalRow(
                organization_id=note.organization_id,
                call_id=note.call_id,
                type="call-processed",
                key=f"call-processed:{note.call_id}:{note.reports}",
                facts={"details": {"reports": note.reports, "failed": [*note.failed]}},
            )
        )

    async def _report(self, call: CallRef) -> CallReport:
        return read_report(await self._store.report_bodies(call.organization_id, call.call_id))
