"""Sends deliveries at their times, answered or not, and tells the simulated vendor what becomes of its calls."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import httpx
import orjson

from serve.simulator.bodies import Object, body_of, call_record
from serve.simulator.ledger import Ledger
from serve.simulator.mischief import Delivery
from serve.simulator.script import ScriptedCall
from serve.simulator.target import Target

ANSWER_SECONDS: Final = 20.0
"""VAPI's own default: later answers are lost to it."""
_IN_FLIGHT: Final = 256
_REGISTERED_AT_ONCE: Final = 100
_REGISTER_SECONDS: Final = 0.5


class Sender:
    """Sends webhooks as VAPI does: signed, at their time, each once."""

    def __init__(self, http: httpx.AsyncClient, target: Target, ledger: Ledger, *, sent: Callable[[], None]) -> None:
        self._http = http
        self._target = target
        self._ledger = ledger
        self._sent = sent
        self._headers = {"Content-Type": "application/json", "x-vapi-secret": target.vapi_secret}
        self._files_url = f"{target.base_url}/simulator/vapi/recordings"

    async def run(self, deliveries: Iterable[Delivery]) -> None:
        """Send all of them; returns when the last is answered, or was given up after ANSWER_SECONDS."""
        free = asyncio.Semaphore(_IN_FLIGHT)
        async with asyncio.TaskGroup() as tasks:
            for delivery in deliveries:
                await asyncio.sleep(max(0.0, delivery.send_at / 1000 - time.time()))
                await free.acquire()
                self._ledger.sending(delivery, time.monotonic())
                tasks.create_task(self._send(delivery)).add_done_callback(lambda _task: free.release())

    async def _send(self, delivery: Delivery) -> None:
        body = body_of(delivery.call, delivery.message, delivery=delivery.number, files_url=self._files_url)
        try:
            response = await self._http.post(
                self._target.webhook_url, content=body, headers=self._headers, timeout=ANSWER_SECONDS
            )
            answer = str(response.status_code)
        except httpx.HTTPError as failed:
            answer = type(failed).__name__
        self._ledger.answered(delivery, answer, time.monotonic())
        self._sent()


class Registrar:
    """Tells the simulated vendor each call's state as it changes, so that it can be asked what we were not told."""

    def __init__(self, http: httpx.AsyncClient, target: Target) -> None:
        self._http = http
        self._target = target
        self._files_url = f"{target.base_url}/simulator/vapi/recordings"

    async def run(self, calls: Sequence[ScriptedCall]) -> None:
        """Register every change at its time. Raises httpx.HTTPError when there is no simulator to tell."""
        changes = sorted(
            (
                (call.wall_ms(at), at, call)
                for call in calls
                for at in (0, call.answered_at, call.ended_at)
                if at is not None
            ),
            key=lambda change: change[0],
        )
        while changes:
            now = time.time() * 1000
            due = [change for change in changes if change[0] <= now][:_REGISTERED_AT_ONCE]
            if not due:
                await asyncio.sleep(min(_REGISTER_SECONDS, max(0.0, (changes[0][0] - now) / 1000)))
                continue
            changes = changes[len(due) :]
            # Later changes of the same call replace earlier ones.
            records = {call.call_id: call_record(call, at, files_url=self._files_url) for _, at, call in due}
            await self._register(list(records.values()))
            await asyncio.sleep(_REGISTER_SECONDS)

    async def _register(self, records: list[Object]) -> None:
        response = await self._http.put(
            f"{self._target.base_url}/simulator/calls",
            content=orjson.dumps({"calls": records}),
            headers={**self._target.authorization, "Content-Type": "application/json"},
            timeout=10.0,
        )
        response.raise_for_status()
