"""A call as its provider keeps it, on its way into the inbox: the webhook that did not come."""

import orjson
import xxhash

from actors.domain.json_types import JSON, Facts
from workflows.activities.internal_rows import InternalRow
from workflows.vendors.vapi_values import mapping, moment
from workflows.vendors.vapi_wire import record_facts

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


def record_row(
    organization_id: str,
    call_id: str,
    record: dict[str, JSON],
    *,
    asked_at: int | None = None,
    repair: str | None = None,
) -> InternalRow:
    """The row a record of `GET /call` becomes. `repair` names what of it we had missed.

    A report, fetched instead of delivered, is a report: it merges with the same trust, and is one however often it is
    fetched. Any other record tells where the call stands; `asked_at` (ms) makes each answer to a question a sign of its
    own, without it each state of the call is one.
    """
    facts = record_facts(record)
    updated_at = moment(record.get("updatedAt"))
    kind = "end-of-call-report" if is_reported(record) else "provider-record"
    state = record.get("status") if asked_at is None else asked_at
    version = _digest(facts) if kind == "end-of-call-report" else f"{updated_at or '-'}:{state}"
    return InternalRow(
        organization_id=organization_id,
        call_id=call_id,
        type=kind,
        key=f"{kind}:{call_id}:{version}",
        facts=facts if repair is None else {**facts, "details": {"repair": repair}},
        occurred_at=updated_at,
        body=_body(record) if record.get("status") == "ended" else None,
    )


def is_reported(record: dict[str, JSON]) -> bool:
    """Whether a record says all that a report would: the call ended, and here is what was said."""
    artifact = mapping(record.get("artifact"))
    told = any(holder.get(part) for holder in (record, artifact) for part in ("transcript", "messages", "analysis"))
    return record.get("status") == "ended" and told


def _body(record: dict[str, JSON]) -> bytes:
    return orjson.dumps({name: value for name, value in record.items() if name in _KEPT})


def _digest(facts: Facts) -> str:
    return xxhash.xxh3_128_hexdigest(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS))
