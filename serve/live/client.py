"""A client of the live hub: keeps a board up to date across lost connections."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from serve.live.board import Applied, LiveBoard

SILENCE_SECONDS: Final = 15.0
"""Three heartbeats missed: the connection is dead, whatever TCP believes."""
FIRST_RETRY_SECONDS: Final = 0.5
LONGEST_RETRY_SECONDS: Final = 20.0
FRAME_BYTES: Final = 64 * 1024 * 1024
_TERMINAL: Final = range(4500, 5000)
_REFUSED_STATUSES: Final = frozenset({401, 403, 404})


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A ticket (single use) or an API key."""

    ticket: str | None = None
    api_key: str | None = None


@dataclass(frozen=True, slots=True)
class Connected:
    """The hub took the connection; frames follow."""


@dataclass(frozen=True, slots=True)
class Received:
    """A frame came; the board has taken it in."""

    frame: dict[str, Any]
    applied: Applied


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection ended; the next attempt is in so many seconds."""

    reason: str
    retry_seconds: float


Update: TypeAlias = Connected | Received | Lost


class NotPermittedError(Exception):
    """The hub said not to come back: the credential is not good for this organization, or it is gone."""


def live_url(base: str, organization_id: str, *, ticket: str | None = None, after: str | None = None) -> str:
    """The address of an organization's feed on the hub at `base` (ws:// or wss://)."""
    asked = {name: value for name, value in (("ticket", ticket), ("after", after)) if value is not None}
    return f"{base.rstrip('/')}/live/{quote(organization_id, safe='')}" + (f"?{urlencode(asked)}" if asked else "")


def retry_delay(attempt: int, jitter: float) -> float:
    """Seconds before an attempt (0, 1, …): anywhere up to a bound that doubles, so that a crowd spreads out.

    `jitter` is from [0, 1).
    """
    return jitter * min(LONGEST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2**attempt)


async def follow(
    base: str,
    organization_id: str,
    credential: Callable[[], Awaitable[Credential]],
    board: LiveBoard,
) -> AsyncIterator[Update]:
    """Keep `board` current for ever, resuming from its position after each loss. Raises NotPermittedError.

    `credential` is asked before each attempt, since a ticket is good for one.
    """
    attempt = 0
    while True:
        reason = "ended"
        try:
            async with await _open(base, organization_id, await credential(), board) as connection:
                yield Connected()
                async for frame in _frames(connection):
                    attempt = 0
                    applied = board.apply(frame)
                    yield Received(frame, applied)
                    if applied == "hole":
                        reason = "a frame was lost on the way"
                        break
        except ConnectionClosed as closed:
            code, why = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "cut off")
            if code in _TERMINAL:
                raise NotPermittedError(why) from closed
            reason = f"{code} {why}".strip()
        except (OSError, InvalidHandshake) as failed:
            if isinstance(failed, InvalidStatus) and failed.response.status_code in _REFUSED_STATUSES:
                raise NotPermittedError(str(failed)) from failed
            reason = str(failed) or "no answer"
        delay = retry_delay(attempt, random.random())  # noqa: S311  # spreads clients, guards nothing
        attempt += 1
        yield Lost(reason, delay)
        await asyncio.sleep(delay)


async def _open(base: str, organization_id: str, credential: Credential, board: LiveBoard) -> ClientConnection:
    after = str(board.position) if board.position is not None else None
    headers = {"Authorization": f"Bearer {credential.api_key}"} if credential.api_key else {}
    return await connect(
        live_url(base, organization_id, ticket=credential.ticket, after=after),
        additional_headers=headers,
        compression=None,
        max_size=FRAME_BYTES,
        open_timeout=10,
        close_timeout=2,
        proxy=None,
    )


async def _frames(connection: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    while True:
        async with asyncio.timeout(SILENCE_SECONDS):
            message = await connection.recv()
        yield json.loads(message)
