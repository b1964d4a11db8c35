"""What was measured: latencies in HdrHistograms, counts of answers, and a table of both beside the budgets."""

import os
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
from hdrh.histogram import HdrHistogram
from rich.console import Console
from rich.table import Table

_LONGEST_US: Final = 120_000_000
_DIGITS: Final = 3


class Latencies:
    """Latencies in seconds, kept to three digits from a microsecond to two minutes."""

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(1, _LONGEST_US, _DIGITS)

    def record(self, seconds: float) -> None:
        self._histogram.record_value(min(_LONGEST_US, max(1, round(seconds * 1_000_000))))

    @property
    def count(self) -> int:
        return int(self._histogram.get_total_count())

    def percentile_ms(self, percentile: float) -> float | None:
        """In milliseconds; None when nothing was recorded."""
        return float(self._histogram.get_value_at_percentile(percentile)) / 1000 if self.count else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number. `budget` is the bound of the design, in the same unit, when it sets one."""

    name: str
    unit: str
    value: float | None
    budget: float | None = None
    at_least: bool = False
    peer: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours to the peer's."""
        return None if self.value is None or not self.peer else self.value / self.peer

    def as_json(self) -> dict[str, Any]:
        told = {"name": self.name, "unit": self.unit, "value": self.value, "budget": self.budget}
        return told if self.peer is None else {**told, "peer": self.peer, "ratio": self.ratio}


@dataclass(slots=True)
class Measured:
    """What one phase saw. `answers` counts statuses; 0 stands for no answer."""

    figures: list[Figure] = field(default_factory=list[Figure])
    answers: Counter[int] = field(default_factory=Counter[int])

    @property
    def refused(self) -> dict[int, int]:
        return {status: count for status, count in self.answers.items() if count and status // 100 != 2}  # noqa: PLR2004


def percentiles(
    name: str, latencies: Latencies, budgets_ms: Mapping[float, float], of: Sequence[float] = (50, 99, 99.9)
) -> list[Figure]:
    """One figure per percentile."""
    return [
        Figure(name=f"{name} p{each:g}", unit="ms", value=latencies.percentile_ms(each), budget=budgets_ms.get(each))
        for each in of
    ]


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": [round(each, 2) for each in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _processor() -> str:
    # Linux alone tells the model here; elsewhere the architecture has to do.
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def print_figures(
    console: Console, figures: Iterable[Figure], described: Mapping[str, Any], *, title: str = "Load"
) -> None:
    """One table: each figure beside its budget, and beside the peer's where it was measured."""
    figures = list(figures)
    with_peer = any(figure.peer is not None for figure in figures)
    table = Table(title=title, title_justify="left")
    table.add_column("figure")
    for name in ("measured", "budget", *(("peer", "ratio") if with_peer else ())):
        table.add_column(name, justify="right")
    for figure in figures:
        row = [figure.name, _value(figure.value, figure.unit), _budget(figure)]
        if with_peer:
            row += [_value(figure.peer, figure.unit) if figure.peer else "", _ratio(figure.ratio)]
        table.add_row(*row)
    console.print(table)
    console.print(", ".join(f"{name} {value}" for name, value in described.items()), highlight=False)


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "nothing measured"
    return f"{value:,.0f} {unit}" if unit not in {"ms", "times"} else f"{value:,.2f} {unit}"


def _budget(figure: Figure) -> str:
    if figure.budget is None:
        return ""
    return f"{'≥' if figure.at_least else '<'} {figure.budget:,.0f} {figure.unit}"


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"
