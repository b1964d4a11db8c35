"""Copies of what Postgres holds, young while it answers and kept a while when it does not."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from storage.errors import StorageUnavailableError

Value = TypeVar("Value")

_RETRY_SECONDS = 1.0


@dataclass(slots=True, kw_only=True)
class _Copy(Generic[Value]):
    value: Value
    loaded_at: float
    fresh_until: float


class RecentCopies(Generic[Value]):
    """A bounded cache in front of `load`; one load per key at a time.

    A copy is served for `fresh_seconds`. After that it is loaded again, and only when that fails, or takes longer than
    `load_seconds`, served on until `stale_seconds` after it was loaded. The least recently used copies go first.

    Keys that stand for nothing (None) cannot crowd out those that do: their copies are kept apart, `size_of_nothing`
    of them, and of keys not known to stand for something `first_loads` are loaded at once, `first_loads_waiting` wait.
    """

    def __init__(
        self,
        load: Callable[[str], Awaitable[Value | None]],
        *,
        size: int,
        size_of_nothing: int,
        first_loads: int,
        first_loads_waiting: int,
        fresh_seconds: float,
        stale_seconds: float,
        load_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load = load
        self._size = size
        self._size_of_nothing = size_of_nothing
        self._first_loads = asyncio.Semaphore(first_loads)
        self._most_first_loads = first_loads + first_loads_waiting
        self._first_loading = 0
        self._fresh_seconds = fresh_seconds
        self._stale_seconds = stale_seconds
        self._load_seconds = load_seconds
        self._clock = clock
        self._copies: OrderedDict[str, _Copy[Value]] = OrderedDict()
        self._nothing: OrderedDict[str, _Copy[None]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Value | None]] = {}

    async def get(self, key: str) -> Value | None:
        """The value, at most `fresh_seconds` old while Postgres answers; None for nothing.

        Raises StorageUnavailableError, at once when too many unknown keys are asked for.
        """
        copy = self._copy(key)
        if copy is not None and self._clock() < copy.fresh_until:
            return copy.value
        try:
            async with asyncio.timeout(self._load_seconds):
                return await asyncio.shield(self._load_once(key))
        except (StorageUnavailableError, TimeoutError) as away:
            now = self._clock()
            if copy is None or now - copy.loaded_at > self._stale_seconds:
                raise StorageUnavailableError("Postgres does not answer, and there is no copy") from away
            copy.fresh_until = now + _RETRY_SECONDS
            return copy.value

    def _copy(self, key: str) -> _Copy[Value] | _Copy[None] | None:
        copy = self._copies.get(key)
        if copy is not None:
            self._copies.move_to_end(key)
            return copy
        return self._nothing.get(key)

    def _load_once(self, key: str) -> asyncio.Task[Value | None]:
        task = self._loading.get(key)
        if task is None:
            known = key in self._copies
            task = asyncio.create_task(self._load_and_keep(key)) if known else self._load_first(key)
            self._loading[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return task

    def _load_first(self, key: str) -> asyncio.Task[Value | None]:
        if self._first_loading >= self._most_first_loads:
            raise StorageUnavailableError(f"{self._first_loading} unknown keys are being looked up already")

        async def load() -> Value | None:
            async with self._first_loads:
                return await self._load_and_keep(key)

        def end(_: asyncio.Task[Value | None]) -> None:
            self._first_loading -= 1

        self._first_loading += 1
        task = asyncio.create_task(load())
        task.add_done_callback(end)
        return task

    async def _load_and_keep(self, key: str) -> Value | None:
        value = await self._load(key)
        now = self._clock()
        fresh_until = now + self._fresh_seconds
        self._copies.pop(key, None)
        self._nothing.pop(key, None)
        if value is None:
            self._nothing[key] = _Copy(value=None, loaded_at=now, fresh_until=fresh_until)
            if len(self._nothing) > self._size_of_nothing:
                self._nothing.popitem(last=False)
        else:
            self._copies[key] = _Copy(value=value, loaded_at=now, fresh_until=fresh_until)
            if len(self._copies) > self._size:
                self._copies.popitem(last=False)
        return value

    def _forget(self, key: str, done: asyncio.Task[Value | None]) -> None:
        del self._loading[key]
        # Whoever waited has it; when all of them gave up, nobody else will look at it.
        if not done.cancelled():
            done.exception()

    async def close(self) -> None:
        """End loads under way."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
