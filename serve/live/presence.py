"""Who watches an organization's board and who acts on its calls, told to the sockets of that organization."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from actors.ports import UnavailableError
from serve.live.frames import presence_frame
from serve.live.ports import Names, PresenceBook
from storage.live_presence import Present, Watching

log = structlog.get_logger(__name__)

TELL_SECONDS: Final = 2.0
"""How often the hubs tell one another. Missed four times, a hub's sockets are gone."""
GATHER_SECONDS: Final = 0.2
"""How long who comes waits for others: a storm is told once."""


class Presence:
    """Counts the sockets here by credential, hears of the other hubs' and of commands, and calls `tell` on a change.

    What is shown of a credential is its subject and the name its organization gave it. While the book is away what was
    told last stands. `run` must be running; whoever starts it ends it by cancelling.
    """

    def __init__(self, book: PresenceBook, names: Names, tell: Callable[[str, bytes], None]) -> None:
        self._book = book
        self._names = names
        self._tell = tell
        self._hub = secrets.token_hex(8)
        self._here: dict[str, dict[str, Watching]] = {}
        self._told: dict[str, bytes] = {}
        self._changed: set[str] = set()
        self._wake = asyncio.Event()

    def arrive(self, organization_id: str, subject: str) -> None:
        here = self._here.setdefault(organization_id, {})
        held = here.get(subject) or Watching(subject=subject, since=_now(), sockets=0)
        here[subject] = replace(held, sockets=held.sockets + 1)
        self._note(organization_id)

    def leave(self, organization_id: str, subject: str) -> None:
        here = self._here[organization_id]
        here[subject] = replace(here[subject], sockets=here[subject].sockets - 1)
        if here[subject].sockets == 0:
            del here[subject]
        self._note(organization_id)

    def frame(self, organization_id: str) -> bytes | None:
        """What sockets of the organization were told last."""
        return self._told.get(organization_id)

    async def run(self) -> None:
        due = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._wake.wait()
                await asyncio.sleep(GATHER_SECONDS)
            except TimeoutError:
                pass
            self._wake.clear()
            changed, self._changed = self._changed, set()
            if loop.time() >= due:
                changed, due = {*self._here, *changed}, loop.time() + TELL_SECONDS
            await self._exchange(changed)

    async def close(self) -> None:
        """Take back what this hub told: those who leave it are gone, or at another one in a moment."""
        everywhere, self._here = self._here, {}
        try:
            await self._book.exchange(self._hub, dict.fromkeys(everywhere, ()), now=_now())
        except UnavailableError as away:
            log.info("presence is not taken back", reason=str(away))

    def _note(self, organization_id: str) -> None:
        self._changed.add(organization_id)
        self._wake.set()

    async def _exchange(self, organization_ids: Iterable[str]) -> None:
        here: Mapping[str, Sequence[Watching]] = {
            each: sorted(self._here.get(each, {}).values(), key=lambda watching: watching.since)
            for each in organization_ids
        }
        try:
            told = await self._book.exchange(self._hub, here, now=_now())
            for organization_id, present in told.items():
                if self._here.get(organization_id):
                    self._show(organization_id, await self._frame(organization_id, present))
                else:
                    self._here.pop(organization_id, None)
                    self._told.pop(organization_id, None)
        except UnavailableError as away:
            log.info("presence is not known", reason=str(away))

    async def _frame(self, organization_id: str, present: Present) -> bytes:
        subjects = {each.subject for each in (*present.watching, *present.acting)}
        return presence_frame(present, await self._names(organization_id, frozenset(subjects)))

    def _show(self, organization_id: str, frame: bytes) -> None:
        if frame != self._told.get(organization_id):
            self._told[organization_id] = frame
            self._tell(organization_id, frame)


def _now() -> int:
    return time.time_ns() // 1_000_000
