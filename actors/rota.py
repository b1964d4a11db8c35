"""Whose turn it is, when each of many has one in a period and the turns are spread evenly over it."""

from collections.abc import Collection, Sequence


class Rota:
    """Asked every `every_ms`, names each key about once in `period_ms`, and never more than an even part at once."""

    def __init__(self, *, period_ms: int, every_ms: int) -> None:
        self._period_ms = period_ms
        self._every_ms = every_ms
        self._last: dict[str, int] = {}

    def due(self, keys: Collection[str], now: int) -> Sequence[str]:
        """Those of `keys` that waited longest, at `now` (ms); others are forgotten. A clock set back delays nobody."""
        self._last = {key: self._last.get(key, now) for key in keys}
        waiting = [key for key, last in self._last.items() if abs(now - last) >= self._period_ms]
        part = 1 + len(keys) * self._every_ms // self._period_ms
        chosen = sorted(waiting, key=self._last.__getitem__)[:part]
        self._last.update(dict.fromkeys(chosen, now))
        return chosen
