"""The way back to live state: inbox rows of provider `internal`."""

from collections.abc import Callable
from dataclasses import dataclass

from actors.domain.json_types import Facts
from actors.ports import Delivery
from storage.inbox import Inbox, NewEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalRow:
    """Something a workflow found out about a call, or somebody asked for. Times are ms.

    `key` makes it one however often it is told.
    """

    organization_id: str
    call_id: str | None
    type: str
    key: str
    facts: Facts
    occurred_at: int | None = None
    body: bytes | None = None


class InternalRows:
    """Tells the organization's owner what workflows find out and what the API is asked for.

    `notify` hands an accepted row to the owner at once and must not block. It is a hint: without it the owner's sweep
    finds the row within seconds.
    """

    def __init__(
        self, inbox: Inbox, *, now: Callable[[], int], notify: Callable[[Delivery], object] | None = None
    ) -> None:
        self._inbox = inbox
        self._now = now
        self._notify = notify

    async def accept(self, row: InternalRow) -> bool:
        """Make the row durable; whether it is new. Safe to repeat. Raises StorageUnavailableError."""
        accepted = await self._inbox.accept(
            NewEvent(
                organization_id=row.organization_id,
                provider="internal",
                event_key=row.key,
                type=row.type,
                call_id=row.call_id,
                facts=row.facts,
                occurred_at=row.occurred_at,
                received_at=self._now(),
                body=row.body,
            )
        )
        if self._notify is not None and not accepted.duplicate:
            self._notify(Delivery(organization_id=row.organization_id, item=accepted.row))
        return not accepted.duplicate
