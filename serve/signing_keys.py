"""The public keys an issuer signs with, from its JWKS document: kept, renewed, and outlived by an hour."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import httpx
import orjson
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.exceptions import PyJWTError

from actors.ports import UnavailableError

log = structlog.get_logger(__name__)

FRESH_SECONDS: Final = 600.0
"""How long a document is believed: Supabase's edge keeps it as long. A key that was withdrawn may live so long."""
STALE_SECONDS: Final = 3600.0
"""How long keys serve while the issuer does not answer."""
UNKNOWN_SECONDS: Final = 30.0
"""How often, at most, a `kid` that nobody knows makes us ask again."""
RETRY_SECONDS: Final = 5.0

_ANSWER_SECONDS: Final = 5.0
_MOST_BYTES: Final = 64 * 1024
_MOST_KEYS: Final = 32
_LEAST_RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyingKey:
    """A key with the one algorithm its kind stands for."""

    algorithm: str
    key: Any


class SigningKeys:
    """Keys by `kid`. One request at a time goes to the issuer; nothing that callers send makes them many."""

    def __init__(self, url: str, http: httpx.AsyncClient, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._http = http
        self._monotonic = monotonic
        self._keys: Mapping[str, VerifyingKey] = {}
        self._fetched_at: float | None = None
        self._asked_at: float | None = None
        self._failed = False
        self._asking = asyncio.Lock()

    async def find(self, kid: str) -> VerifyingKey | None:
        """The key of that name; None when the issuer has none.

        Raises UnavailableError when the issuer has not answered for STALE_SECONDS, or never did.
        """
        if self._is_due(kid):
            async with self._asking:
                # Whoever held the lock may have brought it.
                if self._is_due(kid):
                    await self._ask()
        if self._fetched_at is None or self._monotonic() - self._fetched_at > STALE_SECONDS:
            raise UnavailableError("the issuer of access tokens does not tell its keys")
        return self._keys.get(kid)

    def _is_due(self, kid: str) -> bool:
        if self._asked_at is None:
            return True
        waited = self._monotonic() - self._asked_at
        if self._failed:
            return waited >= RETRY_SECONDS
        return waited >= (FRESH_SECONDS if kid in self._keys else UNKNOWN_SECONDS)

    async def _ask(self) -> None:
        try:
            self._keys = keys_of(await self._document())
            self._fetched_at, self._failed = self._monotonic(), False
        except (httpx.HTTPError, TimeoutError, ValueError) as away:
            self._failed = True
            log.warning("the issuer of access tokens does not tell its keys", error=type(away).__name__)
        finally:
            self._asked_at = self._monotonic()

    async def _document(self) -> Any:
        async with asyncio.timeout(_ANSWER_SECONDS), self._http.stream("GET", self._url) as answer:
            answer.raise_for_status()
            body = bytearray()
            async for chunk in answer.aiter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise ValueError("the document is too large")
        return orjson.loads(body)


def keys_of(document: Any) -> Mapping[str, VerifyingKey]:
    """The keys of a JWKS document that signatures may be verified with; others are left out. Raises ValueError."""
    listed = cast("dict[str, Any]", document).get("keys") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise ValueError("no JWKS document")  # noqa: TRY004  # of the document's content, like every other fault of it
    found: dict[str, VerifyingKey] = {}
    for each in cast("list[Any]", listed)[:_MOST_KEYS]:
        if isinstance(each, dict):
            told = cast("dict[str, Any]", each)
            key = _verifying_key(told)
            if key is not None and isinstance(told.get("kid"), str):
                found[told["kid"]] = key
    return found


def _verifying_key(told: Mapping[str, Any]) -> VerifyingKey | None:
    """None for a kind not used here, a private or a weak key, and one meant for something else."""
    if told.get("use", "sig") != "sig" or "d" in told:
        return None
    try:
        match told.get("kty"):
            case "EC":
                key = ECAlgorithm.from_jwk(dict(told))
                is_fit = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
                algorithm = "ES256"
            case "RSA":
                key = RSAAlgorithm.from_jwk(dict(told))
                is_fit = isinstance(key, RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS
                algorithm = "RS256"
            case _:
                return None
    except (PyJWTError, ValueError, TypeError, KeyError):
        return None
    return VerifyingKey(algorithm=algorithm, key=key) if is_fit else None
