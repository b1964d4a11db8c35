"""What simulated vendors tell on their own: signed webhooks, tried again for half a minute, in no promised order."""

import asyncio
import base64
import hmac
import time
from collections.abc import Coroutine, Mapping
from random import Random
from typing import Final
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import httpx
import orjson
import structlog

from storage.simulated_vendors import Document
from workflows.vendors.tls import tls_context

_SEND_SECONDS: Final = 10.0
_AT_ONCE: Final = 500
_PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
_SOON: Final = (0.05, 0.4)
_API_VERSION: Final = "2026-10-28.endive"

_log = structlog.get_logger(__name__)


class Callbacks:
    """Posts to this product alone: `base_url` is where it is reached. Used within a running event loop.

    What is still to be told when the process ends is not told.
    """

    def __init__(self, base_url: str, *, random: Random) -> None:
        self.base_url = base_url.rstrip("/")
        self._random = random
        self._http = httpx.AsyncClient(verify=tls_context(), timeout=_SEND_SECONDS, trust_env=False)
        self._tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._http.aclose()

    def is_ours(self, url: str) -> bool:
        """Whether a webhook may go there: the simulator is no way into other hosts."""
        ours, told = urlsplit(self.base_url), urlsplit(url)
        return (ours.scheme, ours.netloc) == (told.scheme, told.netloc)

    def begin(self, telling: Coroutine[object, object, None]) -> None:
        """Let it be told meanwhile; beyond 500 at once it is dropped, as vendors drop too."""
        if len(self._tasks) >= _AT_ONCE:
            telling.close()
            return
        task = asyncio.create_task(telling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def post(self, url: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Post until it is taken, seven times at most. Raises nothing."""
        for pause in (0.0, *_PAUSES):
            await asyncio.sleep(pause + self._random.uniform(*_SOON))
            try:
                answer = await self._http.post(url, content=content, headers=dict(headers))
            except httpx.HTTPError:
                continue
            if answer.is_success:
                return
        _log.warning("simulated_webhook_given_up", path=urlsplit(url).path)


class StripeEvents:
    """Stripe's events about what was made here; none without a secret to sign them with."""

    def __init__(self, callbacks: Callbacks, *, secret: str | None) -> None:
        self._callbacks = callbacks
        self._secret = secret

    def tell(self, kind: str, about: Document) -> None:
        """Tell of something that happened to an object."""
        if self._secret is None:
            return
        event = {
            "id": f"evt_{uuid4().hex}",
            "object": "event",
            "api_version": _API_VERSION,
            "created": int(time.time()),
            "data": {"object": about},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
        self._send(orjson.dumps(event), self._secret)

    def tell_thin(self, event: Document) -> None:
        """Tell of an event of the second kind: without its contents, which are to be asked for."""
        if self._secret is not None:
            thin = {name: value for name, value in event.items() if name != "data"}
            self._send(orjson.dumps(thin), self._secret)

    def _send(self, content: bytes, secrets: str) -> None:
        secret = secrets.partition(",")[0].strip()
        headers = {"content-type": "application/json", "stripe-signature": stripe_signature(content, secret)}
        self._callbacks.begin(self._callbacks.post(f"{self._callbacks.base_url}/webhooks/stripe", content, headers))


class TwilioStatuses:
    """Twilio's callbacks about messages, in the order in which things happen to them."""

    def __init__(self, callbacks: Callbacks, *, token: str | None) -> None:
        self._callbacks = callbacks
        self._token = token

    def tell(self, url: str | None, message: Document, statuses: tuple[str, ...], error_code: int | None) -> None:
        """Tell of each status at the address that the message came with; of other products' addresses nothing."""
        if self._token is None or not url or not self._callbacks.is_ours(url):
            return
        self._callbacks.begin(self._tell(url, message, statuses, error_code, self._token))

    async def _tell(
        self, url: str, message: Document, statuses: tuple[str, ...], error_code: int | None, token: str
    ) -> None:
        for status in statuses:
            told = {
                "AccountSid": message["account_sid"],
                "ApiVersion": "2010-04-01",
                "From": message["from"],
                "MessageSid": message["sid"],
                "MessageStatus": status,
                "SmsSid": message["sid"],
                "SmsStatus": status,
                "To": message["to"],
            }
            if error_code is not None and status == statuses[-1]:
                told["ErrorCode"] = str(error_code)
            headers = {
                "content-type": "application/x-www-form-urlencoded",
                "x-twilio-signature": twilio_signature(url, told, token),
                "i-twilio-idempotency-token": str(uuid4()),
            }
            await self._callbacks.post(url, urlencode(told).encode(), headers)


class ResendEvents:
    """Resend's events about emails; none without a secret to sign them with."""

    def __init__(self, callbacks: Callbacks, *, secret: str | None) -> None:
        self._callbacks = callbacks
        self._secret = secret

    def tell(self, kinds: tuple[str, ...], about: Document) -> None:
        """Tell of each event about an email."""
        if self._secret is not None:
            self._callbacks.begin(self._tell(kinds, about, self._secret))

    async def _tell(self, kinds: tuple[str, ...], about: Document, secret: str) -> None:
        for kind in kinds:
            created = about["created_at"]
            content = orjson.dumps({"type": kind, "created_at": created, "data": {**about, **_more(kind)}})
            headers = {"content-type": "application/json", **svix_headers(content, secret)}
            await self._callbacks.post(f"{self._callbacks.base_url}/webhooks/resend", content, headers)


def _more(kind: str) -> Document:
    if kind == "email.bounced":
        return {"bounce": {"type": "Permanent", "subType": "General", "message": "The mailbox does not exist."}}
    return {}


def stripe_signature(content: bytes, secret: str, *, timestamp: int | None = None) -> str:
    """The value of `Stripe-Signature`."""
    at = int(time.time()) if timestamp is None else timestamp
    signed = hmac.digest(secret.encode(), f"{at}.".encode() + content, "sha256").hex()
    return f"t={at},v1={signed}"


def twilio_signature(url: str, members: Mapping[str, str], token: str) -> str:
    """The value of `X-Twilio-Signature` for a form."""
    told = url + "".join(f"{name}{members[name]}" for name in sorted(members))
    return base64.b64encode(hmac.digest(token.encode(), told.encode(), "sha1")).decode()


def svix_headers(content: bytes, secret: str, *, identity: str | None = None, timestamp: int | None = None) -> Document:
    """Resend's signature, as Svix makes it. The secret is `whsec_` and base64."""
    at = int(time.time()) if timestamp is None else timestamp
    named = identity or f"msg_{uuid4().hex}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = base64.b64encode(hmac.digest(key, f"{named}.{at}.".encode() + content, "sha256")).decode()
    return {"svix-id": named, "svix-timestamp": str(at), "svix-signature": f"v1,{signed}"}
