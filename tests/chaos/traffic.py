"""Steady webhooks from a thread, as VAPI sends them with a backoff plan: what is refused is sent again later."""

import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event, Thread
from typing import Any, Self

import httpx

from serve.simulator.bodies import body_of
from serve.simulator.script import ScriptedCall, expected
from tests.e2e.product import Product
from tests.e2e.scripts import LIFECYCLE, register, scripted

ANSWER_SECONDS = 6.0


@dataclass
class Traffic:
    """Sends the calls of `seed`, one message each `pause` seconds, round robin over the calls."""

    product: Product
    seed: int
    calls: int = 12
    pause: float = 0.03
    answers: Counter[int] = field(default_factory=Counter[int])
    unanswered: int = 0
    refused: list[bytes] = field(default_factory=list[bytes])
    _stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.script: list[ScriptedCall] = scripted(self.seed, self.calls)
        register(self.product, self.script)
        longest = max(len(call.messages) for call in self.script)
        self._bodies = [
            body_of(call, call.messages[place])
            for place in range(longest)
            for call in self.script
            if place < len(call.messages) and call.messages[place].type in LIFECYCLE
        ]
        self._thread = Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        # Spread over the whole disturbance, however long it takes: the rest is sent at the end.
        remaining = list(self._bodies)
        while remaining and not self._stop.is_set():
            self._send(remaining.pop(0))
            self._stop.wait(self.pause)
        self.refused.extend(remaining)

    def _send(self, body: bytes) -> None:
        try:
            answer = self.product.http.post(
                f"{self.product.base_url}/webhooks/vapi/{self.product.organization_id}",
                content=body,
                headers={"x-vapi-secret": self.product.vapi_secret},
                timeout=ANSWER_SECONDS,
            )
        except httpx.HTTPError:
            self.unanswered += 1
            self.refused.append(body)
            return
        self.answers[answer.status_code] += 1
        if answer.status_code != HTTPStatus.OK:
            self.refused.append(body)

    def finish(self, *, seconds: float = 90) -> None:
        """Send again what was refused, then hold every call against its script."""
        deadline = time.monotonic() + seconds
        while self.refused and time.monotonic() < deadline:
            again, self.refused = self.refused, []
            for body in again:
                self._send(body)
        assert not self.refused, f"still refused: {len(self.refused)}"
        for call in self.script:
            self._hold(call, seconds=max(10.0, deadline - time.monotonic()))

    def _hold(self, call: ScriptedCall, *, seconds: float) -> None:
        truth = expected(call)

        def settled(each: dict[str, Any]) -> bool:
            # A row whose hint was lost is swept up within 2 s, perhaps after the report was processed.
            told = (each["hangs"], each["tool_calls"])
            return each["processed_at"] is not None and told == (truth.hangs, truth.tool_calls)

        found = self.product.call_when(call.call_id, settled, seconds=seconds)
        assert found["status"] == truth.status
        assert found["ended_reason"] == truth.ended_reason
        assert found["duration_seconds"] == (truth.duration_ms or 0) / 1000
        assert found["transcript"] == truth.transcript
        assert found["tool_calls"] == truth.tool_calls
        assert found["hangs"] == truth.hangs
        told = [entry for entry in found["timeline"] if entry["provider"] == "vapi" and entry["type"] != "call-seen"]
        sent = [message for message in call.messages if message.type in LIFECYCLE]
        assert len(told) == len(sent), "every message once, none lost"

    def last(self, seconds: float) -> None:
        """Let the traffic go on for that long."""
        self._stop.wait(seconds)
