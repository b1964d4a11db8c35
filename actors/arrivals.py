"""What tells of a call that memory lacks waits here, not in the mailbox, until Postgres said what it holds of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import islice

import structlog

from actors.domain.commands import Hear, InboxRow
from actors.mailboxes import Mailboxes
from actors.organization_actor import Item, OrganizationActor
from actors.ports import UnavailableError

log = structlog.get_logger(__name__)

LOOKED_UP = 256
"""Items whose calls are looked up by one statement."""


@dataclass(slots=True)
class _Aside:
    items: deque[InboxRow | Hear] = field(default_factory=deque[InboxRow | Hear])
    task: asyncio.Task[None] | None = None


class Arrivals:
    """A slow look-up holds up the calls it is for and nothing else of the organization.

    Each organization has one look-up under way; what comes meanwhile gathers for the next. What waits here counts
    against the bound of the mailbox. An organization that is not in memory has its calls looked up in its first round.
    """

    def __init__(self, *, actor_of: Callable[[str], OrganizationActor | None], mailboxes: Mailboxes) -> None:
        self._actor_of = actor_of
        self._mailboxes = mailboxes
        self._aside: dict[str, _Aside] = {}

    def post(self, organization_id: str, item: Item) -> bool:
        """Queue an item, in the mailbox at once if it can be; False when there is no room."""
        aside = self._aside.get(organization_id)
        if not self._mailboxes.has_room(organization_id, besides=len(aside.items) if aside is not None else 0):
            return False
        actor = self._actor_of(organization_id)
        if actor is None or not isinstance(item, InboxRow | Hear) or actor.knows(item.call_id):
            return self._mailboxes.post(organization_id, item)
        if aside is None:
            aside = self._aside[organization_id] = _Aside()
        aside.items.append(item)
        if aside.task is None:
            aside.task = asyncio.create_task(self._look_up(organization_id, aside))
        return True

    def is_empty(self, organization_id: str) -> bool:
        return organization_id not in self._aside

    @property
    def waiting(self) -> int:
        """Items of all organizations."""
        return sum(len(aside.items) for aside in self._aside.values())

    async def settled(self, organization_ids: Collection[str], *, seconds: float) -> None:
        """Wait until nothing of these waits here or in mailboxes, but no longer than that."""
        try:
            async with asyncio.timeout(seconds):
                asides = (self._aside.get(organization_id) for organization_id in organization_ids)
                tasks = {aside.task for aside in asides if aside is not None and aside.task is not None}
                if tasks:
                    await asyncio.wait(tasks)
                await self._mailboxes.drained(organization_ids, seconds=seconds)
        except TimeoutError:
            return

    async def _look_up(self, organization_id: str, aside: _Aside) -> None:
        try:
            while aside.items:
                batch = list(islice(aside.items, LOOKED_UP))
                actor = self._actor_of(organization_id)
                if actor is not None:
                    await actor.look_up({item.call_id for item in batch if item.call_id is not None})
                for _ in batch:
                    self._mailboxes.post(organization_id, aside.items.popleft())
        except UnavailableError as away:
            # Rows stay in the inbox for the sweep; chatter is lost, as promised.
            log.warning("calls not looked up", organization_id=organization_id, reason=str(away))
        finally:
            del self._aside[organization_id]
