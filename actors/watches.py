"""Whose board somebody looks at. A watch runs out by itself: whoever looked may have died."""

from actors.ports import Clock

WATCH_MS = 90_000
RENEW_SECONDS = 30.0
WATCHED = 50_000
"""Beyond so many, further ones are not noted: an organization that rests although watched is only slower to return."""


class Watches:
    """Of one shard."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, int] = {}

    def renew(self, organization_id: str) -> None:
        """Somebody looks, for WATCH_MS from now."""
        if organization_id in self._until or len(self._until) < WATCHED:
            self._until[organization_id] = self._clock.now() + WATCH_MS

    def is_watched(self, organization_id: str) -> bool:
        return self._until.get(organization_id, 0) > self._clock.now()

    def forget_past(self) -> None:
        now = self._clock.now()
        self._until = {key: until for key, until in self._until.items() if until > now}
