"""An issuer of access tokens as Supabase Auth is one: keys of every kind, over HTTP, rotated and lost at will."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm


def encoded(part: bytes | Mapping[str, Any]) -> str:
    raw = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@dataclass
class TokenIssuer:
    """`failing` answers 500 to whoever asks for the keys; `asked` counts them."""

    url: str = ""
    secret: str = "a-legacy-secret-of-more-than-32-bytes"
    keys: dict[str, Any] = field(default_factory=dict[str, Any])
    failing: bool = False
    body: bytes | None = None
    asked: int = 0

    def __post_init__(self) -> None:
        self.keys = {"ec-1": ec.generate_private_key(ec.SECP256R1()), "rsa-1": rsa.generate_private_key(65537, 2048)}

    @property
    def issuer(self) -> str:
        return f"{self.url}/auth/v1"

    def jwks(self) -> dict[str, Any]:
        return {"keys": [{**_public(key), "kid": kid, "use": "sig"} for kid, key in self.keys.items()]}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """A person's, as Supabase signs them; a value of None leaves a claim out."""
        now = int(time.time())
        told = {
            "iss": self.issuer,
            "aud": "authenticated",
            "role": "authenticated",
            "sub": str(uuid4()),
            "email": "person@example.com",
            "iat": now,
            "exp": now + 3600,
            "session_id": str(uuid4()),
            "is_anonymous": False,
            "app_metadata": {"provider": "email"},
        }
        return {name: value for name, value in (told | changed).items() if value is not None}

    def token(self, kid: str = "ec-1", *, header: Mapping[str, Any] | None = None, **changed: Any) -> str:
        key = self.keys[kid]
        algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
        return jwt.encode(self.claims(**changed), key, algorithm=algorithm, headers={"kid": kid, **(header or {})})

    def legacy(self, *, header: Mapping[str, Any] | None = None, **changed: Any) -> str:
        return jwt.encode(self.claims(**changed), self.secret, algorithm="HS256", headers=dict(header or {}))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One HTTP/1.1 request a connection."""
        request = await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        found = request.startswith(b"GET /auth/v1/.well-known/jwks.json ")
        body = self.body if self.body is not None else json.dumps(self.jwks()).encode()
        status = b"500 Away" if self.failing else b"200 OK" if found else b"404 Not Found"
        head = b"HTTP/1.1 %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body))
        writer.write(head + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def running_issuer() -> AsyncGenerator[TokenIssuer]:
    """An issuer that serves its keys on a port of its own."""
    made = TokenIssuer()
    async with await asyncio.start_server(made.handle, "127.0.0.1", 0) as server:
        made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield made


def _public(key: Any) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
