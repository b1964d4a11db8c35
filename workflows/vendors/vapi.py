"""VAPI's REST API, as far as post-call processing needs it. Nothing is retried here: Temporal does that in the open."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx

from actors.domain.iso_time import iso
from actors.domain.json_types import JSON
from workflows.errors import AbsentError, ProviderUnavailableError, RefusedError
from workflows.vendors.redaction import redact
from workflows.vendors.tls import tls_context
from workflows.vendors.vapi_values import WireError, decode, moment

RECORDING_HOSTS = (
    "vapi.ai",
    "r2.cloudflarestorage.com",
    "storage.googleapis.com",
    "s3.amazonaws.com",
    "s3.us-west-2.amazonaws.com",
)
"""Domains recordings are fetched from, over https. The base URL's own origin is trusted as configured."""

_TIMEOUT = httpx.Timeout(10, connect=5, pool=5)
_DOWNLOAD_TIMEOUT = httpx.Timeout(30, connect=5, pool=30)
_MAX_REDIRECTS = 3
_MAX_RECORD_BYTES = 8_000_000
_MAX_PAGE_BYTES = 64_000_000
_PAGE = 50
_GONE = frozenset({404, 410})
_LATER = frozenset({408, 425, 429})
_DEFAULT_CONTENT_TYPE = "audio/wav"
_MAX_CONTENT_TYPE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A recording on its way: `size` in bytes when the server tells."""

    content_type: str
    size: int | None
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """Records without secrets, the newest call first.

    `next_created_until` (ms) bounds the next page; None when there is none.
    """

    records: Sequence[dict[str, JSON]]
    next_created_until: int | None


class VapiClient:
    """Asks VAPI. One per process: connections are pooled. Used as an async context manager."""

    def __init__(self, base_url: str, *, recording_hosts: Sequence[str] = RECORDING_HOSTS) -> None:
        self._base = httpx.URL(base_url.rstrip("/"))
        self._hosts = tuple(recording_hosts)
        self._http = httpx.AsyncClient(
            verify=tls_context(),
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def get_call(self, key: str, call_id: str) -> dict[str, JSON]:
        """VAPI's record of the call, without secrets. Raises AbsentError, RefusedError, ProviderUnavailableError."""
        record = await self._read(self._call_url(call_id), key, limit=_MAX_RECORD_BYTES)
        if not isinstance(record, dict):
            raise RefusedError("the record is no object")
        return record

    async def calls_updated(self, key: str, *, since: int, until: int, created_until: int | None = None) -> CallPage:
        """A page of the account's calls that changed after `since` and up to `until` (ms), made by `created_until`.

        VAPI has no cursor: pages go by when a call was made. Raises as `get_call` does.
        """
        bounds = {"updatedAtGt": iso(since), "updatedAtLe": iso(until), "createdAtLe": iso(created_until)}
        asked = httpx.QueryParams({"limit": _PAGE} | {name: at for name, at in bounds.items() if at is not None})
        url = httpx.URL(f"{self._base}/call").copy_merge_params(asked)
        told = await self._read(url, key, limit=_MAX_PAGE_BYTES)
        if not isinstance(told, list):
            raise RefusedError("the listing is no array")
        records = [record for record in told if isinstance(record, dict)]
        made = [at for record in records if (at := moment(record.get("createdAt"))) is not None]
        return CallPage(records=records, next_created_until=min(made) if made and len(told) >= _PAGE else None)

    async def _read(self, url: httpx.URL, key: str, *, limit: int) -> JSON:
        async with self._answered(url, key, limits=_TIMEOUT) as response:
            content = bytearray()
            async for chunk in response.aiter_raw():
                content += chunk
                if max(_size(response), len(content)) > limit:
                    raise RefusedError("the answer is too large")
        try:
            told, _ = decode(bytes(content))
            redact(told)
        except WireError as unreadable:
            raise RefusedError("the answer cannot be read") from unreadable
        return told

    def recording_url(self, call_id: str) -> str:
        """Where VAPI redirects to the call's recording, for holders of the key."""
        return f"{self._call_url(call_id)}/mono-recording"

    @asynccontextmanager
    async def download(self, url: str, *, key: str | None = None) -> AsyncGenerator[Download]:
        """Fetch a recording, following up to 3 redirects among known hosts. The key goes to the base URL alone.

        Raises AbsentError, RefusedError (also for addresses we do not fetch from), ProviderUnavailableError, the last
        also while the chunks are read.
        """
        target = _parsed(url)
        for _ in range(_MAX_REDIRECTS + 1):
            if not self.may_fetch(target):
                raise RefusedError("recordings are not fetched from that host")
            authorization = key if self._is_base(target) else None
            async with self._answered(target, authorization, limits=_DOWNLOAD_TIMEOUT) as response:
                if not response.has_redirect_location:
                    yield Download(
                        content_type=response.headers.get("content-type", _DEFAULT_CONTENT_TYPE)[:_MAX_CONTENT_TYPE],
                        size=_size(response) or None,
                        chunks=response.aiter_raw(256 * 1024),
                    )
                    return
                target = target.join(response.headers["location"])
        raise RefusedError("too many redirects")

    def may_fetch(self, url: httpx.URL) -> bool:
        """Whether a recording may be fetched from there: a URL out of a webhook must not reach our own network."""
        if self._is_base(url):
            return True
        if url.scheme != "https" or url.userinfo or url.port is not None:
            return False
        return any(url.host == host or url.host.endswith(f".{host}") for host in self._hosts)

    def _is_base(self, url: httpx.URL) -> bool:
        return (url.scheme, url.netloc, url.userinfo) == (self._base.scheme, self._base.netloc, b"")

    def _call_url(self, call_id: str) -> httpx.URL:
        # A call id is free text; `.` and `..` alone would climb out of the path.
        quoted = quote(call_id, safe="")
        return httpx.URL(f"{self._base}/call/{quoted.replace('.', '%2E') if set(quoted) == {'.'} else quoted}")

    @asynccontextmanager
    async def _answered(
        self, url: httpx.URL, key: str | None, *, limits: httpx.Timeout
    ) -> AsyncGenerator[httpx.Response]:
        headers = {"accept-encoding": "identity"} | ({"authorization": f"Bearer {key}"} if key else {})
        try:
            async with self._http.stream("GET", url, headers=headers, timeout=limits) as response:
                _check(response)
                yield response
        except httpx.HTTPError as away:
            raise ProviderUnavailableError(type(away).__name__) from away


def _check(response: httpx.Response) -> None:
    if response.is_success or response.has_redirect_location:
        return
    status = response.status_code
    if status in _GONE:
        raise AbsentError(f"status {status}")
    if response.is_server_error or status in _LATER:
        raise ProviderUnavailableError(f"status {status}")
    raise RefusedError(f"status {status}")


def _parsed(url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL:
        raise RefusedError("no address") from None


def _size(response: httpx.Response) -> int:
    length = response.headers.get("content-length", "")
    return int(length) if length.isdigit() else 0
