"""Empties the actors' feeds into Redis, one task per actor, off the way of the mailboxes."""

import asyncio
from collections.abc import Callable

import structlog

from actors.organization_actor import OrganizationActor
from actors.ports import StaleOwnerError, UnavailableError

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5


class FeedPublisher:
    """Publishes in order: an actor has at most one task, so no entry overtakes another.

    While Redis is away it tries again and the actor's buffer gives way. `is_current` ends the work for an actor that
    was dropped; `on_stale` is told when the stream already holds a newer owner's entries.
    """

    def __init__(
        self, *, is_current: Callable[[OrganizationActor], bool], on_stale: Callable[[OrganizationActor], None]
    ) -> None:
        self._is_current = is_current
        self._on_stale = on_stale
        self._tasks: dict[OrganizationActor, asyncio.Task[None]] = {}

    def wake(self, actor: OrganizationActor) -> None:
        """Publish what waits, soon."""
        if actor.feed and actor not in self._tasks:
            self._tasks[actor] = asyncio.create_task(self._empty(actor))

    async def finish(self, actor: OrganizationActor) -> None:
        """Stop publishing for the actor after one more try. What is left unpublished is a hole that readers see."""
        task = self._tasks.get(actor)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            self._tasks.pop(actor, None)
        try:
            await actor.feed.publish()
        except StaleOwnerError:
            self._on_stale(actor)
        except UnavailableError as away:
            log.warning("entries left unpublished", organization_id=actor.organization_id, reason=str(away))

    async def _empty(self, actor: OrganizationActor) -> None:
        try:
            while actor.feed and self._is_current(actor):
                try:
                    await actor.feed.publish()
                except UnavailableError as away:
                    log.debug("redis is away", organization_id=actor.organization_id, reason=str(away))
                    await asyncio.sleep(RETRY_SECONDS)
        except StaleOwnerError:
            self._on_stale(actor)
        finally:
            # In the same step as the last look at the feed: an entry announced from now on starts a new task.
            self._tasks.pop(actor, None)
