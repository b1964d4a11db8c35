"""A Ray cluster of two nodes on one machine, joined by hand as an operator joins two machines."""

import base64
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from serve.stack.ports import PortBlock, choose_block, listens
from serve.stack.processes import PART_MARKER, reap
from serve.stack.ray_node import joining_command, prepare_folder, ray_command, ray_environment
from serve.stack.state import DataFolder
from serve.stack.temporal_server import start_temporal
from storage.child_process import ChildProcess, free_port, spawn, wait_until_ready
from storage.embedded import start_postgres, start_valkey
from tests.e2e.product import REQUEST_SECONDS, Product, eventually

PROJECT: Final = Path(__file__).parents[2]
PATIENCE_SECONDS: Final = 240
HOST: Final = "127.0.0.2"
"""Where both nodes are. A node that joins at 127.0.0.1 is given the machine's outward address instead by Ray."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Ray's names of the two nodes."""

    head: str
    second: str


class LocalCluster:
    """The servers, a head and a second node. Files, ports and HAProxy are each node's own, the token is shared."""

    def __init__(self, folder: Path) -> None:
        self._data = DataFolder(folder)
        self._data.create()
        self._data.secrets()
        self._run_folders: list[Path] = []
        self.http_port, self.second_http_port = free_port(), free_port()
        self._dashboard_port = free_port()
        token = self._data.ray_token_file.read_text()
        self._dashboard = httpx.Client(
            base_url=f"http://127.0.0.1:{self._dashboard_port}",
            headers={"authorization": f"Bearer {token}"},
            timeout=REQUEST_SECONDS,
        )

    def start(self) -> Nodes:
        """Start everything; returns once both nodes are alive."""
        self._start_head()
        self._start_second()
        self._start_servers()
        wait_until_ready(self._head, lambda: listens(self._dashboard_port), timeout_s=PATIENCE_SECONDS)
        return eventually(self._alive, seconds=PATIENCE_SECONDS, what=self._second.log_path.read_text)

    def call_supervisor(self, *arguments: str) -> str:
        """Run the command with the deployment's settings and return what it prints."""
        done = subprocess.run(
            [Path(sys.executable).with_name("call-supervisor"), *arguments],
            env={**self._environment, **self.settings},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def create_organization(self) -> Product:
        """Create one from the command line, and see the product through the head's HAProxy as it does."""
        printed = self.call_supervisor("organization", "create", "--name", "Two nodes")
        told = dict(re.findall(r"^(\S.*?) {2,}(\S+)$", printed, re.MULTILINE))
        return Product(
            base_url=self.settings["PUBLIC_BASE_URL"],
            live_url=self.settings["LIVE_URL"],
            organization_id=told["organization"],
            api_key=told["API key"],
            vapi_secret=told["webhook secret"],
            http=httpx.Client(timeout=REQUEST_SECONDS),
        )

    def shards(self) -> dict[str, str]:
        """The node of each living shard, by the name under which Ray's dashboard shows it."""
        actors = [actor for actor in self._state("actors") if actor["class_name"] == "OrganizationShard"]
        return {actor["name"]: actor["node_id"] for actor in actors if actor["state"] == "ALIVE"}

    def applications(self) -> dict[str, tuple[str, set[str]]]:
        """Each application's status and the nodes of its running replicas."""
        answer = self._dashboard.get("/api/serve/applications/").raise_for_status().json()
        return {name: (each["status"], set(_running(each))) for name, each in answer["applications"].items()}

    def lose_second(self) -> None:
        """Take the second node away at once and for ever."""
        (raylet,) = (child for child in psutil.Process(self._second.pid).children() if child.name() == "raylet")
        raylet.kill()

    def stop(self) -> None:
        """End every process and remove the nodes' folders; safe after a start that failed."""
        self._dashboard.close()
        reap({**self._data.marker, PART_MARKER: "ray"}, grace_s=2)
        reap(self._data.marker, grace_s=2)
        for folder in self._run_folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _start_head(self) -> None:
        ports, folder = choose_block(self._data.stack), self._run_folder()
        self._address = f"{HOST}:{ports['ray_gcs']}"
        self._environment = self._node_environment(ports, folder)
        command = ray_command(folder=folder, ports=ports, dashboard_port=self._dashboard_port, host=HOST)
        self._head = self._spawn("head", command, self._environment)
        wait_until_ready(self._head, lambda: listens(ports["ray_gcs"], host=HOST), timeout_s=PATIENCE_SECONDS)

    def _start_second(self) -> None:
        ports, folder = choose_block(self._data.stack), self._run_folder()
        environment = {
            **self._node_environment(ports, folder),
            # Every node has an HAProxy. On two machines both would listen on the same port.
            "RAY_SERVE_WORKER_PROXY_HTTP_PORT": str(self.second_http_port),
        }
        command = joining_command(address=self._address, folder=folder, ports=ports, host=HOST)
        self._second = self._spawn("second", command, environment)

    def _start_servers(self) -> None:
        folder, marker, live_port = self._data.path, self._data.marker, free_port()
        postgres = start_postgres(folder / "postgres", password=secrets.token_hex(16), marker=marker, durable=False)
        valkey = start_valkey(folder / "valkey", password=secrets.token_hex(16), marker=marker, durable=False)
        temporal = start_temporal(folder / "temporal", marker=marker, durable=False)
        (folder / "recordings").mkdir()
        self.settings: Mapping[str, str] = {
            "DATABASE_URL": postgres.url,
            "REDIS_URL": valkey.url,
            "TEMPORAL_ADDRESS": temporal.address,
            "ENCRYPTION_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "RECORDINGS_URL": (folder / "recordings").as_uri(),
            "PUBLIC_BASE_URL": f"http://127.0.0.1:{self.http_port}",
            "LIVE_URL": f"ws://127.0.0.1:{live_port}",
            "HTTP_PORT": str(self.http_port),
            "LIVE_PORT": str(live_port),
            "SHARDS": "2",
        }

    def _alive(self) -> Nodes | None:
        try:
            nodes = {node["is_head_node"]: node for node in self._state("nodes") if node["state"] == "ALIVE"}
        except httpx.HTTPError:
            return None
        return Nodes(head=nodes[True]["node_id"], second=nodes[False]["node_id"]) if len(nodes) == 2 else None

    def _state(self, kind: str) -> list[dict[str, Any]]:
        answer = self._dashboard.get(f"/api/v0/{kind}", params={"limit": 1000, "detail": True})
        return answer.raise_for_status().json()["data"]["result"]["result"]

    def _run_folder(self) -> Path:
        folder = Path(tempfile.mkdtemp(prefix="cs-", dir="/tmp"))
        self._run_folders.append(folder)
        prepare_folder(folder)
        return folder

    def _node_environment(self, ports: PortBlock, folder: Path) -> dict[str, str]:
        return {
            **ray_environment(base=os.environ, folder=folder, ports=ports, token_file=self._data.ray_token_file),
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1",  # without it a head stays alone
            "RAY_ADDRESS": self._address,
            "PYTHONPATH": str(PROJECT),
            **self._data.marker,
            PART_MARKER: "ray",
        }

    def _spawn(self, name: str, command: list[str], environment: Mapping[str, str]) -> ChildProcess:
        return spawn(name, command, log_path=self._data.log(name), environment=environment, directory=PROJECT)


def _running(application: Mapping[str, Any]) -> list[str]:
    replicas = [replica for each in application["deployments"].values() for replica in each["replicas"]]
    return [replica["node_id"] for replica in replicas if replica["state"] == "RUNNING"]
