"""Steady webhooks from a thread, as VAPI sends them with a backoff plan: what is refused is sent again later."""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event, Thread
from typing import Any, Self

import httpx

from serve.simulator.bodies import body_of
from serve.simulator.script import ScriptedCall, expected
from tests.chaos.slow_commits import SlowCommits
from tests.e2e.product import Product, eventually
from tests.e2e.scripts import LIFECYCLE, register, scripted
from tests.running_stack import RunningStack

ANSWER_SECONDS = 15.0
HELD_SECONDS = 60.0
FURTHER_SEEDS = 1_000
"""Between the seeds of one batch of calls and the next."""


@dataclass
class Traffic:
    """Sends the calls of `seed`, one message each `pause` seconds, round robin over the calls.

    When they are told, as many others follow: a disturbance may take its time, and traffic outlasts it.
    """

    stack: RunningStack
    product: Product
    seed: int
    calls: int = 12
    pause: float = 0.03
    answers: Counter[int] = field(default_factory=Counter[int])
    problems: Counter[str] = field(default_factory=Counter[str])
    """What was said with answers other than 200."""
    unavailable: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When each request began and ended that was answered with 503, by the monotonic clock."""
    unanswered: int = 0
    refused: list[bytes] = field(default_factory=list[bytes])
    _stop: Event = field(default_factory=Event)

    def __post_init__(self) -> None:
        self.script: list[ScriptedCall] = []
        self._seed = self.seed
        self._bodies = self._further()
        self._thread = Thread(target=self._run)
        self._commits = SlowCommits(self.stack.setting("DATABASE_URL"))

    def __enter__(self) -> Self:
        self._commits.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._commits.__exit__()

    def _run(self) -> None:
        # Spread over the whole disturbance, however long it takes: the rest is sent at the end.
        remaining = self._bodies
        while not self._stop.is_set():
            if remaining:
                self._send(remaining.pop(0))
            else:
                with suppress(httpx.HTTPError):  # the simulated provider may be away, too
                    remaining = self._further()
            self._stop.wait(self.pause)
        self.refused.extend(remaining)

    def _further(self) -> list[bytes]:
        """Script calls that are in no other batch, and make the provider know them. Raises httpx.HTTPError."""
        script = scripted(self._seed, self.calls)
        register(self.product, script)
        self.script.extend(script)
        self._seed += FURTHER_SEEDS
        longest = max(len(call.messages) for call in script)
        return [
            body_of(call, call.messages[place])
            for place in range(longest)
            for call in script
            if place < len(call.messages) and call.messages[place].type in LIFECYCLE
        ]

    def _send(self, body: bytes) -> None:
        began = time.monotonic()
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
            self.problems[answer.text[:300]] += 1
            if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                self.unavailable.append((began, time.monotonic()))
            self.refused.append(body)

    def finish(self, *, seconds: float = 240) -> None:
        """Send again what was refused, then hold every call against its script."""
        deadline = time.monotonic() + seconds
        while self.refused and time.monotonic() < deadline:
            again, self.refused = self.refused, []
            for body in again:
                self._send(body)
        assert not self.refused, f"still refused: {len(self.refused)}"
        for call in self.script:
            self._hold(call, seconds=max(HELD_SECONDS, deadline - time.monotonic()))

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

    def acknowledged(self, count: int) -> None:
        """Wait until so many messages more were acknowledged."""
        goal = self.answers[HTTPStatus.OK] + count
        eventually(lambda: self.answers[HTTPStatus.OK] >= goal or None, what=lambda: f"{self.answers} {self.problems}")

    def assert_undisturbed(self) -> None:
        """Every request was answered, and acknowledged: an acknowledgement needs Postgres alone.

        But for those while somebody else's commit was slow, too: then the disk or the machine is, and the door says so
        in time, as it must.
        """
        assert not self.unanswered
        assert set(self.answers) <= {HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE}, self.problems
        unexplained = [each for each in self.unavailable if not self._commits.had_one(*each)]
        assert not unexplained, f"refused {unexplained}, slow was {self._commits.slow}: {self.problems}"

    def last(self, seconds: float) -> None:
        """Let the traffic go on for that long."""
        self._stop.wait(seconds)
