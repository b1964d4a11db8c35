"""What a stack keeps in its data folder: who runs, on which ports, with which secrets. Every write is atomic."""

import base64
import fcntl
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from serve.local_issuer import new_signing_key
from serve.stack.processes import STACK_MARKER, ProcessIdentity


class Part(BaseModel):
    """One running server or process group of the stack."""

    model_config = ConfigDict(frozen=True)

    pid: int
    create_time: float
    port: int | None = None
    started_at: float = Field(default_factory=time.time)

    @property
    def identity(self) -> ProcessIdentity:
        return ProcessIdentity(pid=self.pid, create_time=self.create_time)


class StackRecord(BaseModel):
    """stack.json: enough for `status` and `down` in another terminal, and for a start after a kill -9."""

    supervisor: Part
    ray_folder: str = ""
    ports: dict[str, int] = Field(default_factory=dict)
    urls: dict[str, str] = Field(default_factory=dict)
    parts: dict[str, Part] = Field(default_factory=dict)


class VendorSecrets(BaseModel):
    """What the simulated vendors know us by, and sign their webhooks with; each in its vendor's form."""

    stripe_key: str = Field(default_factory=lambda: f"sk_test_{secrets.token_hex(16)}")
    stripe_webhook: str = Field(default_factory=lambda: f"whsec_{secrets.token_hex(16)}")
    twilio_account: str = Field(default_factory=lambda: f"AC{secrets.token_hex(16)}")
    twilio_token: str = Field(default_factory=lambda: secrets.token_hex(16))
    resend_key: str = Field(default_factory=lambda: f"re_{secrets.token_hex(16)}")
    resend_webhook: str = Field(default_factory=lambda: f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}")


class Secrets(BaseModel):
    """secrets.json, generated once; readable by the owner only."""

    postgres_password: str = Field(default_factory=lambda: secrets.token_hex(16))
    valkey_password: str = Field(default_factory=lambda: secrets.token_hex(16))
    ray_token: str = Field(default_factory=lambda: secrets.token_hex(32))
    encryption_key: str = Field(default_factory=lambda: base64.b64encode(secrets.token_bytes(32)).decode())
    signing_key: str = Field(default_factory=new_signing_key)
    vendors: VendorSecrets = Field(default_factory=VendorSecrets)


class DataFolder:
    """The files of a stack by name."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @property
    def stack(self) -> UUID:
        """The stack's name on this machine: the same for the same folder, even when it was emptied meanwhile."""
        return uuid5(NAMESPACE_URL, self.path.as_uri())

    @property
    def marker(self) -> dict[str, str]:
        return {STACK_MARKER: str(self.stack)}

    @property
    def dev_file(self) -> Path:
        return self.path / "dev.json"

    @property
    def settings_file(self) -> Path:
        """The running stack's settings as NAME=value lines, for commands that read them from the environment."""
        return self.path / "settings.env"

    @property
    def record_file(self) -> Path:
        return self.path / "stack.json"

    @property
    def ray_token_file(self) -> Path:
        return self.path / "ray-token"

    def log(self, name: str) -> Path:
        return self.path / "logs" / f"{name}.log"

    def create(self) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "logs").mkdir(exist_ok=True)

    def lock(self) -> IO[bytes] | None:
        """Take the folder for this process until the returned file is closed; None when another process has it."""
        file = (self.path / "lock").open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def secrets(self) -> Secrets:
        """Read the secrets, making what is missing."""
        path = self.path / "secrets.json"
        held = Secrets.model_validate_json(path.read_bytes()) if path.exists() else Secrets()
        write_atomically(path, held.model_dump())
        write_atomically(self.ray_token_file, held.ray_token)
        return held

    def read_record(self) -> StackRecord | None:
        """Return what the running or last stack wrote, if anything."""
        if not self.record_file.exists():
            return None
        return StackRecord.model_validate_json(self.record_file.read_bytes())

    def write_record(self, record: StackRecord) -> None:
        write_atomically(self.record_file, record.model_dump())


def write_dev_file(path: Path, mapping: Mapping[str, object]) -> None:
    """Publish how to reach the running stack: whoever sees the file sees all of it."""
    write_atomically(path, mapping)


def write_atomically(path: Path, content: Mapping[str, object] | str) -> None:
    """Replace a file in one step, readable by its owner only."""
    text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
    unfinished = path.with_name(f".{path.name}.unfinished")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)
