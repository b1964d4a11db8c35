"""When open sockets are looked at between times: a credential of their organization, or the organization, has ended."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection
from collections.abc import Set as AbstractSet
from typing import Final, TypeAlias

import structlog

from actors.ports import UnavailableError
from serve.identity import MEMBERSHIP_SECONDS
from serve.live.access import ADMISSION_SECONDS
from serve.live.ports import Changes
from storage.api_keys import CACHE_SECONDS

log = structlog.get_logger(__name__)

HEARD_SECONDS: Final = 2.0
"""How often it is asked whose credentials were changed, and which organizations are gone."""
BELIEVED_SECONDS: Final = max(CACHE_SECONDS, MEMBERSHIP_SECONDS)
"""After a change an answer of before may be given for so long, and a look is worth nothing until then."""

DeletedAmong: TypeAlias = Callable[[Collection[str]], Awaitable[AbstractSet[str]]]
"""Those of these organizations that are none (any more). Raises UnavailableError."""


class Looks:
    """Each change makes a moment at which it shows: sockets last looked at before that are due from then on.

    Of the organizations with sockets `here` it is asked which are deleted, since nobody tells of that. Without
    `changes` nothing else is known. Whoever starts `run` ends it by cancelling.
    """

    def __init__(
        self, changes: Changes | None, deleted_among: DeletedAmong, here: Callable[[], Collection[str]]
    ) -> None:
        self._changes = changes
        self._deleted_among = deleted_among
        self._here = here
        self._moments: dict[str, list[float]] = {}

    def due_before(self, organization_id: str, now: float) -> float:
        """The organization's sockets last looked at before this are due: what was seen then may have changed."""
        return max((moment for moment in self._moments.get(organization_id, ()) if moment <= now), default=-math.inf)

    async def run(self) -> None:
        position = self._changes.begin() if self._changes is not None else ""
        while True:
            await asyncio.sleep(HEARD_SECONDS)
            self._forget()
            try:
                if self._changes is not None:
                    position, changed = await self._changes.since(position)
                    self._note(changed)
            except UnavailableError as away:
                log.info("changed credentials are not heard of", reason=str(away))
            try:
                if here := self._here():
                    self._note(await self._deleted_among(here) - self._awaited())
            except UnavailableError as away:
                log.info("deleted organizations are not known of", reason=str(away))

    def _note(self, organization_ids: AbstractSet[str]) -> None:
        moment = asyncio.get_running_loop().time() + BELIEVED_SECONDS
        for organization_id in organization_ids:
            self._moments.setdefault(organization_id, []).append(moment)

    def _awaited(self) -> AbstractSet[str]:
        """Those that are to be looked at anyway. One that is deleted and still here afterwards is looked at again."""
        now = asyncio.get_running_loop().time()
        return {organization_id for organization_id, moments in self._moments.items() if moments[-1] > now}

    def _forget(self) -> None:
        """Of moments so long past that every socket was looked at since."""
        since = asyncio.get_running_loop().time() - ADMISSION_SECONDS
        kept = {each: [moment for moment in moments if moment > since] for each, moments in self._moments.items()}
        self._moments = {each: moments for each, moments in kept.items() if moments}
