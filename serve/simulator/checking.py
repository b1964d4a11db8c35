"""Looks at the stack from outside while calls are simulated: the REST API, the list of active calls, the live feed."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx

from serve.live.board import LiveBoard
from serve.live.client import Credential, follow
from serve.simulator.ledger import Ledger, LiveSet, differences
from serve.simulator.script import Expected
from serve.simulator.target import Target

_ACTIVE_LIMIT: Final = 500
_FETCHED_AT_ONCE: Final = 8
_AGAIN_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveCheck:
    """One look: how many calls were surely going on, how many of them were shown, and what was wrong."""

    expected: int
    found: int
    differences: Sequence[str]


@dataclass(slots=True)
class Watcher:
    """A live client like any other: its board is what a dashboard would show."""

    target: Target
    board: LiveBoard = field(default_factory=LiveBoard)

    async def run(self) -> None:
        """Follow the feed until cancelled. Raises NotPermittedError."""

        async def credential() -> Credential:
            return Credential(api_key=self.target.api_key)

        async for _ in follow(self.target.live_url, self.target.organization_id, credential, self.board):
            pass

    def check(self, live: LiveSet) -> LiveCheck:
        """Compare the board with what must be shown. Before the first snapshot everything is missing."""
        shown = {call_id for call_id, call in self.board.calls.items() if call["status"] != "ended"}
        return LiveCheck(expected=len(live.live), found=len(shown & live.live), differences=live.differences(shown))


class Checker:
    """Asks the REST API."""

    def __init__(self, http: httpx.AsyncClient, target: Target, ledger: Ledger) -> None:
        self._http = http
        self._target = target
        self._ledger = ledger

    async def active(self) -> LiveCheck:
        """Compare the list of active calls with what must be on it; a list that cannot be read is a difference."""
        before = self._ledger.live_set(time.monotonic())
        try:
            listed = await self._get("calls/active", limit=_ACTIVE_LIMIT)
        except httpx.HTTPError as failed:
            wrong = [f"the list cannot be read: {failed or type(failed).__name__}"]
            return LiveCheck(expected=len(before.live), found=0, differences=wrong)
        assert listed is not None  # noqa: S101  (a list is never absent)
        live = self._ledger.still_live(before)
        shown = {call["call_id"] for call in listed["calls"]}
        wrong = live.differences(shown, complete=listed["total"] <= _ACTIVE_LIMIT)
        return LiveCheck(expected=len(live.live), found=len(shown & live.live), differences=wrong)

    async def outcomes(
        self, *, within_seconds: float, provider_asked: bool, waiting_for: Callable[[int, frozenset[str]], None]
    ) -> tuple[int, dict[str, list[str]]]:
        """How many calls there must be, and what is wrong with which once everything had time to be processed.

        Asks again, for at most so many seconds, about the calls that are not yet as they must be; `waiting_for` is told
        of how many those are, each time. `provider_asked` as for `Ledger.outcomes`.
        """
        deadline = time.monotonic() + within_seconds
        waiting = self._ledger.outcomes(provider_asked=provider_asked)
        total = len(waiting)
        while True:
            wrong = await self._compare(waiting)
            if not wrong or time.monotonic() >= deadline:
                return total, wrong
            waiting_for(total, frozenset(wrong))
            waiting = {call_id: waiting[call_id] for call_id in wrong}
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _compare(self, waiting: Mapping[str, list[Expected]]) -> dict[str, list[str]]:
        free = asyncio.Semaphore(_FETCHED_AT_ONCE)
        wrong: dict[str, list[str]] = {}

        async def compare(call_id: str, acceptable: list[Expected]) -> None:
            async with free:
                try:
                    found = await self._get(f"calls/{quote(call_id, safe='')}")
                except httpx.HTTPError as failed:
                    wrong[call_id] = [f"{call_id}: {failed or type(failed).__name__}"]
                    return
            faults = differences(call_id, acceptable, found)
            if faults:
                wrong[call_id] = faults

        async with asyncio.TaskGroup() as tasks:
            for call_id, acceptable in waiting.items():
                tasks.create_task(compare(call_id, acceptable))
        return wrong

    async def _get(self, path: str, **query: int) -> dict[str, Any] | None:
        """The answer, or None for 404. Raises httpx.HTTPError."""
        response = await self._http.get(
            self._target.v1(path), params=query, headers=self._target.authorization, timeout=_ANSWER_SECONDS
        )
        if response.status_code == HTTPStatus.NOT_FOUND:
            return None
        response.raise_for_status()
        return response.json()
