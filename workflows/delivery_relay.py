"""Takes up what Postgres holds and no workflow has yet: events, replays asked for, deliveries that were forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from actors.ports import UnavailableError
from storage.delivery_writing import DeliveryWriter
from storage.endpoint_events import EndpointEvents
from workflows.delivery_payloads import event_payload
from workflows.delivery_starts import DeliveryStarts

_log = structlog.get_logger(__name__)

EVERY_SECONDS: Final = 1.0
FORGOTTEN_AFTER: Final = timedelta(minutes=2)
_FORGOTTEN_EVERY: Final = 30
_AWAY_SECONDS: Final = 5.0
_AT_ONCE: Final = 100


class DeliveryRelay:
    """Any number of processes may run one: to start a workflow twice is to start it once.

    A delivery is forgotten when Temporal lost its workflow, or nobody could reach Temporal when it was written.
    """

    def __init__(
        self,
        writer: DeliveryWriter,
        events: EndpointEvents,
        starts: DeliveryStarts,
        *,
        now: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._writer = writer
        self._events = events
        self._starts = starts
        self._now = now
        self._pause = pause
        self._running = False

    @property
    def is_running(self) -> bool:
        return self._running

    async def run(self) -> None:
        """Look every second until cancelled. Postgres or Temporal away is waited for."""
        rounds, self._running = 0, True
        while True:
            pause = EVERY_SECONDS
            try:
                await self.take_up_events()
                await self.take_up_replays()
                if rounds % _FORGOTTEN_EVERY == 0:
                    await self.take_up_forgotten()
                rounds += 1
            except UnavailableError as away:
                _log.warning("the relay of deliveries waits", reason=str(away))
                pause = _AWAY_SECONDS
            except Exception:  # noqa: BLE001 - it must not keep the workers of this process from their work
                _log.exception("the relay of deliveries failed")
                pause = _AWAY_SECONDS
            await self._pause(pause)

    async def take_up_events(self) -> None:
        """Have endpoints told of what happened, until nothing is left to tell."""
        while True:
            page = await self._events.take_up(payload_of=event_payload, limit=_AT_ONCE)
            # What cannot be started now is written, and taken up as forgotten.
            await self._starts.start(page.waiting)
            if page.size < _AT_ONCE:
                return

    async def take_up_replays(self) -> None:
        """Have every replay carried out that waits for it."""
        for organization_id, replay_id in await self._writer.pending_replays(limit=_AT_ONCE):
            await self._starts.start_replay(organization_id, replay_id)

    async def take_up_forgotten(self) -> None:
        """Have deliveries sent that are overdue: one whose workflow runs is none the wiser."""
        due_before = self._now() - FORGOTTEN_AFTER
        await self._starts.start(await self._writer.forgotten(due_before=due_before, limit=_AT_ONCE))
