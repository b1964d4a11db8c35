"""One command for the whole stack: start in order, watch, stop in the opposite order, leave nothing behind."""

import asyncio
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from serve.stack import page_build
from serve.stack.banner import print_banner
from serve.stack.driver_settings import driver_settings
from serve.stack.leftovers import clear_leftovers, remove_run_files
from serve.stack.ports import choose_block, require_free
from serve.stack.processes import ProcessIdentity, reap
from serve.stack.ray_cluster import APPLICATIONS, NODE, PROJECT, SESSION_NICENESS, RayCluster, RayPlan
from serve.stack.restarts import RestartBudget
from serve.stack.servers import Server, ServerPlan, plan_servers
from serve.stack.state import DataFolder, Part, StackRecord, write_atomically
from serve.stack.steps import StackError, Steps
from storage.child_process import ChildProcess, ServerFailedError, spawn
from storage.migrate import migrate

WATCH_SECONDS: Final = 0.5
FREE_BYTES: Final = 1_000_000_000
PAGE: Final = "the page"
PAGE_SECONDS: Final = 1_200


@dataclass(frozen=True, slots=True, kw_only=True)
class StackOptions:
    """What a person may choose."""

    data_dir: Path
    http_port: int = 8000
    live_port: int = 8001
    dashboard_port: int = 8265
    shards: int = 2
    replicas: int = 2
    driver: str = "serve.stack.applications"


class StopRequestedError(Exception):
    """SIGINT, SIGTERM or SIGHUP arrived."""


class Stack:
    """A run of the stack; its data folder is locked by the caller."""

    def __init__(self, options: StackOptions, folder: DataFolder, steps: Steps, environment: Mapping[str, str]) -> None:
        self._options = options
        self._folder = folder
        self._steps = steps
        self._environment = environment
        self._ports = choose_block(folder.stack)
        self._secrets = folder.secrets()
        self._plans = plan_servers(folder, self._ports, self._secrets, environment)
        self._servers: dict[str, Server] = {}
        self._ray: RayCluster | None = None
        self._restarts = RestartBudget(limit=5, window_s=300.0)
        own = ProcessIdentity.of(os.getpid())
        self._record = StackRecord(
            supervisor=Part(pid=own.pid, create_time=own.create_time), ports=self._ports.by_name()
        )

    def start(self) -> None:
        """Start everything; Ray, the slowest, begins first and runs beside the servers and migrations."""
        self._folder.write_record(self._record)
        ray = self._start_ray()
        page = self._start_page()
        for plan in self._plans:
            with self._steps.step(plan.name):
                self._start_server(plan)
        settings = self._settings()
        told = {**settings, **ray.client_settings}
        lines = (f"{name}={shlex.quote(value)}\n" for name, value in told.items())
        write_atomically(self._folder.settings_file, "".join(lines))
        with self._steps.step("migrations"):
            asyncio.run(migrate(_direct_url({**self._environment, **settings})))
        self._finish_ray(settings)
        self._finish_page(page)
        print_banner(self._steps.console, self._folder, self._record)

    def watch(self) -> None:
        """Restart what ends by itself until a stop is asked for; raises StackError when that keeps failing."""
        while True:
            for plan in self._plans:
                if not self._servers[plan.name].is_running():
                    self._restart_server(plan)
            if self._ray is None or not self._ray.is_running():
                self._restart_ray()
            time.sleep(WATCH_SECONDS)

    def stop(self) -> None:
        """End in order: applications, Ray, Temporal, Valkey, PostgreSQL, then whatever carries our marker."""
        try:
            if self._ray is not None:
                if self._ray.is_running():
                    with self._steps.step(f"{APPLICATIONS} drained"):
                        self._ray.drain()
                with self._steps.step(f"{NODE} stopped"):
                    self._ray.stop()
            for plan in reversed(self._plans):
                if server := self._servers.get(plan.name):
                    with self._steps.step(f"{plan.name} stopped"):
                        server.stop()
        finally:
            reap(self._folder.marker)
            remove_run_files(self._folder)

    def _settings(self) -> dict[str, str]:
        return driver_settings(
            folder=self._folder,
            secrets=self._secrets,
            environment=self._environment,
            servers={plan.setting: self._servers[plan.name].url for plan in self._plans},
            http_port=self._options.http_port,
            live_port=self._options.live_port,
            shards=self._options.shards,
            replicas=self._options.replicas,
        )

    def _start_server(self, plan: ServerPlan) -> None:
        server = plan.start()
        self._servers[plan.name] = server
        self._note_part(plan.name, server.child, plan.port)

    def _start_ray(self) -> RayCluster:
        plan = RayPlan(
            folder=self._folder,
            ports=self._ports,
            dashboard_port=self._options.dashboard_port,
            driver=self._options.driver,
        )
        self._ray = RayCluster(plan, self._environment)
        self._record = self._record.model_copy(update={"ray_folder": str(self._ray.run_folder)})
        self._note_part(NODE, self._ray.node, self._options.dashboard_port)
        return self._ray

    def _finish_ray(self, settings: Mapping[str, str]) -> None:
        if self._ray is None:
            raise RuntimeError("_start_ray comes first")
        with self._steps.step(NODE, began=self._ray.began):
            driver = self._ray.start_driver(settings)
            self._note_part(APPLICATIONS, driver, self._options.http_port)
            self._ray.wait_for_node()
        with self._steps.step(APPLICATIONS):
            self._ray.wait_for_applications()

    def _start_page(self) -> ChildProcess | None:
        if page_build.is_current():
            return None
        return spawn(
            PAGE,
            [sys.executable, "-m", page_build.__name__],
            log_path=self._folder.log("page"),
            environment={**self._environment, **self._folder.marker},
            session_nice=SESSION_NICENESS,
            directory=PROJECT,
        )

    def _finish_page(self, page: ChildProcess | None) -> None:
        """Return once the page is built. Until then the one of the last build is served."""
        if page is None:
            return
        with self._steps.step(PAGE, began=time.monotonic() - (time.time() - page.create_time)):
            try:
                code = page.process.wait(PAGE_SECONDS)
            except subprocess.TimeoutExpired:
                page.stop()
                code = page.process.returncode
            if code:
                raise ServerFailedError(PAGE, "could not be built", page.log_path)

    def _restart_server(self, plan: ServerPlan) -> None:
        code = self._servers[plan.name].child.process.returncode
        self._steps.note(f"{plan.name} ended with code {code}; starting it again")
        self._restarts.wait(plan.name)
        with suppress(ServerFailedError), self._steps.step(f"{plan.name} again"):
            self._start_server(plan)

    def _restart_ray(self) -> None:
        ended = self._ray.ended_part() if self._ray is not None else NODE
        self._steps.note(f"{ended} ended; starting Ray and the applications again")
        self._restarts.wait(NODE)
        if self._ray is not None:
            self._ray.stop()
            self._ray = None
        with suppress(ServerFailedError):
            self._start_ray()
            self._finish_ray(self._settings())

    def _note_part(self, name: str, child: ChildProcess, port: int) -> None:
        part = Part(pid=child.pid, create_time=child.create_time, port=port)
        self._record = self._record.model_copy(update={"parts": {**self._record.parts, name: part}})
        self._folder.write_record(self._record)


