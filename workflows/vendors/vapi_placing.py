"""Placing calls at VAPI, which knows no idempotency key: asked once, and looked up when the answer is lost."""

from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

import httpx
import orjson

from actors.domain.json_types import JSON
from workflows.errors import ProviderUnavailableError, RefusedError
from workflows.vendors.tls import tls_context
from workflows.vendors.vapi_control import words_of
from workflows.vendors.vapi_values import WireError, decode, mapping, sequence, text

_TIMEOUT: Final = httpx.Timeout(15, connect=5, pool=5)
_MAX_BYTES: Final = 8_000_000
_AMBIGUOUS: Final = frozenset({408, 425})
_PAGE: Final = 1_000
_PAGES: Final = 10

Outcome: TypeAlias = Literal["placed", "refused", "unreached", "unanswered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacingAnswer:
    """What became of the request.

    `placed`: `call` is VAPI's record of it, secrets included. `refused` and `unreached`: there is no call.
    `unanswered`: there may be one.
    """

    outcome: Outcome
    call: dict[str, JSON]
    call_id: str | None = None
    status: int | None = None
    words: str | None = None


class PlacingClient:
    """Asks VAPI for calls. Nothing is tried twice. Used as an async context manager."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url.rstrip('/')}/call"
        # A connection that the server gave up meanwhile would make an answer ambiguous for nothing.
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=0)
        self._http = httpx.AsyncClient(
            verify=tls_context(), timeout=_TIMEOUT, limits=limits, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def place(self, key: str, request: dict[str, JSON]) -> PlacingAnswer:
        """`POST /call`, once. Raises nothing: every failure is an answer."""
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        try:
            response = await self._http.post(self._url, content=orjson.dumps(request), headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as away:
            return PlacingAnswer(outcome="unreached", call={}, words=type(away).__name__)
        except httpx.HTTPError as silent:
            return PlacingAnswer(outcome="unanswered", call={}, words=type(silent).__name__)
        status = response.status_code
        call = _object(response.content) if response.is_success else {}
        call_id = text(call.get("id"))
        if call_id is not None:
            return PlacingAnswer(outcome="placed", call=call, call_id=call_id, status=status)
        ambiguous = response.is_success or response.is_server_error or status in _AMBIGUOUS
        return PlacingAnswer(
            outcome="unanswered" if ambiguous else "refused",
            call={},
            status=status,
            words=words_of(response.content[:16_384]),
        )

    async def find(self, key: str, name: str, *, since: datetime, until: datetime) -> dict[str, JSON] | None:
        """The call that was placed under this name within the times; None when VAPI has none.

        Raises ProviderUnavailableError and RefusedError: then it is not known.
        """
        for _ in range(_PAGES):
            page = await self._list(key, since, until)
            for call in page:
                if call.get("name") == name and text(call.get("id")) is not None:
                    return call
            oldest = text(page[-1].get("createdAt")) if page else None
            if len(page) < _PAGE or oldest is None:
                return None
            until = _earlier(oldest, until)
        raise RefusedError("too many calls to look through")

    async def _list(self, key: str, since: datetime, until: datetime) -> list[dict[str, JSON]]:
        params = {"limit": str(_PAGE), "createdAtGe": since.isoformat(), "createdAtLe": until.isoformat()}
        try:
            response = await self._http.get(self._url, params=params, headers={"authorization": f"Bearer {key}"})
        except httpx.HTTPError as away:
            raise ProviderUnavailableError(type(away).__name__) from away
        if response.is_server_error or response.status_code in {*_AMBIGUOUS, 429}:
            raise ProviderUnavailableError(f"status {response.status_code}")
        if not response.is_success or len(response.content) > _MAX_BYTES:
            raise RefusedError(f"status {response.status_code}")
        try:
            told, _ = decode(response.content)
        except WireError as unreadable:
            raise RefusedError("the list cannot be read") from unreadable
        return [mapping(each) for each in sequence(told)]


def _object(content: bytes) -> dict[str, JSON]:
    try:
        told, _ = decode(content)
    except WireError:
        return {}
    return mapping(told)


def _earlier(oldest: str, until: datetime) -> datetime:
    try:
        return min(datetime.fromisoformat(oldest), until)
    except (ValueError, TypeError):
        raise RefusedError("the list tells no times") from None
