"""What a provider knows of a call that we were not told."""

from collections.abc import Mapping

from actors.domain.call import CallStatus
from actors.domain.json_types import JSON
from storage.reconciliation import Told
from workflows.activities.provider_records import is_reported
from workflows.vendors.vapi_values import mapping
from workflows.vendors.vapi_wire import record_facts

_CORRECTABLE = ("ended_reason", "duration_ms", "cost_micros")


def difference(record: dict[str, JSON], told: Told | None) -> str | None:
    """What of the record we lack, in a word for the call's timeline; None when nothing.

    A figure differs only where both tell it: what one does not say contradicts nothing.
    """
    if told is None:
        return "missed-call"
    if is_reported(record):
        if not told.is_reported:
            return "missed-report"
        return "corrected" if _is_corrected(mapping(record_facts(record).get("fields")), told) else None
    known = [_rank(status) for status in (*told.statuses, told.status)]
    return "missed-status" if _rank(record.get("status")) > max(known) else None


def _is_corrected(fields: Mapping[str, JSON], told: Told) -> bool:
    pairs = ((fields.get(name), getattr(told, name)) for name in _CORRECTABLE)
    return any(theirs != ours for theirs, ours in pairs if theirs is not None and ours is not None)


def _rank(status: JSON) -> int:
    try:
        return CallStatus(status).rank
    except ValueError:
        return -1
