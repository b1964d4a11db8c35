"""When commits were slow for everyone: a door that answers within two seconds has to refuse then, whoever died."""

import asyncio
import time
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Self

import asyncpg

SLOW_SECONDS = 0.5
"""A hundred times as long as a commit takes. The door waits 1.8 s, and perhaps for the commit before its own."""
PAUSE_SECONDS = 0.1
LONGEST_SECONDS = 60.0
COMMIT = "select pg_logical_emit_message(true, 'tests', '')"
"""Changes nothing, and is on disk when it is answered, as a row is."""


@dataclass
class SlowCommits:
    """Within it a client of Postgres' own commits again and again."""

    database_url: str
    slow: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    _stop: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        self._thread = Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def had_one(self, began: float, ended: float) -> bool:
        """Whether a slow commit lay, if only in part, between two moments of the monotonic clock."""
        return any(start < ended and began < end for start, end in self.slow)

    async def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                connection = await asyncpg.connect(self.database_url, timeout=LONGEST_SECONDS)
                try:
                    while not self._stop.is_set():
                        began = time.monotonic()
                        await connection.execute(COMMIT, timeout=LONGEST_SECONDS)
                        self._note(began)
                        await asyncio.sleep(PAUSE_SECONDS)
                finally:
                    connection.terminate()
            # A server that dies while it is connected to leaves the driver in a state of which it speaks so.
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                await asyncio.sleep(PAUSE_SECONDS)
                self._note(began)

    def _note(self, began: float) -> None:
        if (ended := time.monotonic()) - began >= SLOW_SECONDS:
            self.slow.append((began, ended))
