"""Memory against Postgres: what differs, and the state in which it no longer does.

The judge is the inbox: a call is the fold of its applied rows (`recall`), today the sums over `calls`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

import structlog

from actors.domain.call import Call
from actors.domain.json_types import JSON
from actors.domain.metrics import DayCounters
from actors.domain.organization import Organization, recall
from actors.ports import CallMark, Finding, Journal, Standing

log = structlog.get_logger(__name__)

FIGURE_LENGTH = 200
CALLS_PER_CHECK = 100
"""Calls repaired at once; the others are found by the next check."""


async def repaired(state: Organization, journal: Journal) -> tuple[Organization, Sequence[Finding]]:
    """The state as the inbox has it, and what had to be changed in it or has to be written anew in `calls`.

    Costs one statement when nothing differs. The caller keeps the state from changing meanwhile and has caught up with
    Postgres. Raises UnavailableError.
    """
    standing = await journal.standing(state.organization_id, state.today.day, state.time_zone)
    suspects, findings = _suspects(state, standing), list[Finding]()
    # A repeated delivery tells the owner nothing: the count is read, and to differ in it is no drift.
    if state.today.duplicates != standing.today.duplicates:
        state = replace(state, today=replace(state.today, duplicates=standing.today.duplicates))
    if standing.apply_sequence != state.apply_sequence:
        missed = await journal.rows_after(state.organization_id, state.apply_sequence)
        suspects |= {row.call_id for row in missed if row.call_id is not None}
        findings.append(
            _finding(None, memory={"position": state.apply_sequence}, inbox={"position": standing.apply_sequence})
        )
        state = replace(state, apply_sequence=standing.apply_sequence)
    if suspects:
        chosen = sorted(suspects)[:CALLS_PER_CHECK]
        rows = await journal.rows_of_calls(state.organization_id, chosen)
        state, of_calls = _with_calls(state, recall(state.organization_id, rows), chosen, standing)
        findings.extend(of_calls)
    elif standing.today != state.today:
        differing = [each.name for each in fields(state.today) if _differ(each.name, state.today, standing.today)]
        memory, calls = _figures(state.today, differing), _figures(standing.today, differing)
        findings.append(_finding(None, memory=memory, calls=calls))
        state = replace(state, today=standing.today)
    return state, findings


def _suspects(state: Organization, standing: Standing) -> set[str]:
    """Calls that are open here or there and do not stand at the same status and version in both."""
    held = {call.call_id: mark for call in state.calls.values() if (mark := _open_mark(call)) is not None}
    return {call_id for call_id, _ in held.items() ^ standing.open_calls.items()}


def _open_mark(call: Call) -> CallMark | None:
    return CallMark(call.status, call.version) if not call.is_ended else None


def _with_calls(
    state: Organization, truth: Mapping[str, Call], suspects: Sequence[str], standing: Standing
) -> tuple[Organization, Sequence[Finding]]:
    calls, findings = dict(state.calls), list[Finding]()
    for call_id in suspects:
        before, after = calls.pop(call_id, None), truth.get(call_id)
        written = standing.open_calls.get(call_id)
        if after is not None:
            # Chatter is nowhere but here, and no part of the record.
            volatile = before or after
            calls[call_id] = replace(
                after, heard_at=volatile.heard_at, utterances=volatile.utterances, speech=volatile.speech
            )
            if calls[call_id] == before and _open_mark(after) == written:
                continue
        elif before is None:
            log.error("a call without a history", organization_id=state.organization_id, call_id=call_id)
            continue
        findings.append(
            _finding(
                call_id,
                memory=_told(before.status, before.version) if before is not None else None,
                calls=_told(*written) if written is not None else None,
                inbox=_told(after.status, after.version) if after is not None else None,
            )
        )
    return replace(state, calls=calls), findings


def _finding(call_id: str | None, **told: JSON) -> Finding:
    return Finding(call_id=call_id, facts={"details": told})


def _told(status: str, version: int) -> JSON:
    return {"status": str(status), "version": version}


def _differ(name: str, one: DayCounters, other: DayCounters) -> bool:
    return bool(getattr(one, name) != getattr(other, name))


def _figures(today: DayCounters, names: Sequence[str]) -> JSON:
    return {name: str(getattr(today, name))[:FIGURE_LENGTH] for name in names}
