"""Which calls this replica has stored a sign of: bounded, forgetful, never the truth."""

from collections import OrderedDict

_CAPACITY = 50_000


class SeenCalls:
    """Remembers the calls seen last. Forgetting one costs an insert that finds its row already there."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._calls: OrderedDict[tuple[str, str], None] = OrderedDict()

    def __contains__(self, call: tuple[str, str]) -> bool:
        if call not in self._calls:
            return False
        self._calls.move_to_end(call)
        return True

    def add(self, organization_id: str, call_id: str) -> None:
        """Remember a call of which Postgres holds a row."""
        self._calls[organization_id, call_id] = None
        self._calls.move_to_end((organization_id, call_id))
        if len(self._calls) > self._capacity:
            self._calls.popitem(last=False)
