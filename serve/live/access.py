"""Who may listen: tickets for browsers, API keys and access tokens for programs."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.http11 import Request

from serve.live.ports import Credentials, Tickets
from storage.live_position import Position

SCOPE: Final = "live:read"
TICKET_LASTS_SECONDS: Final = 3_600.0
"""A socket opened with a ticket is asked to come back with a new one, so that a session's end is noticed."""
KEY_LASTS_SECONDS: Final = 60.0
"""How often an open socket's key or token is verified again."""

_PATH: Final = re.compile(r"/live/([^/]{1,100})")
_MOST_PARAMETERS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request asks to listen to. `resumes`: a position was given, though perhaps not one of ours."""

    organization_id: str
    ticket: str | None
    bearer: str | None
    after: Position | None
    resumes: bool


def target_of(request: Request) -> Target | None:
    """What the request asks for, or None when it is not for us."""
    url = urlsplit(request.path)
    matched = _PATH.fullmatch(url.path)
    if matched is None:
        return None
    try:
        parameters = parse_qs(url.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        return None
    after = parameters.get("after", [None])[0]
    scheme, _, key = next(iter(request.headers.get_all("Authorization")), "").partition(" ")
    return Target(
        organization_id=matched[1],
        ticket=parameters.get("ticket", [None])[0],
        bearer=key.strip() if scheme.lower() == "bearer" else None,
        after=Position.parse(after) if after is not None else None,
        resumes=after is not None,
    )


class Access:
    """Checks credentials. A wrong one and one of another organization are answered alike."""

    def __init__(self, tickets: Tickets, credentials: Credentials) -> None:
        self._tickets = tickets
        self._credentials = credentials

    async def admits_until(self, target: Target, now: float) -> float | None:
        """When, on the clock of `now`, the credential must be looked at again; None: not permitted.

        Redeems the ticket. Raises UnavailableError.
        """
        if target.ticket is not None:
            admitted = await self._tickets.redeem(target.ticket)
            return now + TICKET_LASTS_SECONDS if admitted == target.organization_id else None
        return await self.still_admits_until(target, now)

    async def still_admits_until(self, target: Target, now: float) -> float | None:
        """The same for a socket that is open: a ticket's time is over, a key may still be good."""
        if target.ticket is not None or target.bearer is None:
            return None
        principal = await self._credentials.bearer_within(target.bearer, target.organization_id)
        if principal is None or SCOPE not in principal.scopes:
            return None
        return now + KEY_LASTS_SECONDS
