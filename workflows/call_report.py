"""What a call left behind, read from all its reports at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import orjson

from actors.domain.json_types import JSON
from workflows.vendors.vapi_values import first_text, mapping, moment
from workflows.vendors.vapi_wire import CallArtifact, artifact_of

_URL_LENGTH = 4_000

Object = Mapping[str, JSON]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingHint:
    """Where a report says the recording of both sides is. `presigned_until` is ms since the epoch, 0 unless told."""

    presigned_url: str | None
    presigned_until: int
    url: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """One reading of a call. `turns` are those of `vapi_wire.CallArtifact`."""

    transcript: str = ""
    turns: Sequence[Object] = ()
    analysis: Object = field(default_factory=dict[str, JSON])
    cost_micros: int | None = None
    breakdown: Object = field(default_factory=dict[str, JSON])
    recording: RecordingHint | None = None


def read_report(bodies: Sequence[str | bytes]) -> CallReport:
    """The call as its reports tell it, the most trusted first: each part comes from the first report that has it."""
    reports = [_read(body) for body in bodies]

    def first(part: Callable[[CallReport], T], nothing: T) -> T:
        return next((value for value in map(part, reports) if value), nothing)

    costed = next((report for report in reports if report.cost_micros is not None), CallReport())
    return CallReport(
        transcript=first(lambda report: report.transcript, ""),
        turns=first(lambda report: report.turns, ()),
        analysis=first(lambda report: report.analysis, {}),
        cost_micros=costed.cost_micros,
        breakdown=costed.breakdown,
        recording=first(lambda report: report.recording, None),
    )


def _read(body: str | bytes) -> CallReport:
    decoded: JSON = orjson.loads(body)
    found = artifact_of(decoded)
    envelope = mapping(decoded)
    message = mapping(envelope.get("message")) or envelope
    artifact = mapping((mapping(message.get("call")) if message.get("type") == "call-end" else message).get("artifact"))
    return CallReport(
        transcript=found.transcript,
        turns=found.turns,
        analysis=_analysis(found, artifact),
        cost_micros=found.cost_micros,
        breakdown=found.cost_breakdown,
        recording=_recording(found, artifact),
    )


def _analysis(found: CallArtifact, artifact: Object) -> Object:
    outputs = artifact.get("structuredOutputs")
    summary: Object = {"summary": found.summary} if found.summary else {}
    return {**found.analysis, **summary, **({"structuredOutputs": outputs} if outputs else {})}


def _recording(found: CallArtifact, artifact: Object) -> RecordingHint | None:
    """Mono holds both sides in half the bytes; `recording_urls` end with the mono identifiers."""
    presigned = first_text(artifact.get("presignedMonoUrl"), limit=_URL_LENGTH)
    url = found.recording_urls[-1] if found.recording_urls else None
    if url is None and presigned is None:
        return None
    return RecordingHint(
        presigned_url=presigned,
        presigned_until=moment(artifact.get("presignedUrlsExpiresAt")) or 0,
        url=None if url == presigned else url,
    )
