"""Tells on a call's timeline what became of a step that its vendor does not let succeed."""

from temporalio import activity

from workflows.activities.internal_rows import InternalRow, InternalRows
from workflows.contracts import CallRef
from workflows.step_contracts import NOTE_STEP_FAILED, FailedStep

_TOLD_AT = 3
"""A blip is nobody's business: the third attempt in vain is told."""


class StepNotes:
    """Every note is one row, however often it is told. `reason` holds statuses and codes, nothing of the call."""

    def __init__(self, rows: InternalRows) -> None:
        self._rows = rows

    async def delayed(self, call: CallRef, step: str, reason: str, *, about: str = "") -> None:
        """A step waits for its vendor. Called within its activity at each attempt in vain; told once."""
        if activity.info().attempt == _TOLD_AT:
            await self._tell(call, "step-delayed", step, reason, about)

    async def failed(self, call: CallRef, step: str, reason: str, *, about: str = "") -> None:
        """A step will not succeed."""
        await self._tell(call, "step-failed", step, reason, about)

    @activity.defn(name=NOTE_STEP_FAILED)
    async def note_step_failed(self, failed: FailedStep) -> None:
        """A step was given up."""
        call = CallRef(organization_id=failed.organization_id, call_id=failed.call_id)
        await self.failed(call, failed.step, "given up", about=str(failed.reports))

    async def _tell(self, call: CallRef, kind: str, step: str, reason: str, about: str) -> None:
        await self._rows.accept(
            InternalRow(
                organization_id=call.organization_id,
                call_id=call.call_id,
                type=kind,
                key=f"{kind}:{call.call_id}:{step}:{about}",
                facts={"details": {"step": step, "reason": reason}},
            )
        )
