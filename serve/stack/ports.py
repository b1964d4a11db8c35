"""Ports of a stack: the three a person types are fixed, the rest is one block nobody else uses."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import psutil

from serve.stack.steps import StackError

FIRST_BLOCK: Final = 20_000
"""Above the worker ports of other Ray clusters, below their Serve replicas and the system's outgoing ports."""
BLOCK_SIZE: Final = 256
BLOCKS: Final = 39
_SERVERS: Final = (
    "postgres",
    "valkey",
    "temporal",
    "temporal_ui",
    "ray_gcs",
    "ray_client",
    "ray_agent_http",
    "ray_agent_grpc",
    "ray_runtime_env",
    "ray_metrics",
    "ray_node_manager",
    "ray_object_manager",
    "haproxy_metrics",
    "haproxy_statistics",
    "serve_fallback_http",
    "serve_fallback_grpc",
)
_REPLICAS_HTTP: Final = 32
_REPLICAS_GRPC: Final = 144
_REPLICA_PORTS: Final = 112


@dataclass(frozen=True, slots=True, kw_only=True)
class PortBlock:
    """Ports of one stack by name, and the two ranges its Serve replicas take theirs from."""

    first: int

    def __getitem__(self, server: str) -> int:
        return self.first + _SERVERS.index(server)

    @property
    def replicas_http(self) -> range:
        return range(self.first + _REPLICAS_HTTP, self.first + _REPLICAS_HTTP + _REPLICA_PORTS)

    @property
    def replicas_grpc(self) -> range:
        return range(self.first + _REPLICAS_GRPC, self.first + _REPLICAS_GRPC + _REPLICA_PORTS)

    def by_name(self) -> dict[str, int]:
        return {server: self[server] for server in _SERVERS}


class PortTakenError(StackError):
    """A fixed port is in use by another process."""


def choose_block(stack: UUID, *, preferred: int = 0) -> PortBlock:
    """Return the preferred block when all of it is free, else the first free one from a place of this stack's own.

    Two stacks that start at once look at different blocks first.
    """
    start = 1 + stack.int % (BLOCKS - 1)
    order = [preferred, *((start + step) % BLOCKS for step in range(BLOCKS))]
    taken = listening_ports()
    for number in order:
        first = FIRST_BLOCK + number * BLOCK_SIZE
        if taken.isdisjoint(range(first, first + BLOCK_SIZE)):
            return PortBlock(first=first)
    raise PortTakenError(
        f"none of the {BLOCKS} port blocks from {FIRST_BLOCK} is free", hint="stop another stack: `make down`"
    )


def require_free(port: int, *, flag: str) -> None:
    """Raise PortTakenError, naming the holder, when something listens on the loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return
    raise PortTakenError(f"port {port} is taken by {holder_of(port)}", hint=f"end it, or choose another with {flag}")


def holder_of(port: int) -> str:
    """Describe the process that listens on a port: `nginx (pid 4711)`."""
    for listening, pid in _listeners():
        if listening == port and pid is not None:
            with contextlib.suppress(psutil.NoSuchProcess):
                return f"{psutil.Process(pid).name()} (pid {pid})"
    return "a process of another user"


def listens(port: int, *, host: str = "127.0.0.1") -> bool:
    """Tell whether something accepts connections on the port of a loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def listening_ports() -> set[int]:
    """Return every TCP port of this machine with a listener."""
    return {port for port, _ in _listeners()}


def _listeners() -> Iterator[tuple[int, int | None]]:
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr:
            yield connection.laddr.port, connection.pid
