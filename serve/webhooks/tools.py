"""Tool calls forwarded to the organization's own server, and its answer made fit for VAPI."""

import asyncio
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import httpx
import orjson

from actors.domain.json_types import JSON
from serve.errors import ServeError
from workflows.vendors.addresses import PublicTransport
from workflows.vendors.tls import tls_context
from workflows.vendors.vapi_tools import ToolCall
from workflows.vendors.vapi_values import mapping, number, sequence

_LONGEST_SECONDS = 20.0
_SHORTEST_SECONDS = 1.0
_MARGIN_SECONDS = 1.0
_MAX_REPLY_BYTES = 1_000_000
_CONNECTIONS = 200
_OF_ONE = _CONNECTIONS // 2
"""What one server may keep waiting at once: however slow it is, the others' calls find connections."""
_CONNECT_SECONDS = 3.0
# The organization's server checks the message as it would VAPI's own: the secret is shared by the three of us.
_FORWARDED_HEADERS = (b"x-vapi-secret", b"authorization", b"x-signature", b"x-timestamp")


class ToolFailedError(ServeError):
    """The organization's server gave no usable answer. `detail` is a sentence the assistant can speak."""

    kind = "tool-failed"
    title = "The tool server gave no usable answer"


class ToolServer:
    """Posts messages to the organizations' servers over one pool of connections.

    To public addresses by https alone; `insecure` permits http, and this machine.
    """

    def __init__(self, *, insecure: bool) -> None:
        self._schemes = {"https", "http"} if insecure else {"https"}
        self._asked: Counter[str] = Counter()
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=50)
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(_LONGEST_SECONDS, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS),
            transport=httpx.AsyncHTTPTransport(verify=tls_context(), limits=limits)
            if insecure
            else PublicTransport(limits),
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self, url: str | None, body: bytes, headers: Mapping[bytes, bytes], *, seconds: float
    ) -> dict[str, JSON]:
        """Post the message as it came and return the object it is answered with.

        Raises ToolFailedError, at once when too many wait for that server already.
        """
        if url is None:
            raise ToolFailedError("No tool server is configured.")
        try:
            if httpx.URL(url).scheme not in self._schemes:
                raise ToolFailedError("The tool server is not reachable over https.")
            with self._place(url):
                async with asyncio.timeout(seconds):
                    reply = await self._post(url, body, headers)
        except TimeoutError as slow:
            raise ToolFailedError("The tool server did not answer in time.") from slow
        except httpx.TimeoutException as slow:
            raise ToolFailedError("The tool server did not answer in time.") from slow
        except (httpx.HTTPError, httpx.InvalidURL) as broken:
            raise ToolFailedError("The tool server cannot be reached.") from broken
        try:
            decoded: JSON = orjson.loads(reply)
        except orjson.JSONDecodeError as unreadable:
            raise ToolFailedError("The tool server's answer is not JSON.") from unreadable
        if not isinstance(decoded, dict):
            raise ToolFailedError("The tool server's answer is not an object.")
        return decoded

    @contextmanager
    def _place(self, url: str) -> Generator[None]:
        """One of the server's places among the connections. Raises ToolFailedError when it has all that it may."""
        if self._asked[url] >= _OF_ONE:
            raise ToolFailedError("The tool server has too many calls waiting.")
        self._asked[url] += 1
        try:
            yield
        finally:
            self._asked[url] -= 1
            if not self._asked[url]:
                del self._asked[url]

    async def _post(self, url: str, body: bytes, headers: Mapping[bytes, bytes]) -> bytes:
        forwarded = [(name, headers[name]) for name in _FORWARDED_HEADERS if name in headers]
        forwarded.append((b"content-type", b"application/json"))
        async with self._http.stream("POST", url, content=body, headers=forwarded) as response:
            if not response.is_success:
                raise ToolFailedError(f"The tool server answered with status {response.status_code}.")
            reply = bytearray()
            async for chunk in response.aiter_bytes():
                reply += chunk
                if len(reply) > _MAX_REPLY_BYTES:
                    raise ToolFailedError("The tool server's answer is too large.")
            return bytes(reply)


def seconds_to_answer(message: Mapping[str, JSON]) -> float:
    """How long VAPI waits for this message's answer, less the margin for the way back."""
    servers = [mapping(mapping(each).get("server")) for each in sequence(message.get("toolWithToolCallList"))]
    servers.append(mapping(mapping(message.get("assistant")).get("server")))
    told = [each for each in (number(server.get("timeoutSeconds")) for server in servers) if each is not None]
    longest = min([*told, _LONGEST_SECONDS])
    return max(_SHORTEST_SECONDS, longest - _MARGIN_SECONDS)


def tool_results(calls: Sequence[ToolCall], reply: Mapping[str, JSON]) -> list[dict[str, JSON]]:
    """One entry per call in the order asked, whatever the server made of it: VAPI pairs them by id."""
    by_id = {
        each.get("toolCallId"): each for each in map(mapping, sequence(reply.get("results"))) if "toolCallId" in each
    }
    return [_result(call, by_id.get(call.id), reply.get("error")) for call in calls]


def failed_results(calls: Sequence[ToolCall], sentence: str) -> list[dict[str, JSON]]:
    """The same error for every call."""
    return [_result(call, None, sentence) for call in calls]


def function_result(reply: Mapping[str, JSON]) -> tuple[str, bool]:
    """The text a legacy function call is answered with, and whether it is a result."""
    results = [mapping(each) for each in sequence(reply.get("results"))]
    candidates = [reply.get("result"), *(each.get("result") for each in results)]
    result = next((each for each in candidates if each is not None), None)
    if result is not None:
        return single_line(result), True
    fault = reply.get("error")
    return single_line(fault if fault is not None else "The tool gave no result."), False


def _result(call: ToolCall, told: Mapping[str, JSON] | None, error: JSON) -> dict[str, JSON]:
    entry: dict[str, JSON] = {"toolCallId": call.id, "name": call.name}
    told = told or {}
    if told.get("result") is not None:
        entry["result"] = single_line(told["result"])
    else:
        fault = told.get("error") or error or "The tool gave no result."
        entry["error"] = single_line(fault)
    return entry


def single_line(value: JSON) -> str:
    """Text without line breaks, for VAPI drops results that have any; what is no text becomes JSON."""
    try:
        words = value if isinstance(value, str) else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        words = "The tool's result is nested too deeply."
    return " ".join(words.splitlines())
