"""The webhook door as a raw ASGI application: route, read, hand to the vendor's module, answer."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from pydantic import SecretStr

from serve.config import Settings
from serve.errors import MethodNotAllowedError, NotFoundError, TemporarilyUnavailableError, problem
from serve.lingering_close import lingering
from serve.webhooks.answers import Answers
from serve.webhooks.asgi import ClientLeftError, Receive, Scope, Send, read_body
from serve.webhooks.control_addresses import ControlAddresses
from serve.webhooks.figures import Figures
from serve.webhooks.resend import ResendWebhook
from serve.webhooks.stripe import StripeWebhook
from serve.webhooks.tools import ToolServer
from serve.webhooks.twilio import TwilioWebhook
from serve.webhooks.vapi import HandOver, VapiWebhook, WebhookRequest
from serve.webhooks.vendor import SECONDS, VendorRequest, VendorWebhook
from storage.inbox import Inbox
from storage.organizations import Organizations
from storage.postgres import Pool, close_pool, open_pool
from storage.refusals import Refusals
from storage.sealing import Sealer
from storage.vendor_words import VendorWords

MAX_BODY_BYTES = 5 * 1024 * 1024
_BODY_SECONDS = 10.0
_POOL_SIZE = 4
_NOT_SERVED = 1008
_JSON = "application/json"
_OTHERS = frozenset({"stripe", "twilio", "resend"})

_log = structlog.get_logger(__name__)


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    pool: Pool
    inbox: Inbox
    organizations: Organizations
    refusals: Refusals
    tools: ToolServer
    vapi: VapiWebhook
    others: Mapping[str, VendorWebhook]


class WebhookIngress:
    """`POST /webhooks/vapi/{organization_id}` and `/webhooks/{stripe,twilio,resend}`, with or without the prefix.

    Serves between `startup` and `shutdown`, or under a server that speaks the lifespan protocol. It holds a pool of its
    own: what is slow elsewhere must not keep an acknowledgement waiting. The router is the caller's.
    """

    def __init__(self, settings: Settings, *, router: HandOver, clock: Callable[[], int] = now_ms) -> None:
        self._settings = settings
        self._router = router
        self._clock = clock
        self._figures = Figures()
        self._parts: _Parts | None = None

    def figures(self) -> dict[str, int]:
        """What passed since the start, by name."""
        return self._figures.as_dict()

    async def startup(self) -> None:
        """Make the parts. Nothing is connected to yet: Postgres may be away. Safe to repeat."""
        if self._parts is not None:
            return
        settings = self._settings
        pool = await open_pool(
            settings.database_url, size=_POOL_SIZE, name="webhooks", prepared=settings.database_prepared_statements
        )
        inbox = Inbox(pool)
        sealer = Sealer(settings.encryption_key.get_secret_value())
        organizations = Organizations(pool, sealer)
        refusals = Refusals(pool)
        tools = ToolServer(insecure=settings.embedded)
        vapi = VapiWebhook(
            inbox=inbox,
            organizations=organizations,
            router=self._router,
            answers=Answers(tools, self._figures),
            figures=self._figures,
            controls=ControlAddresses(sealer, trusted_origin=settings.simulator_origin),
            refusals=refusals,
        )
        others = _others(settings, VendorWords(pool, seconds=SECONDS), self._figures)
        refusals.start()
        self._parts = _Parts(
            pool=pool,
            inbox=inbox,
            organizations=organizations,
            refusals=refusals,
            tools=tools,
            vapi=vapi,
            others=others,
        )

    async def shutdown(self) -> None:
        """Finish inserts under way, then close every connection. Safe to repeat."""
        parts, self._parts = self._parts, None
        if parts is None:
            return
        await parts.vapi.close()
        await parts.refusals.close()
        await parts.inbox.close()
        await parts.organizations.close()
        await parts.tools.close()
        await close_pool(parts.pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._respond(scope, *lingering(scope, receive, send))
        else:
            await send({"type": "websocket.close", "code": _NOT_SERVED})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "lifespan.startup":
            await self.startup()
            await send({"type": "lifespan.startup.complete"})
        await self.shutdown()
        await send({"type": f"{message['type']}.complete"})

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            content_type, answer = await self._answer(scope, receive)
        except ClientLeftError:
            return
        except Exception as fault:  # noqa: BLE001  # the door: whatever it is, the caller gets a problem document
            status, headers, answer = self._refusal(fault)
        else:
            status, headers = HTTPStatus.OK, {"Content-Type": content_type}
        fields = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        fields.append((b"content-length", str(len(answer)).encode()))
        await send({"type": "http.response.start", "status": int(status), "headers": fields})
        await send({"type": "http.response.body", "body": answer})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[str, bytes]:
        vendor, organization_id = _addressed(scope["path"], scope.get("root_path", ""))
        if scope["method"] != "POST":
            raise MethodNotAllowedError("POST")
        if self._parts is None:
            raise TemporarilyUnavailableError
        headers: dict[bytes, bytes] = dict(scope["headers"])
        body = await read_body(headers, receive, limit_bytes=MAX_BODY_BYTES, limit_seconds=_BODY_SECONDS)
        now = self._clock()
        if organization_id is not None:
            request = WebhookRequest(organization_id=organization_id, headers=headers, body=body, received_at=now)
            return _JSON, await self._parts.vapi.handle(request)
        other = self._parts.others[vendor]
        query = scope.get("query_string", b"").decode("latin-1")
        told = VendorRequest(headers=headers, query=query, body=body, received_at=now)
        return other.content_type, await other.handle(told)

    def _refusal(self, fault: Exception) -> tuple[int, Mapping[str, str], bytes]:
        told = problem(fault)
        if told.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self._figures.unavailable += 1
        elif told.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._figures.failed += 1
            _log.error("webhook failed", exc_info=fault)
        else:
            self._figures.refused += 1
        return told.status, told.headers, told.body


def _addressed(path: str, root_path: str) -> tuple[str, str | None]:
    """The vendor, and VAPI's organization, wherever the application is mounted. Raises NotFoundError."""
    parts = path.removeprefix(root_path).removeprefix("/webhooks").split("/")
    match parts:
        case ["", "vapi", organization_id] if organization_id:
            return "vapi", organization_id
        case ["", vendor] if vendor in _OTHERS:
            return vendor, None
        case _:
            raise NotFoundError("Nothing is served under this path.")


def _others(settings: Settings, words: VendorWords, figures: Figures) -> Mapping[str, VendorWebhook]:
    """The doors of vendors that know no organizations of ours, by their names."""

    def told(secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()

    return {
        "stripe": StripeWebhook(words, figures, secret=told(settings.stripe_webhook_secret)),
        "twilio": TwilioWebhook(
            words, figures, token=told(settings.twilio_auth_token), public_base_url=settings.public_base_url
        ),
        "resend": ResendWebhook(words, figures, secret=told(settings.resend_webhook_secret)),
    }
