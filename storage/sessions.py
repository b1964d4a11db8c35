"""Dashboard sessions: a random token in a cookie; in Redis its hash, whom it stands for, and each owner's list."""

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, cast

import orjson

from storage.redis import Redis, answered

SESSION_SECONDS: Final = 24 * 3600
MOST_SESSIONS: Final = 50
"""Of one person or one login link: the oldest ends when one more is opened."""

_ID_LENGTH: Final = 32
"""Hexadecimal digits of the token's hash: 128 bits that lead to no token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whom a session stands for: a person, by `user_id`, or one organization's login link, with its scopes."""

    subject: str
    user_id: str | None = None
    email: str | None = None
    organization_id: str | None = None
    scopes: frozenset[str] = frozenset()

    @property
    def opener(self) -> str:
        """Who may have MOST_SESSIONS: a person, or one login link, so that no link ends what another opened.

        Raises ValueError for a holder that is nobody.
        """
        if self.user_id is not None:
            return owner_of_person(self.user_id)
        return f"{self.owner}:{self.subject}"

    @property
    def owner(self) -> str:
        """Whose list the session is on. Raises ValueError for a holder that is nobody."""
        if self.user_id is not None:
            return owner_of_person(self.user_id)
        if self.organization_id is not None:
            return owner_of_links(self.organization_id)
        raise ValueError("a session stands for a person or for an organization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open session. `session_id` names it and opens nothing. Times in Unix seconds."""

    session_id: str
    holder: Holder
    opened_at: int
    expires_at: int


class Sessions:
    """Opens, finds and ends sessions. When Redis loses them, people log in again.

    Every method raises StorageUnavailableError.
    """

    def __init__(self, redis: Redis, *, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._now = now

    async def open(self, holder: Holder) -> str:
        """The token of a new session of SESSION_SECONDS, told once."""
        token, now = secrets.token_urlsafe(32), self._now()
        name = _name(token)
        content = {
            "subject": holder.subject,
            "user_id": holder.user_id,
            "email": holder.email,
            "organization_id": holder.organization_id,
            "scopes": sorted(holder.scopes),
            "opened_at": int(now),
        }
        async with answered():
            await self._redis.set(_key(name), orjson.dumps(content), ex=SESSION_SECONDS)
            for listed in {holder.opener, holder.owner}:
                await self._enlist(listed, name, now)
            await self._make_room(holder)
        return token

    async def find(self, token: str) -> Session | None:
        """The session of a token; None when it is unknown, over or ended."""
        return await self.named(_name(token))

    async def named(self, session_id: str) -> Session | None:
        """The session of an id; None when it is unknown, over or ended."""
        async with answered():
            content = await self._redis.get(_key(session_id))
        return _session(session_id, content)

    async def end(self, token: str) -> None:
        """Forget the session. Safe to repeat."""
        await self._end([_name(token)])

    async def of(self, owner: str) -> Sequence[Session]:
        """An owner's open sessions, newest first."""
        names = await self._names(owner)
        if not names:
            return []
        async with answered():
            contents = await self._redis.mget([_key(name) for name in names])
        found = (_session(name, content) for name, content in zip(names, contents, strict=True))
        return [each for each in found if each is not None]

    async def end_one(self, owner: str, session_id: str) -> bool:
        """End one session; False when its owner has none of that id."""
        names = [name for name in await self._names(owner) if name == session_id]
        return await self._end(names) > 0

    async def end_all(self, owner: str) -> int:
        """End every session of an owner; how many there were."""
        return await self._end(await self._names(owner))

    async def _enlist(self, owner: str, name: str, now: float) -> None:
        listed = _list(owner)
        await self._redis.zremrangebyscore(listed, 0, now - SESSION_SECONDS)
        await self._redis.zadd(listed, {name: now})
        await self._redis.expire(listed, SESSION_SECONDS)

    async def _make_room(self, holder: Holder) -> None:
        surplus: list[bytes] = await _zrange(self._redis)(_list(holder.opener), 0, -MOST_SESSIONS - 1)
        if surplus:
            await self._redis.delete(*(_key(each.decode()) for each in surplus))
            for listed in {holder.opener, holder.owner}:
                await self._redis.zrem(_list(listed), *surplus)

    async def _names(self, owner: str) -> list[str]:
        async with answered():
            listed: list[bytes] = await _zrange(self._redis)(_list(owner), 0, -1, desc=True)
        return [name.decode() for name in listed]

    async def _end(self, names: Sequence[str]) -> int:
        """Forget sessions, and that they stood on anybody's list: what is over takes nobody's place there."""
        if not names:
            return 0
        keys = [_key(name) for name in names]
        async with answered():
            found = [_session(name, content) for name, content in zip(names, await self._redis.mget(keys), strict=True)]
            ended = await self._redis.delete(*keys)
            listed: dict[str, list[str]] = {}
            for session in filter(None, found):
                for owner in {session.holder.opener, session.holder.owner}:
                    listed.setdefault(owner, []).append(session.session_id)
            for owner, those in listed.items():
                await self._redis.zrem(_list(owner), *those)
        return int(ended)


def owner_of_person(user_id: str) -> str:
    """The owner of a person's own sessions."""
    return f"user:{user_id}"


def owner_of_links(organization_id: str) -> str:
    """The owner of the sessions that an organization's login links opened for nobody in particular."""
    return f"organization:{organization_id}"


def _session(name: str, content: object) -> Session | None:
    if not isinstance(content, bytes):
        return None
    kept = orjson.loads(content)
    opened_at = kept.get("opened_at", 0)
    return Session(
        session_id=name,
        holder=Holder(
            subject=kept["subject"],
            user_id=kept.get("user_id"),
            email=kept.get("email"),
            organization_id=kept["organization_id"],
            scopes=frozenset(kept["scopes"]),
        ),
        opened_at=opened_at,
        expires_at=opened_at + SESSION_SECONDS,
    )


def _zrange(redis: Redis) -> Any:
    """The command, whose annotations do not tell all of what it answers."""
    return cast("Any", redis).zrange


def _name(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()[:_ID_LENGTH]


def _key(name: str) -> str:
    return f"session:{name}"


def _list(owner: str) -> str:
    return f"sessions:{owner}"
