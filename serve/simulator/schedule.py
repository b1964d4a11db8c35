"""What is still to be sent of simulated calls, and what a command for one of them makes of it. No I/O."""

import asyncio
import heapq
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from serve.simulator.conducting import BadCommandError, commanded
from serve.simulator.mischief import Delivery
from serve.simulator.script import ScriptedCall, TimedMessage

_ENDINGS: Final = ("end-of-call-report", "ended")


class Schedule:
    """Deliveries at their times, and the calls as they are by now. Used within one event loop."""

    def __init__(self, calls: Sequence[ScriptedCall], deliveries: Iterable[Delivery]) -> None:
        self.calls: dict[str, ScriptedCall] = {call.call_id: call for call in calls}
        self._waiting = [(_place(each), each) for each in deliveries]
        heapq.heapify(self._waiting)
        self._changed = asyncio.Event()
        self._over: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    async def due(self) -> AsyncGenerator[Delivery]:
        """Each delivery when its time has come; ends when none is left."""
        while self._waiting:
            self._changed.clear()
            wait = self._waiting[0][1].send_at / 1000 - time.time()
            if wait > 0:
                try:
                    async with asyncio.timeout(wait):
                        await self._changed.wait()
                except TimeoutError:
                    pass
                continue
            delivery = heapq.heappop(self._waiting)[1]
            if _kind(delivery) in _ENDINGS:
                self._over.add(delivery.call.call_id)
            yield delivery

    def command(self, call_id: str, command: Mapping[str, Any], *, now_ms: int) -> int:
        """Change the rest of a call; how many more deliveries there are by it.

        What no longer happens is not sent, what newly does is sent at its time and once. A call that has told its end,
        and a command that VAPI would refuse, change nothing.
        """
        call = self.calls.get(call_id)
        if call is None or call_id in self._over:
            return 0
        at = round((now_ms - call.starts_at) * call.speed)
        if not 0 < at < call.ended_at:
            return 0
        try:
            changed = commanded(call, command, at=at)
        except BadCommandError:
            return 0
        before = len(self._waiting)
        old, new = set(map(_message, call.messages)), set(map(_message, changed.messages))
        kept = [
            each if each.call.call_id != call_id else replace(each, call=changed)
            for _, each in self._waiting
            if each.call.call_id != call_id or _message(each.message) in new
        ]
        kept += [
            Delivery(call=changed, message=message, send_at=changed.wall_ms(message.at))
            for message in changed.messages
            if _message(message) not in old
        ]
        self.calls[call_id] = changed
        self._waiting = [(_place(each), each) for each in kept]
        heapq.heapify(self._waiting)
        self._changed.set()
        return len(self._waiting) - before


def _place(delivery: Delivery) -> tuple[int, str, str, int, int]:
    message = delivery.message
    return (delivery.send_at, delivery.call.call_id, message.type, message.at, delivery.number)


def _message(message: TimedMessage) -> tuple[str, int]:
    return message.type, message.at


def _kind(delivery: Delivery) -> str:
    is_end = delivery.message.content.get("status") == "ended"
    return "ended" if is_end else delivery.message.type
