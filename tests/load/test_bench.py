"""The benchmarks run, in seconds, and tell every figure; how fast things are is not asked here."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest

from serve.stack.temporal_server import TemporalServer
from storage import calls
from tests.load import bench_deliveries, bench_fairness, bench_processing
from tests.load.bench import main
from tests.load.bench_live import main as measure_live
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


async def test_the_short_benchmark_of_processing_tells_its_figure(
    database_url: str, temporal_server: TemporalServer, tmp_path: Path
) -> None:
    told = await bench_processing.measure_on(database_url, temporal_server.address, tmp_path, bench_processing.SHORT)
    assert [figure.unit for figure in told if figure.value] == ["/s"]


@pytest.mark.parametrize(("bench", "count"), [(bench_deliveries, 2), (bench_fairness, 7)])
async def test_the_short_benchmarks_of_deliveries_tell_every_figure(
    database_url: str, temporal_server: TemporalServer, bench: Any, count: int
) -> None:
    told = await bench.measure_on(database_url, temporal_server.address, bench.SHORT)
    assert len([figure for figure in told if figure.value is not None]) == count


def test_the_short_benchmark_of_the_live_hub_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCH", "short")
    assert measure_live(["--json", str(tmp_path / "bench.json")]) == 0
    figures = json.loads((tmp_path / "bench.json").read_text())["figures"]
    assert len(figures) == 30
    for figure in figures:
        if figure["name"].endswith(("that did not come", "sockets closed", "without the last event")):
            assert figure["value"] == 0, figure["name"]
        elif not figure["name"].endswith(("of a core", "of each")):
            assert figure["value"] > 0, figure["name"]
