"""A period's ledger by assistant and by number: parts that add up to exactly what the period is told to be."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from storage.calls import Row

_STEP_MS: Final = 86_400_000

Key = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one assistant or number used. Neither id, name nor number: nobody knows whose it is."""

    assistant_id: str | None = None
    assistant_name: str | None = None
    number: str | None = None
    calls: int = 0
    seconds: int = 0
    cost_micros: int = 0

    def plus(self, other: "Share") -> "Share":
        """Both in one, under the later name."""
        return replace(
            self,
            assistant_name=other.assistant_name or self.assistant_name,
            calls=self.calls + other.calls,
            seconds=self.seconds + other.seconds,
            cost_micros=self.cost_micros + other.cost_micros,
        )


@dataclass(slots=True, kw_only=True)
class Shares:
    """Shares as they are added up, window by window. `unrecorded`: charged calls of which nothing is kept here."""

    unrecorded: int = 0
    _assistants: dict[Key, Share] = field(default_factory=dict[Key, Share])
    _numbers: dict[Key, Share] = field(default_factory=dict[Key, Share])

    def add(self, rows: Iterable[Row]) -> None:
        """What `usage_shares` tells of one more window."""
        for row in rows:
            sums = {name: row[name] for name in ("calls", "seconds", "cost_micros")}
            if row["is_number"]:
                _put(self._numbers, (row["number"],), Share(number=row["number"], **sums))
                self.unrecorded += row["unrecorded"]
            else:
                share = Share(assistant_id=row["assistant_id"], assistant_name=row["assistant_name"], **sums)
                _put(self._assistants, (row["assistant_id"], row["only_name"]), share)

    @property
    def by_assistant(self) -> Sequence[Share]:
        """The most used first."""
        return _ordered(self._assistants)

    @property
    def by_number(self) -> Sequence[Share]:
        """The most used first."""
        return _ordered(self._numbers)


def windows(start: int, end: int) -> Iterator[tuple[int, int]]:
    """[start, end) (ms) in steps of a day, so that no statement has to go through more than that."""
    for since in range(start, end, _STEP_MS):
        yield since, min(since + _STEP_MS, end)


def _put(held: dict[Key, Share], key: Key, share: Share) -> None:
    before = held.get(key)
    held[key] = share if before is None else before.plus(share)


def _ordered(held: dict[Key, Share]) -> Sequence[Share]:
    return sorted(
        held.values(), key=lambda each: (-each.seconds, -each.calls, each.number or each.assistant_name or "")
    )
