"""Access tokens of Supabase Auth: who a signed token says is asking, or nobody."""

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, cast
from uuid import UUID

from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from serve.signing_keys import SigningKeys, VerifyingKey

LEEWAY_SECONDS: Final = 30
"""How far the issuer's clock may differ from ours."""
LONGEST_SECONDS: Final = 7 * 24 * 3600
"""Supabase's own bound on how long a token may be good for."""

_MOST_CHARACTERS: Final = 8 * 1024
_FORM: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)
_SHORTEST_SECRET: Final = 32
_jws: Final = PyJWS()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Whom a token was issued to."""

    user_id: str
    email: str | None
    expires_at: int


def _canonical(text: str) -> str:
    if str(UUID(text)) != text:
        raise ValueError("not the canonical form of a UUID")
    return text


class _Header(BaseModel):
    """All a header may say. Whatever names or brings a key of its own is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    alg: Literal["ES256", "RS256", "HS256"]
    typ: Literal["JWT"] = "JWT"
    kid: Annotated[str, Field(pattern=r"^[A-Za-z0-9._:+/=-]{1,200}$")] | None = None


class _Claims(BaseModel):
    """What of a token counts. Anonymous sign-ins are people without a name: they are refused too."""

    model_config = ConfigDict(extra="ignore", strict=True)

    iss: str
    aud: Literal["authenticated"]
    role: Literal["authenticated"]
    sub: Annotated[str, AfterValidator(_canonical)]
    exp: int
    iat: int
    nbf: int | None = None
    email: Annotated[str, Field(max_length=320, pattern=r"^[^\x00]*$")] | None = None
    is_anonymous: Literal[False] = False


class AccessTokens:
    """Verifies tokens of one issuer.

    The algorithm follows from the kind of the key, never from the header: an EC key on P-256 verifies ES256, an RSA key
    RS256, and only the project's legacy secret HS256, for tokens whose `kid` names none of the issuer's public keys.
    """

    def __init__(
        self, *, issuer: str, keys: SigningKeys, now: Callable[[], float], legacy_secret: str | None = None
    ) -> None:
        """`now` in Unix seconds. Raises ValueError for a legacy secret that is too short to be one."""
        if legacy_secret is not None and len(legacy_secret.encode()) < _SHORTEST_SECRET:
            raise ValueError(f"SUPABASE_JWT_SECRET has fewer than {_SHORTEST_SECRET} bytes")
        self._issuer = issuer
        self._keys = keys
        self._now = now
        self._legacy = VerifyingKey(algorithm="HS256", key=legacy_secret.encode()) if legacy_secret else None

    async def verify(self, text: str) -> Person | None:
        """Whom the token was issued to; None when anything about it is not exactly right.

        Raises UnavailableError when the issuer's keys are needed and were not to be had for an hour.
        """
        if len(text) > _MOST_CHARACTERS or _FORM.fullmatch(text) is None:
            return None
        try:
            header = _Header.model_validate(_json_object(_jws_part(text, 0)))
        except (ValueError, RecursionError):
            return None
        key = await self._keys.find(header.kid) if header.kid is not None else None
        key = key or self._legacy
        if key is None or key.algorithm != header.alg:
            return None
        try:
            payload = _jws.decode(text, key=key.key, algorithms=[key.algorithm])
            claims = _Claims.model_validate(_json_object(payload))
        except (PyJWTError, ValueError, RecursionError):
            return None
        return self._person(claims)

    def _person(self, claims: _Claims) -> Person | None:
        now = self._now()
        is_current = (
            claims.exp > now - LEEWAY_SECONDS
            and 0 <= claims.iat <= now + LEEWAY_SECONDS
            and 0 < claims.exp - claims.iat <= LONGEST_SECONDS
            and (claims.nbf is None or claims.nbf <= now + LEEWAY_SECONDS)
        )
        if claims.iss != self._issuer or not is_current:
            return None
        return Person(user_id=claims.sub, email=claims.email or None, expires_at=claims.exp)


def _jws_part(text: str, place: int) -> bytes:
    part = text.split(".")[place]
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _json_object(text: bytes) -> Mapping[str, Any]:
    """A JSON object in which no name occurs twice. Raises ValueError: readers differ in which of two they believe."""
    found = json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    if not isinstance(found, dict):
        raise ValueError("not an object")  # noqa: TRY004  # of the text's content, like every other fault of it
    return cast("dict[str, Any]", found)


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
