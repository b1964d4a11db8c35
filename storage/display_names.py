"""What an organization calls the holders of its credentials: people by the name they gave, keys by theirs."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from uuid import UUID

from storage.api_keys import KEY_SUBJECT
from storage.postgres import Pool, acquired
from storage.statements import statement

NAME_SECONDS: Final = 60.0
"""How long a name is believed."""
_REMEMBERED: Final = 10_000
_USER_SUBJECT: Final = "user:"


class DisplayNames:
    """Names by subject, never of another organization's. Bounded memory."""

    def __init__(self, pool: Pool, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._known: OrderedDict[tuple[str, str], tuple[float, str | None]] = OrderedDict()

    async def of(self, organization_id: str, subjects: Iterable[str]) -> Mapping[str, str]:
        """Those that have a name. Raises StorageUnavailableError."""
        asked = frozenset(subjects)
        now = self._monotonic()
        unknown = [each for each in asked if self._known.get((organization_id, each), (0.0, None))[0] <= now]
        if unknown:
            await self._look_up(organization_id, unknown, now + NAME_SECONDS)
        known = {each: self._known[organization_id, each][1] for each in asked}
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return {subject: name for subject, name in known.items() if name is not None}

    async def _look_up(self, organization_id: str, subjects: Iterable[str], until: float) -> None:
        people = [each.removeprefix(_USER_SUBJECT) for each in subjects if each.startswith(_USER_SUBJECT)]
        keys = [each.removeprefix(KEY_SUBJECT) for each in subjects if each.startswith(KEY_SUBJECT)]
        async with acquired(self._pool) as connection:
            rows = await connection.fetch(
                statement("display_names"), UUID(organization_id), [UUID(each) for each in people], keys
            )
        names = {row["subject"]: row["name"] for row in rows}
        for subject in subjects:
            self._known[organization_id, subject] = (until, names.get(subject))
            self._known.move_to_end((organization_id, subject))
