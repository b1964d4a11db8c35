"""Looks at Postgres again and again for what nobody takes up else, as part of a process of workers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from actors.ports import UnavailableError

_log = structlog.get_logger(__name__)

_AWAY_SECONDS: Final = 5.0

Pause = Callable[[float], Awaitable[None]]


class Rounds:
    """One round after another, with a pause of `every_seconds` between them; `what` is looked for names it in the log.

    `look` is told how many rounds came through before. One that fails is made again, as the same, five seconds later:
    Postgres or Temporal away is waited for, and no fault ends them.
    """

    def __init__(
        self,
        look: Callable[[int], Awaitable[None]],
        *,
        what: str,
        every_seconds: float,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._look = look
        self._what = what
        self._every_seconds = every_seconds
        self._pause = pause
        self._running = False

    @property
    def is_running(self) -> bool:
        return self._running

    async def run(self) -> None:
        """Until cancelled."""
        rounds, self._running = 0, True
        while True:
            pause = self._every_seconds
            try:
                await self._look(rounds)
                rounds += 1
            except UnavailableError as away:
                _log.warning("what is to be taken up waits", what=self._what, reason=str(away))
                pause = _AWAY_SECONDS
            except Exception:  # noqa: BLE001 - it must not keep the workers of this process from their work
                _log.exception("nothing can be taken up", what=self._what)
                pause = _AWAY_SECONDS
            await self._pause(pause)
