"""What every benchmark's command takes and tells: BENCH=short takes seconds, `--json FILE` keeps the figures."""

import argparse
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from serve.simulator.load.figures import Figure, machine, print_figures

Size = TypeVar("Size")


def json_file(program: str, description: str | None, arguments: Sequence[str] | None) -> Path | None:
    """Where the figures are to be kept."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}", description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser.parse_args(arguments).json


def chosen(whole: Size, short: Size) -> Size:
    """The size that the environment asks for."""
    return short if os.environ.get("BENCH") == "short" else whole


def keep(figures: Sequence[Figure], described: Mapping[str, Any], file: Path | None) -> None:
    """Write the figures to the file, if there is to be one."""
    if file is not None:
        told = {"machine": described, "figures": [figure.as_json() for figure in figures]}
        file.write_text(json.dumps(told, indent=2) + "\n")


def tell(measure: Callable[[], Sequence[Figure]], *, title: str, file: Path | None) -> int:
    """Measure, print and keep; the exit code."""
    described = machine()
    figures = measure()
    print_figures(Console(), figures, described, title=title)
    keep(figures, described, file)
    return 0
