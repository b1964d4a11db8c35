"""One organization's turn: a batch taken in or a check made; a fault of the code in one row is kept to itself."""

from collections.abc import Sequence

import structlog

from actors.backoff import Backoff
from actors.domain.admission import UNCHECKED
from actors.domain.commands import InboxRow
from actors.effect_runner import EffectRunner
from actors.feed_publisher import FeedPublisher
from actors.organization_actor import Item, OrganizationActor
from actors.ports import Clock, PendingEffect, PortError
from actors.requests import Requests

log = structlog.get_logger(__name__)


class Rounds:
    """Of one shard; one organization's turns never overlap. Both raise StaleOwnerError, UnavailableError."""

    def __init__(self, *, clock: Clock, effects: EffectRunner, publisher: FeedPublisher, requests: Requests) -> None:
        self.failed_rows: Backoff[int] = Backoff()
        self.applied = 0
        self.repairs = 0
        self.lag_ms = 0
        self._clock = clock
        self._effects = effects
        self._publisher = publisher
        self._requests = requests

    async def take_in(self, actor: OrganizationActor, items: Sequence[Item]) -> None:
        """Have the actor process a batch. A row that it cannot take in is set aside and tried again with backoff."""
        now = self._clock.now()
        items = [item for item in items if not isinstance(item, InboxRow) or self.failed_rows.is_due(item.id, now)]
        try:
            effects = await actor.process(items)
        except PortError:
            raise
        except Exception:
            # A fault of the code, found before anything was written. One row must not hold up its organization.
            if len(items) > 1:
                for item in items:
                    await self.take_in(actor, [item])
                return
            rows = [item.id for item in items if isinstance(item, InboxRow)]
            log.exception("a row cannot be taken in", rows=rows)
            for row_id in rows:
                self.failed_rows.failed(row_id, now)
            return
        self._taken_in(actor, [item for item in items if isinstance(item, InboxRow)])
        self._effects.offer(
            [PendingEffect(organization_id=actor.organization_id, effect=effect, attempts=0) for effect in effects]
        )

    async def check(self, actor: OrganizationActor) -> None:
        """Hold memory against Postgres, and tell loudly of what had to be repaired."""
        try:
            repaired = await actor.check()
        except PortError:
            raise
        except Exception:
            log.exception("a check failed", organization_id=actor.organization_id)
            return
        self._publisher.wake(actor)
        if repaired:
            self.repairs += repaired
            log.error("memory and Postgres differed", organization_id=actor.organization_id, repaired=repaired)

    def _taken_in(self, actor: OrganizationActor, rows: Sequence[InboxRow]) -> None:
        self._publisher.wake(actor)
        for row in rows:
            if row.id in self._requests:
                call = actor.state.calls.get(row.call_id or "")
                self._requests.tell(row.id, (call and call.admission) or row.outcome or UNCHECKED)
        self.applied += len(rows)
        if rows:
            self.lag_ms = self._clock.now() - rows[0].received_at
        if len(self.failed_rows):
            for row in rows:
                self.failed_rows.succeeded(row.id)
