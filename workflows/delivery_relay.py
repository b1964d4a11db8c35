"""Takes up what Postgres holds and no workflow has yet: events, replays asked for, deliveries that were forgotten."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from storage.delivery_writing import DeliveryWriter
from storage.endpoint_events import EndpointEvents
from workflows.delivery_payloads import event_payload
from workflows.delivery_starts import DeliveryStarts
from workflows.rounds import Rounds

EVERY_SECONDS: Final = 1.0
FORGOTTEN_AFTER: Final = timedelta(minutes=2)
_FORGOTTEN_EVERY: Final = 30
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
    ) -> None:
        self._writer = writer
        self._events = events
        self._starts = starts
        self._now = now
        self._rounds = Rounds(self._look, what="deliveries", every_seconds=EVERY_SECONDS)

    @property
    def is_running(self) -> bool:
        return self._rounds.is_running

    async def run(self) -> None:
        """Look every second until cancelled. Postgres or Temporal away is waited for."""
        await self._rounds.run()

    async def _look(self, rounds: int) -> None:
        await self.take_up_events()
        await self.take_up_replays()
        if rounds % _FORGOTTEN_EVERY == 0:
            await self.take_up_forgotten()

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
