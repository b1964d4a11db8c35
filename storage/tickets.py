"""Live tickets: what a browser shows to open a websocket, because it cannot send a header with one."""

import secrets
from hashlib import sha256
from typing import Final

from storage.redis import Redis, answered

TICKET_SECONDS: Final = 60


class Tickets:
    """Issues and redeems tickets. Redis keeps only their hash; when it loses them, clients ask for another."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def issue(self, organization_id: str) -> str:
        """A ticket good for one connection within TICKET_SECONDS. Raises StorageUnavailableError."""
        ticket = secrets.token_urlsafe(32)
        async with answered():
            await self._redis.set(_key(ticket), organization_id, ex=TICKET_SECONDS)
        return ticket

    async def redeem(self, ticket: str) -> str | None:
        """The organization of the ticket, to exactly one caller; None when unknown, used or expired.

        Raises StorageUnavailableError.
        """
        async with answered():
            organization_id = await self._redis.getdel(_key(ticket))
        return organization_id.decode() if isinstance(organization_id, bytes) else None


def _key(ticket: str) -> str:
    return f"live-ticket:{sha256(ticket.encode(errors='surrogatepass')).hexdigest()}"
