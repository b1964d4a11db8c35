import subprocess
from pathlib import Path

from ray.serve._private.constants import HTTP_PROXY_TIMEOUT

from serve.stack.ports import PortBlock
from serve.stack.ray_node import prepare_folder, ray_command, ray_environment

SOCKET_PATH_LIMIT = 107
NODE_ID = "0" * 56
ONE, OTHER = PortBlock(first=20_000), PortBlock(first=20_256)


def environment(ports: PortBlock, folder: str) -> dict[str, str]:
    base = {
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": "/home/someone",
        "RAY_ADDRESS": "ray://elsewhere:10001",
        "RAY_SERVE_LOG_TO_STDERR": "1",
    }
    return ray_environment(base=base, folder=Path(folder), ports=ports, token_file=Path(folder) / "token")


def test_two_stacks_share_no_port_and_no_file() -> None:
    one, other = environment(ONE, "/tmp/cs-aaaaaaaa"), environment(OTHER, "/tmp/cs-bbbbbbbb")
    own = {name for name, value in one.items() if any(part in value for part in ("/tmp/cs-", "20"))}
    assert len(own) >= 15
    assert not {one[name] for name in own} & {other[name] for name in own}
    folder = Path("/tmp/cs-aaaaaaaa")
    flags = [ray_command(folder=folder, ports=ports, dashboard_port=ports.first + 255) for ports in (ONE, OTHER)]
    shared = set(flags[0]) & set(flags[1])
    assert {flag for flag in shared if "port=" in flag} == {"--min-worker-port=0", "--max-worker-port=0"}


def test_ray_settings_of_the_callers_shell_do_not_reach_the_node() -> None:
    settings = environment(ONE, "/tmp/cs-aaaaaaaa")
    assert settings["RAY_ADDRESS"] == f"127.0.0.1:{ONE['ray_gcs']}"
    assert "RAY_SERVE_LOG_TO_STDERR" not in settings
    assert "PYTHONDONTWRITEBYTECODE" not in settings
    assert settings["HOME"] == "/home/someone"


def test_a_proxy_may_take_as_long_to_be_ready_as_serve_waits_for_it() -> None:
    bound = float(environment(ONE, "/tmp/cs-aaaaaaaa")["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"])
    assert bound >= HTTP_PROXY_TIMEOUT


def test_the_longest_socket_path_fits() -> None:
    admin = Path(environment(ONE, "/tmp/cs-aaaaaaaa")["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    assert len(f"{admin.parent / NODE_ID / admin.name}.{2**22}.tmp") <= SOCKET_PATH_LIMIT


def test_haproxy_shows_its_statistics_on_loopback_only(tmp_path: Path) -> None:
    prepare_folder(tmp_path)
    script = tmp_path / "haproxy-loopback"
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(
        "frontend prometheus\n    bind :9101\n    mode http\nfrontend http_frontend\n    bind 127.0.0.1:8000\n"
        "listen stats\n  bind *:8404\n"
    )
    subprocess.run([script, "-c", "-f", configuration], check=False, capture_output=True, timeout=20)
    bound = [line.split()[1] for line in configuration.read_text().splitlines() if line.strip().startswith("bind")]
    assert bound == ["127.0.0.1:9101", "127.0.0.1:8000", "127.0.0.1:8404"]
