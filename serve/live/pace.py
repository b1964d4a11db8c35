"""How fast new sockets are let in: a storm of returning clients must not take the loop from those that are here."""

import asyncio
from typing import Final

WAIT_SECONDS: Final = 2.0


class Pace:
    """Lets so many through per second, evenly; others wait their turn, and are refused if that is far off."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1 / per_second
        self._next = 0.0

    async def admits(self) -> bool:
        """Wait for a turn. False when the wait would be longer than `WAIT_SECONDS`."""
        now = asyncio.get_running_loop().time()
        turn = max(self._next, now)
        if turn - now > WAIT_SECONDS:
            return False
        self._next = turn + self._interval
        await asyncio.sleep(turn - now)
        return True
