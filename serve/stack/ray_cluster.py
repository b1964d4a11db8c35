"""Ray's head node and the driver that holds the Serve applications: they start, live and end together."""

import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from serve.stack.ports import PortBlock, listens
from serve.stack.processes import PART_MARKER, reap
from serve.stack.ray_node import CLIENT_SETTINGS, prepare_folder, ray_command, ray_environment
from serve.stack.state import DataFolder
from storage.child_process import ChildProcess, spawn, wait_until_ready

PROJECT: Final = Path(__file__).parents[2]
NODE: Final = "Ray"
APPLICATIONS: Final = "Serve applications"
SESSION_NICENESS: Final = 10
"""Where Linux shares the processor among sessions first, Ray's many processes let Postgres and Valkey wait for tens of
milliseconds, each in a session of its own. Temporal yields more (see NICENESS there)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RayPlan:
    """Everything a start of Ray needs; the same plan starts it again."""

    folder: DataFolder
    ports: PortBlock
    dashboard_port: int
    driver: str
    """Module that deploys the applications and writes dev.json."""


class RayCluster:
    """One run of Ray on this machine, in a short folder of its own below the system's temporary one."""

    def __init__(self, plan: RayPlan, base_environment: Mapping[str, str]) -> None:
        self._plan = plan
        self.began = time.monotonic()
        self.run_folder = Path(tempfile.mkdtemp(prefix="cs-", dir=_short_temporary_folder()))
        prepare_folder(self.run_folder)
        self._environment = ray_environment(
            base=base_environment,
            folder=self.run_folder,
            ports=plan.ports,
            token_file=plan.folder.ray_token_file,
        )
        self.node = self._spawn(
            NODE, ray_command(folder=self.run_folder, ports=plan.ports, dashboard_port=plan.dashboard_port), "ray"
        )
        self.driver: ChildProcess | None = None
        plan.folder.dev_file.unlink(missing_ok=True)
        _link(plan.folder.path / "logs" / "ray", self.run_folder / "ray" / "session_latest" / "logs")

    @property
    def client_settings(self) -> Mapping[str, str]:
        """What commands join this cluster with; the same after a restart of the same plan."""
        return {name: self._environment[name] for name in CLIENT_SETTINGS}

    def start_driver(self, settings: Mapping[str, str]) -> ChildProcess:
        """Start the driver as soon as Ray's control service listens; it waits for the rest itself."""
        gcs = self._plan.ports["ray_gcs"]
        wait_until_ready(self.node, lambda: listens(gcs), timeout_s=60)
        self.driver = self._spawn(
            APPLICATIONS, [sys.executable, "-m", self._plan.driver], "applications", settings=settings
        )
        return self.driver

    def wait_for_node(self) -> None:
        """Return once the node accepts work and the dashboard is served."""
        agent, dashboard = self._plan.ports["ray_agent_http"], self._plan.dashboard_port
        wait_until_ready(self.node, lambda: listens(dashboard) and listens(agent), timeout_s=120)

    def wait_for_applications(self) -> None:
        """Return once the driver published dev.json."""
        if self.driver is None:
            raise RuntimeError("start_driver comes first")
        wait_until_ready(self.driver, self._plan.folder.dev_file.exists, timeout_s=180)

    def is_running(self) -> bool:
        return self.node.is_running() and self.driver is not None and self.driver.is_running()

    def ended_part(self) -> str:
        """Name what ended by itself."""
        return NODE if not self.node.is_running() else APPLICATIONS

    def drain(self) -> None:
        """Let the applications finish what they have and end; safe to repeat."""
        if self.driver is not None:
            self.driver.stop(timeout_s=40)
        self._plan.folder.dev_file.unlink(missing_ok=True)

    def stop(self) -> None:
        """End every process of Ray and remove its folder; safe to repeat."""
        self.node.stop(timeout_s=3)
        reap({**self._plan.folder.marker, PART_MARKER: "ray"}, grace_s=3)
        remove_run_folder(self.run_folder)

    def _spawn(
        self, name: str, command: list[str], log: str, *, settings: Mapping[str, str] | None = None
    ) -> ChildProcess:
        path = ":".join([str(PROJECT), *filter(None, [self._environment.get("PYTHONPATH")])])
        marker = {**self._plan.folder.marker, PART_MARKER: "ray"}
        return spawn(
            name,
            command,
            log_path=self._plan.folder.log(log),
            environment={**self._environment, "PYTHONPATH": path, **marker, **(settings or {})},
            session_nice=SESSION_NICENESS,
            directory=PROJECT,
        )


def remove_run_folder(folder: Path, *, timeout_s: float = 5.0) -> None:
    """Remove Ray's folder, again while processes that are about to end still write into it."""
    deadline = time.monotonic() + timeout_s
    while folder.is_dir() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(0.05)


def _short_temporary_folder() -> str | None:
    """Prefer /tmp: the sockets below have no room for a long TMPDIR."""
    return "/tmp" if Path("/tmp").is_dir() else None  # noqa: S108  # mkdtemp makes a private folder inside


def _link(place: Path, target: Path) -> None:
    place.unlink(missing_ok=True)
    place.symlink_to(target)
