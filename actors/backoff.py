"""What failed by a fault, and when it may be tried again: each failure doubles the wait."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

FIRST_MS = 2_000
LAST_MS = 300_000
REMEMBERED = 10_000

K = TypeVar("K")


def spread(seconds: float, draw: Callable[[], float]) -> float:
    """Between half of a pause and the whole, by `draw` (0 to 1): many who failed together do not return together."""
    return seconds * (1 + draw()) / 2


class Backoff(Generic[K]):
    """Failures by key, the oldest forgotten beyond 10,000: forgetting one only means that it is tried again."""

    def __init__(self) -> None:
        self._failures: OrderedDict[K, tuple[int, int]] = OrderedDict()

    def failed(self, key: K, now: int) -> None:
        """Count a failure at `now` (ms)."""
        attempts, _ = self._failures.pop(key, (0, 0))
        self._failures[key] = (attempts + 1, now + min(FIRST_MS * 2**attempts, LAST_MS))
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, key: K) -> None:
        self._failures.pop(key, None)

    def is_due(self, key: K, now: int) -> bool:
        """Whether the key never failed, or has waited long enough."""
        _, retry_at = self._failures.get(key, (0, 0))
        return now >= retry_at

    def __len__(self) -> int:
        return len(self._failures)

    def some(self, most: int) -> Sequence[K]:
        """The latest failures, for people to look at."""
        return list(self._failures)[-most:]