def up(options: StackOptions, steps: Steps, environment: Mapping[str, str]) -> int:
    """Run the stack until SIGINT, SIGTERM or SIGHUP and return the exit code. Only from the main thread."""
    folder = DataFolder(options.data_dir)
    folder.create()
    lock = folder.lock()
    if lock is None:
        record = folder.read_record()
        pid = record.supervisor.pid if record else "unknown"
        steps.console.print(f"the stack in {folder.path} is already running (pid {pid}); `make down` stops it")
        return 1
    with lock:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _request_stop)
        return _run(options, folder, steps, environment)


def _run(options: StackOptions, folder: DataFolder, steps: Steps, environment: Mapping[str, str]) -> int:
    stack: Stack | None = None
    code = 0
    try:
        clear_leftovers(folder, steps)
        _require_room(folder.path)
        for port, flag in (
            (options.http_port, "--http-port"),
            (options.live_port, "--live-port"),
            (options.dashboard_port, "--dashboard-port"),
        ):
            require_free(port, flag=flag)
        stack = Stack(options, folder, steps, environment)
        stack.start()
        stack.watch()
    except StopRequestedError:
        steps.note("stopping")
    except Exception as error:  # noqa: BLE001  # told below, and everything is stopped before the process ends
        steps.failure(error)
        code = 1
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if stack is not None:
        stack.stop()
    return code


def _direct_url(settings: Mapping[str, str]) -> str:
    return settings.get("DATABASE_DIRECT_URL") or settings["DATABASE_URL"]


def _require_room(folder: Path) -> None:
    for place in (folder, Path(tempfile.gettempdir())):
        if shutil.disk_usage(place).free < FREE_BYTES:
            raise StackError(f"less than 1 GB is free on the disk of {place}", hint="free some space, then start again")


def _request_stop(_number: int, _frame: FrameType | None) -> None:
    raise StopRequestedError
