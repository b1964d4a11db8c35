"""What Postgres was found to hold of calls that memory lacks, and of which calls it holds nothing."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

from actors.domain.call import Call

REMEMBERED = 2_000

ReadCalls: TypeAlias = Callable[[Sequence[str]], Awaitable[Mapping[str, Call]]]
"""The calls of these ids as Postgres' rows define them. Raises UnavailableError."""


class CallLookups:
    """Of one organization, whose owner alone applies rows: what was found holds until it applies one of that call.

    So `void` must be told of every call before and after its rows are written; an answer under way then is not kept.
    Should one be kept that is not true any more, the rows decided upon it stand at positions that Postgres has given
    away: it refuses them.
    """

    def __init__(self, read: ReadCalls) -> None:
        self._read = read
        self._found: OrderedDict[str, Call | None] = OrderedDict()
        self._under_way: dict[str, object] = {}

    def __contains__(self, call_id: str) -> bool:
        """Whether it is known what Postgres holds of the call."""
        return call_id in self._found

    async def look_up(self, call_ids: Collection[str]) -> Mapping[str, Call]:
        """Those of the calls that Postgres knows; only what was not looked up before is read. Raises UnavailableError.

        Any number may be under way, beside rounds.
        """
        known = {call_id: self._found[call_id] for call_id in call_ids if call_id in self._found}
        unknown = sorted(set(call_ids) - known.keys())
        if unknown:
            known |= await self._looked_up(unknown)
        return {call_id: call for call_id, call in known.items() if call is not None}

    def void(self, call_ids: Iterable[str]) -> None:
        """Forget what was found of these, also by a look-up whose answer is still to come."""
        for call_id in call_ids:
            self._found.pop(call_id, None)
            self._under_way.pop(call_id, None)

    def clear(self) -> None:
        """Forget everything: it is not known what was written."""
        self._found.clear()
        self._under_way.clear()

    async def _looked_up(self, call_ids: Sequence[str]) -> Mapping[str, Call | None]:
        turn = object()
        self._under_way.update(dict.fromkeys(call_ids, turn))
        try:
            found = await self._read(call_ids)
        finally:
            mine = [call_id for call_id in call_ids if self._under_way.get(call_id) is turn]
            for call_id in mine:
                del self._under_way[call_id]
        for call_id in mine:
            self._found[call_id] = found.get(call_id)
        while len(self._found) > REMEMBERED:
            self._found.popitem(last=False)
        return dict(found)
