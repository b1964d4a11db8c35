"""Which shard owns which slot, as last read from Postgres; read again only when somebody finds it wrong."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from actors.backoff import spread
from actors.ports import Ownership, UnavailableError
from actors.slots import slot_of

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LAST_PAUSE_SECONDS = 1.0


class OwnerMap:
    """`run` must be running; whoever starts it ends it by cancelling. `draw` (0 to 1) spreads what many ask."""

    def __init__(self, ownership: Ownership, draw: Callable[[], float]) -> None:
        self._ownership = ownership
        self._draw = draw
        self._owners: Mapping[int, str] = {}
        self._asked = asyncio.Event()
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def owner(self, organization_id: str) -> str | None:
        """The shard that owns the organization, or None when nobody is known to."""
        return self._owners.get(slot_of(organization_id))

    def refresh(self) -> None:
        """Have the map read again soon, however often this is called."""
        self._asked.set()

    async def refreshed(self) -> None:
        """Wait for a read that begins after this call, whether it succeeds or not."""
        self._asked.set()
        await asyncio.shield(self._answer)

    async def run(self) -> None:
        """Read when asked, no more often than every 50 to 100 ms, and more slowly while Postgres is away."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._asked.wait()
            self._asked.clear()
            answer, self._answer = self._answer, asyncio.get_running_loop().create_future()
            try:
                self._owners = await self._ownership.owners()
                pause = FIRST_PAUSE_SECONDS
            except UnavailableError as away:
                log.warning("owners unknown", reason=str(away))
                pause = min(pause * 2, LAST_PAUSE_SECONDS)
            except Exception:
                # Nobody else reads the map: it goes on being what it was, and whoever waits is answered.
                log.exception("owners cannot be read")
                pause = LAST_PAUSE_SECONDS
            finally:
                answer.set_result(None)
            await asyncio.sleep(spread(pause, self._draw))
