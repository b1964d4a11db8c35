"""Who may listen: tickets for browsers, API keys and access tokens for programs."""

import re
import time
from collections.abc import Callable, Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import parse_qs, urlsplit

from websockets.http11 import Request

from actors.ports import UnavailableError
from serve.access_tokens import LEEWAY_SECONDS
from serve.live.encoding import Encoding
from serve.live.ports import Credentials, Tickets
from storage.live_position import Position
from storage.tickets import Standing

ADMISSION_SECONDS: Final = 60.0
"""How often it is asked again whether an open socket's session, key or token still permits it, and when one ends."""

_PATH: Final = re.compile(r"/live/([^/]{1,100})")
_MOST_PARAMETERS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request asks to listen to. `resumes`: a position was given, though perhaps not one of ours.

    `encoding`: the one asked for; without, all that may be sent.
    """

    organization_id: str
    ticket: str | None
    bearer: str | None
    after: Position | None
    resumes: bool
    encoding: Encoding | None = None


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
        encoding=Encoding.WALLBOARD if parameters.get("view") == [Encoding.WALLBOARD] else None,
    )


class Refusal(Enum):
    """Why a socket is closed: its credential is over, and another may be good; or whoever it is may not listen."""

    EXPIRED = (4001, "credential expired")
    NOT_PERMITTED = (4503, "not permitted")


@dataclass(slots=True, kw_only=True)
class Admission:
    """By what a socket was let in, and when (on the clock of `now`) that was looked at and is again."""

    organization_id: str
    by: Standing | str
    """What a ticket was issued by, or an API key or access token itself."""
    looked_at: float
    until: float
    subject: str
    """Whose credential it is."""
    encoding: Encoding
    """What it is let in to."""


class Access:
    """Checks credentials. A wrong one and one of another organization are answered alike."""

    def __init__(
        self, tickets: Tickets, credentials: Credentials, *, unix_time: Callable[[], float] = time.time
    ) -> None:
        self._tickets = tickets
        self._credentials = credentials
        self._time = unix_time

    async def admit(self, target: Target, now: float) -> Admission | None:
        """Let in whoever may listen, or None. Redeems the ticket. Raises UnavailableError."""
        if target.ticket is not None:
            by: Standing | str | None = await self._tickets.redeem(target.ticket)
            if by is None or by.organization_id != target.organization_id:
                return None
        else:
            by = target.bearer
        if by is None:
            return None
        subject = by.subject if isinstance(by, Standing) else ""  # that of a key or token is told with its answer
        encoding = target.encoding or Encoding.FULL
        if isinstance(by, Standing) and by.is_for_a_wallboard:
            encoding = Encoding.WALLBOARD
        admission = Admission(
            organization_id=target.organization_id,
            by=by,
            looked_at=now,
            until=now,
            subject=subject,
            encoding=encoding,
        )
        try:
            refusal = await self._judge(admission, now)
            if refusal is Refusal.NOT_PERMITTED and encoding is Encoding.FULL:
                # A key for a wallboard, by itself or narrowed since its ticket.
                admission.encoding = Encoding.WALLBOARD
                refusal = await self._judge(admission, now)
        except UnavailableError:
            if isinstance(by, str):
                raise
            # It was good when the ticket was issued, a minute ago at most, and is looked at again at once.
            refusal = None
        return admission if refusal is None else None

    async def renew(self, admission: Admission, now: float) -> Refusal | None:
        """Let a socket stay for another ADMISSION_SECONDS, or say why not. Raises UnavailableError."""
        refusal = await self._judge(admission, now)
        if refusal is Refusal.EXPIRED and not await self._credentials.is_organization(admission.organization_id):
            return Refusal.NOT_PERMITTED
        return refusal

    async def deleted_among(self, organization_ids: Collection[str]) -> AbstractSet[str]:
        """Those of these organizations that are none (any more). Raises UnavailableError."""
        return await self._credentials.deleted_among(organization_ids)

    async def _judge(self, admission: Admission, now: float) -> Refusal | None:
        identity = await self._credentials.present(admission.by)
        if identity is None:
            return Refusal.EXPIRED
        principal = await self._credentials.within(identity, admission.organization_id)
        if principal is None or not admission.encoding.is_permitted(principal.scopes):
            return Refusal.NOT_PERMITTED
        admission.until, admission.subject = now + ADMISSION_SECONDS, principal.subject
        if identity.expires_at is not None:
            left = identity.expires_at + LEEWAY_SECONDS - self._time()
            admission.until = min(admission.until, now + max(0.0, left))
        return None
