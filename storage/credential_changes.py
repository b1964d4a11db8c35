"""Tells the hubs, through Redis, whose credentials were changed: open sockets are looked at within seconds then.

`live:credential-changes` is a stream of organizations of the last minutes. Losing it loses nothing: sockets are looked
at every minute anyway.
"""

import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any, Final, cast

from storage.redis import Redis, answered

KEPT_SECONDS: Final = 600
_KEPT: Final = 10_000
_AT_ONCE: Final = 1_000
_KEY: Final = "live:credential-changes"
_BEFORE_MS: Final = 60_000
"""Clocks differ: to hear of a change twice costs a look, and not to hear of it a minute."""


class CredentialChanges:
    """Both ends. Every method but `begin` raises StorageUnavailableError."""

    def __init__(self, redis: Redis, *, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._now = now

    async def tell(self, *organization_ids: str) -> None:
        """Some credential of each of these organizations ended or permits less. Safe to repeat."""
        async with answered(), self._redis.pipeline(transaction=False) as told:
            for organization_id in organization_ids:
                told.xadd(_KEY, {"organization_id": organization_id}, maxlen=_KEPT)
            told.expire(_KEY, KEPT_SECONDS)
            await told.execute()

    def begin(self) -> str:
        """Where who begins to listen now begins."""
        return f"{max(0, int(self._now() * 1000) - _BEFORE_MS)}-0"

    async def since(self, position: str) -> tuple[str, AbstractSet[str]]:
        """Whose credentials were changed after a position, and the position to ask from the next time."""
        async with answered():
            found = cast("list[Any]", await self._redis.xrange(_KEY, min=f"({position}", count=_AT_ONCE))
        if not found:
            return position, frozenset()
        return found[-1][0].decode(), {fields[b"organization_id"].decode() for _, fields in found}
