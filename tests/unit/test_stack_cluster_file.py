import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

from serve.stack.ray_node import CLUSTER_ENVIRONMENT

FILE = Path(__file__).parents[2] / "cluster.yaml"


@pytest.fixture
def cluster() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text())


def test_ray_accepts_the_file(cluster: dict[str, Any]) -> None:
    schema = Path(ray.autoscaler.__file__).with_name("ray-schema.json")
    jsonschema.validate(cluster, json.loads(schema.read_text()))
    validate_config(prepare_config(cluster))


def test_every_node_has_the_clusters_environment_before_ray_starts(cluster: dict[str, Any]) -> None:
    written = [line.strip() for command in cluster["setup_commands"] for line in command.splitlines()]
    assert {f"{name}={value}" for name, value in CLUSTER_ENVIRONMENT.items()} <= set(written)
    starts = cluster["head_start_ray_commands"] + cluster["worker_start_ray_commands"]
    assert all(command.startswith(". ~/.ray.env && ") for command in starts)


def test_the_head_deploys_once_ray_runs(cluster: dict[str, Any]) -> None:
    assert "ray start --head" in cluster["head_start_ray_commands"][-2]
    assert cluster["head_start_ray_commands"][-1].endswith("call-supervisor deploy")
