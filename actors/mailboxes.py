"""One bounded mailbox per organization: what waits for it, taken in a batch at a time by one task."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TypeAlias

import structlog

from actors.organization_actor import Item
from actors.ports import UnavailableError, UnknownOrganizationError

log = structlog.get_logger(__name__)

MAILBOX = 2_000
BATCH = 256


class Chore(Enum):
    """What the shard itself asks of an organization, in its turn like everything else; an absent one has none."""

    CHECK = auto()
    """Hold memory against Postgres."""
    REST = auto()
    """Snapshot and leave memory, if nothing came meanwhile."""


TakeIn: TypeAlias = Callable[[str, Sequence[Item]], Awaitable[bool]]
"""Takes a batch in; False when the organization is not ours. Raises UnknownOrganizationError, UnavailableError."""


@dataclass(slots=True)
class _Mailbox:
    items: deque[Item | Chore] = field(default_factory=deque[Item | Chore])
    drain: asyncio.Task[None] | None = None

    def next_batch(self) -> list[Item]:
        batch: list[Item] = []
        while self.items and len(batch) < BATCH:
            item = self.items[0]
            if isinstance(item, Chore):
                break
            batch.append(item)
            self.items.popleft()
        return batch


class Mailboxes:
    """Takes nothing beyond the bound of each organization's mailbox, so that the busy one alone is told to wait.

    Batches of many organizations take turns: each has at most one under way, so none waits for all that another has.
    """

    def __init__(self, take_in: TakeIn, do: Callable[[str, Chore], Awaitable[None]]) -> None:
        self._take_in = take_in
        self._do = do
        self._boxes: dict[str, _Mailbox] = {}

    def post(self, organization_id: str, item: Item | Chore) -> bool:
        """Queue an item; False when the organization's mailbox is full."""
        if not self.has_room(organization_id):
            return False
        box = self._boxes.setdefault(organization_id, _Mailbox())
        box.items.append(item)
        if box.drain is None:
            box.drain = asyncio.create_task(self._drain(organization_id, box))
        return True

    def has_room(self, organization_id: str, *, besides: int = 0) -> bool:
        """Whether an item could be queued if `besides` others were first."""
        box = self._boxes.get(organization_id)
        return besides + (len(box.items) if box is not None else 0) < MAILBOX

    def is_empty(self, organization_id: str) -> bool:
        """Nothing waits; what is under way may be the caller itself."""
        box = self._boxes.get(organization_id)
        return box is None or not box.items

    @property
    def waiting(self) -> int:
        """Items of all mailboxes."""
        return sum(len(box.items) for box in self._boxes.values())

    @property
    def deepest(self) -> int:
        """Items of the fullest mailbox."""
        return max((len(box.items) for box in self._boxes.values()), default=0)

    async def drained(self, organization_ids: Collection[str], *, seconds: float) -> None:
        """Wait until these mailboxes are empty, but no longer than that."""
        boxes = (self._boxes.get(organization_id) for organization_id in organization_ids)
        drains = {box.drain for box in boxes if box is not None and box.drain is not None}
        if drains:
            await asyncio.wait(drains, timeout=seconds)

    async def _drain(self, organization_id: str, box: _Mailbox) -> None:
        try:
            while box.items:
                batch = box.next_batch()
                if batch:
                    if not await self._take_in(organization_id, batch):
                        return
                elif isinstance(chore := box.items.popleft(), Chore):
                    await self._do(organization_id, chore)
        except UnknownOrganizationError:
            log.info("rows of an organization that is gone", organization_id=organization_id, waiting=len(box.items))
        except UnavailableError as away:
            log.warning("mailbox set aside", organization_id=organization_id, waiting=len(box.items), reason=str(away))
        finally:
            # What is still here stays in the inbox; chatter is lost, as promised.
            self._boxes.pop(organization_id, None)
