"""Which running stack is driven, as dev.json describes it."""

import socket
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import typer
from pydantic import BaseModel, ValidationError

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_CONNECT_SECONDS = 5.0
_PORTS = {"https": 443, "wss": 443}


class _Organization(BaseModel):
    organization_id: str
    api_key: str
    vapi_secret: str


class _DevFile(_Organization):
    base_url: str
    live_url: str
    other: _Organization | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A stack and one of its organizations. URLs have no trailing slash."""

    base_url: str
    live_url: str
    organization_id: str
    api_key: str = field(repr=False)
    vapi_secret: str = field(repr=False)

    @property
    def webhook_url(self) -> str:
        return f"{self.base_url}/webhooks/vapi/{self.organization_id}"

    @property
    def control_base(self) -> str:
        """Where the stack's own simulator takes commands for calls; its allow-list of hosts knows it when embedded."""
        return f"{self.base_url}/simulator/vapi/call"

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def v1(self, path: str) -> str:
        """The address of something of the organization in the REST API."""
        return f"{self.base_url}/v1/organizations/{self.organization_id}/{path}"


def read_target(data_dir: Path, organization: str) -> Target:
    """The stack that runs in a data folder; `organization` is `main` or `other`. Raises typer.BadParameter."""
    path = data_dir / "dev.json"
    try:
        dev = _DevFile.model_validate(orjson.loads(path.read_bytes()))
    except FileNotFoundError as missing:
        raise typer.BadParameter(f"no stack runs in {data_dir}: start one with `make up`") from missing
    except (orjson.JSONDecodeError, ValidationError) as unreadable:
        raise typer.BadParameter(f"{path} cannot be read: restart the stack") from unreadable
    chosen = {"main": dev, "other": dev.other}.get(organization)
    if chosen is None:
        raise typer.BadParameter(f"no organization `{organization}`: there are `main` and `other`")
    return Target(
        base_url=dev.base_url.rstrip("/"),
        live_url=dev.live_url.rstrip("/"),
        organization_id=chosen.organization_id,
        api_key=chosen.api_key,
        vapi_secret=chosen.vapi_secret,
    )


def require_loopback(url: str) -> None:
    """Load is made against this machine alone. Raises typer.BadParameter for any other host."""
    host = urlsplit(url).hostname
    if host not in _LOOPBACK:
        raise typer.BadParameter(f"{host} is not this machine: load is made on loopback only")


def require_running(url: str) -> None:
    """A stack that was killed leaves dev.json behind. Raises typer.BadParameter when nobody listens at `url`."""
    parts = urlsplit(url)
    address = (parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 80))
    try:
        socket.create_connection(address, timeout=_CONNECT_SECONDS).close()
    except OSError as away:
        raise typer.BadParameter(f"nothing answers at {url} ({away}): is the stack up? `make up` starts it") from away
