"""What somebody does about an incident: told to the owner by the inbox, and to the audit log, in one go."""

from actors.domain.commands import InboxRow
from actors.slots import slot_of
from storage.inbox_rows import inbox_row
from storage.postgres import Pool, fetch
from storage.times import moment


async def act_on_incident(
    pool: Pool, *, organization_id: str, incident_id: str, kind: str, key: str, actor: str, at: int
) -> InboxRow | None:
    """Have `kind` done at `at` (ms), once by `key`, and return what the owner is still to be told.

    None when that was told before, or the incident has ended. Raises StorageUnavailableError.
    """
    rows = await fetch(
        pool, "act_on_incident", organization_id, incident_id, slot_of(organization_id), kind, key, moment(at), actor
    )
    return inbox_row(rows[0]) if rows else None
