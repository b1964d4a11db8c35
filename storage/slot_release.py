"""Free the slot of a call at an operator's word: told to the owner by the inbox, and to the audit log, in one go."""

from dataclasses import dataclass
from typing import Literal
from uuid import uuid4

from actors.domain.commands import InboxRow
from actors.slots import slot_of
from storage.inbox_rows import inbox_row
from storage.postgres import Pool, fetch
from storage.times import moment


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotRelease:
    """`result` as the audit log has it; `row` is what the owner is still to be told, None for a call that is over."""

    result: Literal["released", "already-ended"]
    row: InboxRow | None


async def release_slot(
    pool: Pool, *, organization_id: str, call_id: str, actor: str, reason: str, at: int
) -> SlotRelease | None:
    """Release at `at` (ms); None when the organization has no such call. Asks no provider, safe to repeat.

    Raises StorageUnavailableError.
    """
    rows = await fetch(
        pool,
        "release_slot",
        organization_id,
        call_id,
        slot_of(organization_id),
        f"slot-released:{call_id}:{uuid4()}",
        moment(at),
        actor,
        reason,
    )
    if not rows:
        return None
    return SlotRelease(result=rows[0]["result"], row=inbox_row(rows[0]) if rows[0]["id"] is not None else None)
