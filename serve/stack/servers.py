"""The stack's three servers, each replaced by the environment variable that names another one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from serve.stack.ports import PortBlock
from serve.stack.processes import PART_MARKER
from serve.stack.state import DataFolder, Secrets
from serve.stack.temporal_server import start_temporal
from storage.child_process import ChildProcess
from storage.embedded import start_postgres, start_valkey

POSTGRES: Final = "PostgreSQL 18"
VALKEY: Final = "Valkey"
TEMPORAL: Final = "Temporal"


class Server(Protocol):
    """A running server of the stack."""

    @property
    def child(self) -> ChildProcess: ...
    @property
    def url(self) -> str: ...
    def is_running(self) -> bool: ...
    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerPlan:
    """How one server starts, on which port, and the setting that tells the product where it is."""

    name: str
    setting: str
    port: int
    start: Callable[[], Server]


def plan_servers(
    folder: DataFolder, ports: PortBlock, secrets: Secrets, environment: Mapping[str, str]
) -> list[ServerPlan]:
    """Return the servers to start, in order: those `environment` does not already name elsewhere.

    Starting one again after it died uses the same port, data and password.
    """

    def postgres() -> Server:
        return start_postgres(
            folder.path / "postgres",
            password=secrets.postgres_password,
            port=ports["postgres"],
            log_path=folder.log("postgres"),
            marker={**folder.marker, PART_MARKER: "postgres"},
        )

    def valkey() -> Server:
        return start_valkey(
            folder.path / "valkey",
            password=secrets.valkey_password,
            port=ports["valkey"],
            log_path=folder.log("valkey"),
            marker={**folder.marker, PART_MARKER: "valkey"},
        )

    def temporal() -> Server:
        return start_temporal(
            folder.path / "temporal",
            port=ports["temporal"],
            ui_port=ports["temporal_ui"],
            log_path=folder.log("temporal"),
            marker={**folder.marker, PART_MARKER: "temporal"},
        )

    plans = (
        ServerPlan(name=POSTGRES, setting="DATABASE_URL", port=ports["postgres"], start=postgres),
        ServerPlan(name=VALKEY, setting="REDIS_URL", port=ports["valkey"], start=valkey),
        ServerPlan(name=TEMPORAL, setting="TEMPORAL_ADDRESS", port=ports["temporal"], start=temporal),
    )
    return [plan for plan in plans if plan.setting not in environment]
