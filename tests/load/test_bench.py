"""The benchmarks run, in seconds, and tell every figure; how fast things are is not asked here."""

import inspect
import json
import re
from pathlib import Path

import pytest

from storage import calls
from tests.load.bench import main
from tests.load.bench_storage import main as measure_storage
from tests.load.storage_queries import QUERIES


@pytest.mark.timeout(900)
def test_the_short_benchmark_measures_every_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH", "short")
    assert main(["--json", str(tmp_path / "bench.json")]) == 0
    figures = json.loads((tmp_path / "bench.json").read_text())["figures"]
    assert len(figures) == 16
    assert all(figure["value"] > 0 for figure in figures)


def test_the_short_benchmark_of_storage_times_every_statement_that_reads_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH", "short")
    assert measure_storage(["--json", str(tmp_path / "bench.json")]) == 0
    figures = {
        figure["name"]: figure["value"] for figure in json.loads((tmp_path / "bench.json").read_text())["figures"]
    }
    read = set(re.findall(r'self\._(?:rows|row|only)\(\s*"(\w+)"', inspect.getsource(calls)))
    assert len(read) > 10
    assert {name.partition(":")[0] for name in QUERIES} >= read
    assert all(figures[f"{name} p{percentile}"] > 0 for name in QUERIES for percentile in (50, 99))
    assert figures["most computations of a policy in one statement"] == 1
