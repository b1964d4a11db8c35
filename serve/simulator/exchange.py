"""The simulated provider's own calls: placed by `POST /call`, told by signed webhooks, changed by commands."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
import structlog

from actors.domain.json_types import JSON
from serve.simulator.bodies import Object, body_of, call_record
from serve.simulator.calls import answered_call
from serve.simulator.conducting import commanded
from serve.simulator.script import ScriptedCall, TimedMessage
from storage.organizations import Reception
from storage.simulator_store import SimulatorStore
from workflows.vendors.tls import tls_context

CONCURRENCY: Final = 10
"""Of the account, as VAPI's smallest plan has it."""

_SEND_SECONDS: Final = 20.0
_TALK_SECONDS: Final = 60.0

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class _Going:
    """A call on its way. `sent` are the messages told so far."""

    organization_id: str
    name: str | None
    call: ScriptedCall
    secret: str
    sent: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def next_message(self) -> TimedMessage | None:
        untold = (each for each in self.call.messages if (each.type, each.at) not in self.sent)
        return min(untold, key=lambda each: each.at, default=None)

    @property
    def now(self) -> int:
        """Milliseconds since the call was made, on its clock."""
        return round((time.time() * 1000 - self.call.starts_at) * self.call.speed)

    @property
    def is_over(self) -> bool:
        return self.now >= self.call.ended_at


class Exchange:
    """Conducts calls in this process; one that ends takes its calls with it. Used within a running event loop."""

    def __init__(
        self,
        store: SimulatorStore,
        *,
        reception: Callable[[str], Awaitable[Reception | None]],
        base_url: str,
        random: Random,
    ) -> None:
        self._store = store
        self._reception = reception
        self._base_url = base_url.rstrip("/")
        self._random = random
        self._http = httpx.AsyncClient(verify=tls_context(), timeout=_SEND_SECONDS, trust_env=False)
        self._going: dict[str, _Going] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Leave every call as it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    async def place(self, asked: dict[str, Any]) -> Object | None:
        """Begin a call; answers its record, or None when nobody has the number it is to be placed from."""
        number = await self._store.number(str(asked["phoneNumberId"]))
        reception = await self._reception(number.organization_id) if number is not None else None
        if number is None or reception is None or not reception.secrets:
            return None
        customer = asked["customer"]
        call = answered_call(
            self._random,
            starts_at=round(time.time() * 1000),
            talk_seconds=_TALK_SECONDS,
            phone_number_id=str(asked["phoneNumberId"]),
            our_number=number.number,
            customer_number=str(customer["number"]),
            customer_name=str(customer.get("name") or "Customer"),
            assistant_id=asked.get("assistantId"),
            control_base=f"{self._base_url}/simulator/vapi/call",
        )
        name = asked.get("name")
        going = _Going(
            organization_id=number.organization_id,
            name=name if isinstance(name, str) else None,
            call=call,
            secret=reception.secrets[0].decode(),
        )
        self._going[call.call_id] = going
        await self._register(going, at=0)
        task = asyncio.create_task(self._conduct(going))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        held = len(self._going)
        limits: JSON = {
            "concurrencyBlocked": held > CONCURRENCY,
            "concurrencyLimit": CONCURRENCY,
            "remainingConcurrentCalls": max(0, CONCURRENCY - held),
        }
        return {**self._record(going, 0), "subscriptionLimits": limits}

    async def command(self, call_id: str, command: Any) -> bool | None:
        """Change a call that goes on; False when it is over, None when it is not conducted here.

        Raises BadCommandError.
        """
        going = self._going.get(call_id)
        if going is None:
            return None
        if going.is_over:
            return False
        going.call = commanded(going.call, command, at=max(going.now, 1))
        going.changed.set()
        return True

    async def _conduct(self, going: _Going) -> None:
        try:
            while (message := going.next_message()) is not None:
                going.changed.clear()
                wait = going.call.wall_ms(message.at) / 1000 - time.time()
                if wait > 0:
                    try:
                        async with asyncio.timeout(wait):
                            await going.changed.wait()
                        continue
                    except TimeoutError:
                        pass
                going.sent.add((message.type, message.at))
                if message.type == "status-update":
                    await self._register(going, at=message.at)
                await self._send(going, message)
        except Exception:
            log.exception("a simulated call ends untold", call_id=going.call.call_id)
        finally:
            self._going.pop(going.call.call_id, None)

    async def _send(self, going: _Going, message: TimedMessage) -> None:
        body = body_of(going.call, message, files_url=f"{self._base_url}/simulator/vapi/recordings")
        url = f"{self._base_url}/webhooks/vapi/{going.organization_id}"
        headers = {"content-type": "application/json", "x-vapi-secret": going.secret}
        try:
            await self._http.post(url, content=body, headers=headers)
        except httpx.HTTPError as failed:
            # VAPI does not retry by default.
            log.warning("a simulated webhook was not taken", type=message.type, reason=type(failed).__name__)

    async def _register(self, going: _Going, *, at: int) -> None:
        call = going.call
        updated_at = call.began_at + at
        await self._store.put_calls(going.organization_id, {call.call_id: (updated_at, self._record(going, at))})

    def _record(self, going: _Going, at: int) -> Object:
        record = call_record(going.call, at, files_url=f"{self._base_url}/simulator/vapi/recordings")
        return {**record, "name": going.name} if going.name is not None else record
