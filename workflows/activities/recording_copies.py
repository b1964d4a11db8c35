"""A call's recording is copied to the object store, however long its host takes to answer."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from temporalio import activity

from storage.processing import ProcessingStore, RecordingEntry
from storage.recordings import MAX_BYTES, RecordingStore, RecordingTooLargeError, recording_path
from workflows.activities.internal_rows import InternalRow, InternalRows
from workflows.activities.provider_questions import KeyOf
from workflows.activities.step_notes import StepNotes
from workflows.call_report import RecordingHint, read_report
from workflows.contracts import COPY_RECORDING, NOTE_RECORDING_MISSING, CallRef, RecordingOutcome
from workflows.errors import AbsentError, ProviderUnavailableError, RefusedError
from workflows.vendors.vapi import Download, VapiClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An address the recording may be had from, with the key it asks for."""

    url: str
    key: str | None = None


class RecordingCopies:
    """Activities of the recordings' own queue."""

    def __init__(
        self,
        store: ProcessingStore,
        rows: InternalRows,
        vapi: VapiClient,
        recordings: RecordingStore,
        notes: StepNotes,
        *,
        key_of: KeyOf,
        now: Callable[[], int],
    ) -> None:
        self._store = store
        self._rows = rows
        self._vapi = vapi
        self._recordings = recordings
        self._notes = notes
        self._key_of = key_of
        self._now = now

    @activity.defn(name=COPY_RECORDING)
    async def copy_recording(self, call: CallRef) -> RecordingOutcome:
        """Copy the recording and tell the owner. Safe to repeat: a stored one is not fetched again.

        Raises ProviderUnavailableError while any source may yet deliver.
        """
        slot = await self._store.recording_slot(call.organization_id, call.call_id)
        if slot is None:
            return RecordingOutcome.NONE
        if slot.path is not None:
            await self._tell_stored(call)
            return RecordingOutcome.STORED
        hint = read_report(await self._store.report_bodies(call.organization_id, call.call_id)).recording
        if hint is None:
            return RecordingOutcome.NONE
        path = recording_path(call.organization_id, call.call_id, slot.created_at)
        try:
            entry = await self._copy_from_any(await self._sources(call, hint), path)
        except RecordingTooLargeError:
            return await self._missing(call, "too large")
        except (AbsentError, RefusedError) as refused:
            return await self._missing(call, str(refused))
        except ProviderUnavailableError as away:
            await self._notes.delayed(call, COPY_RECORDING, str(away))
            raise
        await self._store.store_recording(call.organization_id, call.call_id, entry)
        await self._tell_stored(call)
        return RecordingOutcome.STORED

    @activity.defn(name=NOTE_RECORDING_MISSING)
    async def note_recording_missing(self, call: CallRef) -> None:
        """Tell the owner that the recording's host did not answer for days."""
        await self._missing(call, "its host did not answer")

    async def _sources(self, call: CallRef, hint: RecordingHint) -> Sequence[Source]:
        sources: list[Source] = []
        if hint.presigned_url is not None and hint.presigned_until > self._now():
            sources.append(Source(url=hint.presigned_url))
        key = await self._key_of(call.organization_id)
        if key is not None:
            sources.append(Source(url=self._vapi.recording_url(call.call_id), key=key))
        if hint.url is not None:
            sources.append(Source(url=hint.url))
        return sources

    async def _copy_from_any(self, sources: Sequence[Source], path: str) -> RecordingEntry:
        """The first source that delivers wins; one that is merely away outweighs those that have nothing."""
        failure: AbsentError | RefusedError | ProviderUnavailableError = AbsentError("no address")
        for source in sources:
            try:
                return await self._copy(source, path)
            except (AbsentError, RefusedError) as refused:
                failure = failure if isinstance(failure, ProviderUnavailableError) else refused
            except ProviderUnavailableError as away:
                failure = away
        raise failure

    async def _copy(self, source: Source, path: str) -> RecordingEntry:
        async with self._vapi.download(source.url, key=source.key) as download:
            if (download.size or 0) > MAX_BYTES:
                raise RecordingTooLargeError(f"{download.size} bytes")
            stored = await self._recordings.write(path, _beating(download), content_type=download.content_type)
        return RecordingEntry(path=path, size=stored.size, sha256=stored.sha256, content_type=download.content_type)

    async def _tell_stored(self, call: CallRef) -> None:
        await self._rows.accept(
            InternalRow(
                organization_id=call.organization_id,
                call_id=call.call_id,
                type="recording-stored",
                key=f"recording-stored:{call.call_id}",
                facts={},
            )
        )

    async def _missing(self, call: CallRef, reason: str) -> RecordingOutcome:
        await self._rows.accept(
            InternalRow(
                organization_id=call.organization_id,
                call_id=call.call_id,
                type="recording-missing",
                key=f"recording-missing:{call.call_id}",
                facts={"details": {"reason": reason}},
            )
        )
        return RecordingOutcome.MISSING


async def _beating(download: Download) -> AsyncIterator[bytes]:
    """The chunks, with a sign of life for each; an empty answer is no recording yet."""
    empty = True
    async for chunk in download.chunks:
        empty = False
        activity.heartbeat()
        yield chunk
    if empty:
        raise ProviderUnavailableError("the recording is empty")
