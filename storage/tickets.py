"""Live tickets: what a browser shows to open a websocket, because it cannot send a header with one."""

import secrets
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final

import orjson

from storage.redis import Redis, answered

TICKET_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """By what somebody was let in, told so that it can be asked again later whether that still holds.

    It opens nothing. `session_id` is the session's, if it was one; `expires_at` an access token's (Unix seconds), if it
    was one; else `subject` names an API key. `is_for_a_wallboard`: it shows figures only, whatever else is permitted.
    """

    organization_id: str
    subject: str
    user_id: str | None = None
    session_id: str | None = None
    expires_at: int | None = None
    is_for_a_wallboard: bool = False


class Tickets:
    """Issues and redeems tickets. Redis keeps only their hash; when it loses them, clients ask for another."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, standing: Standing) -> str:
        """A ticket good for one connection within TICKET_SECONDS. Raises StorageUnavailableError."""
        ticket = secrets.token_urlsafe(32)
        async with answered():
            await self._redis.set(_key(ticket), _told(standing), ex=TICKET_SECONDS)
        return ticket

    async def redeem(self, ticket: str) -> Standing | None:
        """By what the ticket was issued, to exactly one caller; None when unknown, used or expired.

        Raises StorageUnavailableError.
        """
        async with answered():
            content = await self._redis.getdel(_key(ticket))
        return Standing(**orjson.loads(content)) if isinstance(content, bytes) else None


def _told(standing: Standing) -> bytes:
    # What says nothing is left out, so that a hub of the release before can read the ticket.
    return orjson.dumps(
        {name: value for name, value in asdict(standing).items() if value is not None and value is not False}
    )


def _key(ticket: str) -> str:
    return f"live-ticket:{sha256(ticket.encode(errors='surrogatepass')).hexdigest()}"
