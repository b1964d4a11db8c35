"""An event loop in simulated time: it jumps to the next timer. Processes within it can be stopped at any await."""

import asyncio
from asyncio import _set_running_loop as set_running_loop  # pyright: ignore[reportPrivateUsage]  # for loops' authors
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from heapq import heappop, heappush
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
_PROCESS: ContextVar["Process | None"] = ContextVar("process", default=None)


class Process:
    """Tasks that stop together, as by SIGSTOP: between two awaits, without any clean-up. Never resumed, it is dead.

    Whatever runs in `context`, and what that starts, belongs to it.
    """

    def __init__(self) -> None:
        self.context = copy_context()
        self.context.run(_PROCESS.set, self)
        self.stopped = False
        self.slept = 0.0
        """How far its monotonic clock is behind: it stands still while a machine is suspended."""
        self.steps = self._counted_from = 0
        self.dies_at: int | None = None
        self.on_death: Callable[[], None] = lambda: None
        self.held: list[_Step] = []

    def dies_before(self, step: int, on_death: Callable[[], None]) -> None:
        """Call `on_death`, which stops it, before its step of that number from now on; 1 is the next."""
        self.dies_at, self.on_death, self._counted_from = self.steps + step, on_death, self.steps

    def dies_now(self) -> bool:
        """Whether it stops instead of taking the step that it has come to."""
        self.on_death()
        return self.stopped

    def steps_told(self) -> int:
        """How many steps it took; from now on it takes as many as it likes."""
        self.dies_at = None
        return self.steps - self._counted_from


class _Step(list[Any]):
    """A callback, its arguments and its context, waiting for its moment or ready; empty once it was cancelled.

    Thousands are made per seed: none runs a line of Python for that.
    """

    __slots__ = ()

    cancel = list[Any].clear


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs what the actors use of asyncio. Timers of one moment fire in the order the seed gives."""

    def __init__(self, random: Random) -> None:
        self._draw = random.random
        self._now = 0.0
        self._ready: deque[_Step] = deque()
        self._timers: list[tuple[float, float, _Step]] = []
        self._stopped: set[Process] = set()
        self._tasks: list[asyncio.Task[Any]] = []
        self.faults: list[dict[str, Any]] = []

    def time(self) -> float:
        """The monotonic clock of the process that asks."""
        process = _PROCESS.get()
        return self._now if process is None else self._now - process.slept

    def now(self) -> float:
        """The simulated time, whoever asks."""
        return self._now

    # It never does. Every future and every task asks, so no line of Python answers.
    get_debug = bool  # pyright: ignore[reportAssignmentType]

    def is_running(self) -> bool:
        return True

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(  # pyright: ignore[reportIncompatibleMethodOverride]  # typeshed's has a type parameter per coroutine
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[T]":
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        step = _Step((callback, args, copy_context() if context is None else context))
        self._ready.append(step)
        return step  # pyright: ignore[reportReturnType]  # what callers do with a handle is to cancel it

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        step = _Step((callback, args, copy_context() if context is None else context))
        heappush(self._timers, (self._now + delay, self._draw(), step))
        return step  # pyright: ignore[reportReturnType]  # as above

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_later(when - self.time(), callback, *args, context=context)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.faults.append(context)

    def freeze(self, process: Process) -> None:
        """Take no further step of a process."""
        process.stopped = True
        self._stopped.add(process)

    def resume(self, process: Process) -> None:
        """Let a stopped process go on: what became due meanwhile is due now."""
        process.stopped = False
        self._stopped.discard(process)
        self._ready.extend(process.held)
        process.held.clear()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run until the work is done, then end every other task, of dead processes too."""
        set_running_loop(self)
        try:
            main = self.create_task(work)
            self._run_until(main)
            for process in list(self._stopped):
                self.resume(process)
            self._run_until(self.create_task(self._end_all()))
        finally:
            set_running_loop(None)
            self._tasks.clear()
        return main.result()

    def _run_until(self, task: "asyncio.Task[Any]") -> None:
        ready, timers = self._ready, self._timers
        while not task.done():
            if not ready:
                if not timers:
                    raise RuntimeError("everything waits for something that nothing will do")
                self._now = max(self._now, timers[0][0])
            while timers and timers[0][0] <= self._now:
                ready.append(heappop(timers)[2])
            for _ in range(len(ready)):
                if not (step := ready.popleft()):
                    continue
                callback, args, context = step
                if (process := context.get(_PROCESS)) is not None:
                    if process.stopped:
                        process.held.append(step)
                        continue
                    process.steps += 1
                    if process.steps == process.dies_at and process.dies_now():
                        process.held.append(step)
                        continue
                context.run(callback, *args)

    async def _end_all(self) -> None:
        # Known here, in the order they began: asyncio's own list holds those of every loop, dead ones too.
        myself = asyncio.current_task()
        while others := [task for task in self._tasks if not task.done() and task is not myself]:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
