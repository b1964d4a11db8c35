"""Sends deliveries at their times, answered or not, and tells the simulated vendor what becomes of its calls."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import httpx
import orjson

from serve.simulator.bodies import Object, body_of, call_record
from serve.simulator.ledger import Ledger
from serve.simulator.mischief import Delivery
from serve.simulator.schedule import Schedule
from serve.simulator.target import Target

ANSWER_SECONDS: Final = 20.0
"""VAPI's own default: later answers are lost to it."""
_IN_FLIGHT: Final = 256
_REGISTERED_AT_ONCE: Final = 100
_REGISTER_SECONDS: Final = 0.5
_COMMANDS_SECONDS: Final = 0.3


class Sender:
    """Sends webhooks as VAPI does: signed, at their time, each once."""

    def __init__(self, http: httpx.AsyncClient, target: Target, ledger: Ledger, *, sent: Callable[[], None]) -> None:
        self._http = http
        self._target = target
        self._ledger = ledger
        self._sent = sent
        self._headers = {"Content-Type": "application/json", "x-vapi-secret": target.vapi_secret}
        self._files_url = f"{target.base_url}/simulator/vapi/recordings"

    async def run(self, schedule: Schedule) -> None:
        """Send all of it; returns when the last is answered, or was given up after ANSWER_SECONDS."""
        free = asyncio.Semaphore(_IN_FLIGHT)
        async with asyncio.TaskGroup() as tasks:
            async for delivery in schedule.due():
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

    async def run(self, schedule: Schedule) -> None:
        """Register every change at its time. Raises httpx.HTTPError when there is no simulator to tell."""
        told = dict.fromkeys(schedule.calls, -1)
        while told:
            now = time.time() * 1000
            due: list[Object] = []
            for call_id in list(told):
                call = schedule.calls[call_id]
                changes = (0, call.answered_at, call.ended_at)
                at = max((each for each in changes if each is not None and call.wall_ms(each) <= now), default=-1)
                if at > told[call_id] and len(due) < _REGISTERED_AT_ONCE:
                    due.append(call_record(call, at, files_url=self._files_url))
                    told[call_id] = at
                    if at >= call.ended_at:
                        del told[call_id]
            if due:
                await self._register(due)
            await asyncio.sleep(_REGISTER_SECONDS)

    async def _register(self, records: list[Object]) -> None:
        response = await self._http.put(
            f"{self._target.base_url}/simulator/calls",
            content=orjson.dumps({"calls": records}),
            headers={**self._target.authorization, "Content-Type": "application/json"},
            timeout=10.0,
        )
        response.raise_for_status()


class Commands:
    """Asks the simulated vendor for the commands that came for our calls, and changes the calls by them."""

    def __init__(self, http: httpx.AsyncClient, target: Target, schedule: Schedule) -> None:
        self._http = http
        self._target = target
        self._schedule = schedule
        self._after = "0"

    async def run(self) -> None:
        """Until cancelled; an answer that does not come is asked for again."""
        while True:
            with suppress(httpx.HTTPError):
                await self._ask()
            await asyncio.sleep(_COMMANDS_SECONDS)

    async def _ask(self) -> None:
        response = await self._http.get(
            f"{self._target.base_url}/simulator/commands",
            params={"after": self._after},
            headers=self._target.authorization,
            timeout=10.0,
        )
        response.raise_for_status()
        told = response.json()
        self._after = told["position"]
        for each in told["commands"]:
            self._schedule.command(each["call_id"], each["command"], now_ms=round(time.time() * 1000))
