"""API keys: `sup_<id>_<secret>_<checksum>`. Only a hash of the secret is kept; the text is shown once."""

import hashlib
import hmac
import re
import secrets
import string
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from storage.postgres import Connection, Pool, acquired
from storage.principals import Principal
from storage.statements import statement

_ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_LENGTH: Final = 8
_SECRET_LENGTH: Final = 43
_CHECKSUM_LENGTH: Final = 6
KEY_SUBJECT: Final = "key:"
"""Begins the subject of a principal that a key speaks for; the key's id follows."""
_PATTERN: Final = re.compile(
    rf"sup_([0-9A-Za-z]{{{_ID_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})_([0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)

CACHE_SECONDS: Final = 5.0
_CACHED_KEYS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as its owner holds it. `text` is the secret."""

    key_id: str
    text: str = field(repr=False)

    @property
    def secret_hash(self) -> bytes:
        return _hash(self.text.split("_")[2])


def new_api_key() -> ApiKey:
    """A fresh key of 256 random bits, not kept anywhere yet."""
    key_id, secret = _random_text(_ID_LENGTH), _random_text(_SECRET_LENGTH)
    return ApiKey(key_id=key_id, text=f"sup_{key_id}_{secret}_{_checksum(key_id, secret)}")


def parse_api_key(text: str) -> ApiKey | None:
    """The key a text stands for, or None when the form or the checksum is wrong. Asks nobody."""
    matched = _PATTERN.fullmatch(text)
    if matched is None:
        return None
    key_id, secret, checksum = matched.groups()
    if not hmac.compare_digest(checksum, _checksum(key_id, secret)):
        return None
    return ApiKey(key_id=key_id, text=text)


async def add_api_key(
    connection: Connection,
    key: ApiKey,
    *,
    organization_id: str,
    name: str,
    scopes: Sequence[str],
    role: str = "viewer",
    expires_at: datetime | None = None,
    user_id: str | None = None,
) -> None:
    """Keep a key in the caller's transaction. Safe to repeat.

    `role` is what Postgres lets the key change, beside its scopes; `user_id` is for a login link: whose session it
    opens.
    """
    await connection.execute(
        statement("add_api_key"),
        key.key_id,
        UUID(organization_id),
        name,
        key.secret_hash,
        list(scopes),
        role,
        expires_at,
        UUID(user_id) if user_id is not None else None,
    )


async def revoke_api_keys_except(connection: Connection, key: ApiKey, *, organization_id: str, name: str) -> None:
    """Revoke every other key of that name of the organization. Safe to repeat."""
    await connection.execute(statement("revoke_api_keys_except"), UUID(organization_id), name, key.key_id)


class ApiKeys:
    """Verifies keys. An answer, good or bad, is kept for at most CACHE_SECONDS: so long a revocation may take."""

    def __init__(self, pool: Pool, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._monotonic = monotonic
        self._answers: OrderedDict[bytes, tuple[float, Principal | None]] = OrderedDict()

    async def verify(self, text: str) -> Principal | None:
        """Who the key speaks for; None when it is malformed, unknown, expired or revoked, which look the same.

        Raises StorageUnavailableError when Postgres is away and no recent answer is at hand.
        """
        key = parse_api_key(text)
        if key is None:
            return None
        return await self._answer(_hash(key.text), key.key_id, key.secret_hash)

    async def still(self, key_id: str) -> Principal | None:
        """Who a key speaks for that was verified before; None when it has expired or was revoked since.

        Raises StorageUnavailableError as `verify` does.
        """
        return await self._answer(_hash(key_id), key_id, None)

    async def _answer(self, asked: bytes, key_id: str, secret_hash: bytes | None) -> Principal | None:
        now = self._monotonic()
        kept = self._answers.get(asked)
        if kept is not None and kept[0] > now:
            return kept[1]
        principal = await self._look_up(key_id, secret_hash)
        self._answers[asked] = (now + CACHE_SECONDS, principal)
        self._answers.move_to_end(asked)
        if len(self._answers) > _CACHED_KEYS:
            self._answers.popitem(last=False)
        return principal

    async def spend(self, principal: Principal) -> bool:
        """Revoke the key behind the principal; True for exactly one caller. Raises StorageUnavailableError."""
        async with acquired(self._pool) as connection:
            spent = await connection.fetchval(
                statement("revoke_api_key"),
                principal.subject.removeprefix(KEY_SUBJECT),
                UUID(principal.organization_id),
            )
        return bool(spent)

    def forget(self, key_id: str) -> None:
        """Ask Postgres again at the key's next use: it was changed here."""
        subject = f"{KEY_SUBJECT}{key_id}"
        for digest in [digest for digest, (_, kept) in self._answers.items() if kept and kept.subject == subject]:
            del self._answers[digest]

    async def _look_up(self, key_id: str, secret_hash: bytes | None) -> Principal | None:
        async with acquired(self._pool) as connection:
            row = await connection.fetchrow(statement("api_key"), key_id)
            if row is None or (secret_hash is not None and not hmac.compare_digest(row["secret_hash"], secret_hash)):
                return None
            if row["is_use_due"]:
                # A standby takes no notes, and a key is good all the same.
                with suppress(asyncpg.PostgresError):
                    await connection.execute(statement("note_api_key_use"), key_id)
        return Principal(
            organization_id=str(row["organization_id"]),
            role=row["role"],
            user_id=str(row["user_id"]) if row["user_id"] is not None else None,
            subject=f"{KEY_SUBJECT}{row['id']}",
            scopes=frozenset(row["scopes"]),
        )


def _random_text(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def _checksum(key_id: str, secret: str) -> str:
    value, digits = zlib.crc32(f"sup_{key_id}_{secret}".encode()), ""
    while value:
        value, digit = divmod(value, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits.rjust(_CHECKSUM_LENGTH, _ALPHABET[0])


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
