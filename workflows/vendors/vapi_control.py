"""Commands for a call that goes on, posted to the address that VAPI gave with the call."""

from dataclasses import dataclass
from types import TracebackType
from typing import Final, Literal, Self, TypeAlias

import httpcore
import httpx
import orjson

from actors.domain.json_types import JSON
from workflows.vendors.addresses import PublicTransport
from workflows.vendors.control_urls import may_control
from workflows.vendors.tls import tls_context
from workflows.vendors.vapi_values import decode, first_text, mapping, sequence, text

_TIMEOUT: Final = httpx.Timeout(8, connect=4, pool=4)
_LIMITS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=0)
_READ_BYTES: Final = 16_384
_WORDS_LENGTH: Final = 1_000
_GONE: Final = frozenset({404, 410})

Outcome: TypeAlias = Literal["done", "gone", "refused", "unreached", "unanswered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlAnswer:
    """What became of a command.

    `gone`: there is no such call (any more); `refused`: any other answer that is none of success; `unreached`: nothing
    was sent; `unanswered`: it was sent, and whether it was carried out is not known. `words` is what VAPI said.
    """

    outcome: Outcome
    status: int | None = None
    words: str | None = None


class ControlClient:
    """Posts commands: no redirect is followed, nothing is tried twice. Used as an async context manager.

    Hosts must resolve to public addresses at the moment of connecting; the trusted origin alone need not.
    """

    def __init__(
        self, *, trusted_origin: str | None = None, network: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._trusted_origin = trusted_origin
        mounts: dict[str, httpx.AsyncHTTPTransport] = {}
        if trusted_origin is not None:
            mounts[trusted_origin] = httpx.AsyncHTTPTransport(verify=tls_context(), limits=_LIMITS)
        self._http = httpx.AsyncClient(
            timeout=_TIMEOUT,
            follow_redirects=False,
            trust_env=False,
            transport=PublicTransport(_LIMITS, network=network),
            mounts=mounts,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def send(self, url: str, command: dict[str, JSON], *, key: str | None = None) -> ControlAnswer:
        """Post one command, once. Raises nothing: every failure is an answer.

        `key` is VAPI's public one: needed where the assistant has `controlAuthenticationEnabled`, elsewhere ignored.
        """
        if not may_control(url, trusted_origin=self._trusted_origin):
            return ControlAnswer(outcome="unreached", words="the control address is not one of VAPI's")
        headers = {"content-type": "application/json", "accept-encoding": "identity"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        try:
            async with self._http.stream("POST", url, content=orjson.dumps(command), headers=headers) as response:
                body = await _beginning(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.InvalidURL) as away:
            return ControlAnswer(outcome="unreached", words=type(away).__name__)
        except httpx.HTTPError as silent:
            return ControlAnswer(outcome="unanswered", words=type(silent).__name__)
        status = response.status_code
        if response.is_success:
            return ControlAnswer(outcome="done", status=status)
        return ControlAnswer(outcome="gone" if status in _GONE else "refused", status=status, words=words_of(body))


async def _beginning(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) >= _READ_BYTES:
            break
    return bytes(body[:_READ_BYTES])


def words_of(body: bytes) -> str | None:
    """What an answer that refuses says: VAPI's `message`, one sentence or several, else its text."""
    try:
        decoded, _ = decode(body)
    except Exception:  # noqa: BLE001  # whatever a provider sends, what it said is worth showing
        return body.decode(errors="replace").replace("\0", "\ufffd").strip()[:_WORDS_LENGTH] or None
    told = mapping(decoded)
    sentences = [each for each in sequence(told.get("message")) if isinstance(each, str)]
    return text("; ".join(sentences), _WORDS_LENGTH) or first_text(
        told.get("message"), told.get("error"), limit=_WORDS_LENGTH
    )
