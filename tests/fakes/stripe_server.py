"""A real HTTP server on loopback that counts meter events as Stripe does, and fails as it is told."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

METER = "mtr_seconds"
PRICE = "price_metered"
EVENT_NAME = "call_seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    customer: str
    identifier: str
    value: int
    timestamp: int


@dataclass(slots=True)
class StripeServer:
    """`counted` is what it bills. `failing` answers the next requests that would count with a status instead.

    `hanging_up`: it counts, and closes the connection without an answer; `forgetful`: it knows no identifier any more.
    `most_at_once` is how many requests it ever had under way for one customer.
    """

    base_url: str = ""
    counted: list[Counted] = field(default_factory=list[Counted])
    posts: list[str] = field(default_factory=list[str])
    failing: int | None = None
    forgetful: bool = False
    hanging_up: bool = False
    under_way: dict[str, int] = field(default_factory=dict[str, int])
    most_at_once: int = 0
    objects: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list[tuple[str, str, dict[str, str]]])
    before_telling: dict[str, Callable[[], Awaitable[object]]] = field(
        default_factory=dict[str, Callable[[], Awaitable[object]]]
    )
    """What happens elsewhere before an object is told, by its path."""

    async def price(self, request: web.Request) -> web.Response:
        return web.json_response(
            {"id": PRICE, "object": "price", "recurring": {"meter": METER, "usage_type": "metered"}}
        )

    async def meter(self, request: web.Request) -> web.Response:
        return web.json_response({"id": METER, "object": "billing.meter", "event_name": EVENT_NAME})

    async def summaries(self, request: web.Request) -> web.Response:
        customer, start, end = (request.query[name] for name in ("customer", "start_time", "end_time"))
        assert int(start) % 60 == int(end) % 60 == 0
        total = sum(
            each.value for each in self.counted if each.customer == customer and int(start) <= each.timestamp < int(end)
        )
        data = [{"id": "mtrusg_1", "object": "billing.meter_event_summary", "aggregated_value": total}]
        return web.json_response({"object": "list", "data": data, "has_more": False, "url": request.path})

    async def count(self, request: web.Request) -> web.Response:
        form = await request.post()
        customer, identifier = str(form["payload[stripe_customer_id]"]), str(form["identifier"])
        self.posts.append(identifier)
        self.under_way[customer] = self.under_way.get(customer, 0) + 1
        self.most_at_once = max(self.most_at_once, self.under_way[customer])
        try:
            if self.failing is not None:
                return _error(self.failing, "told to")
            if not self.forgetful and any(each.identifier == identifier for each in self.counted):
                return _error(400, f"An event already exists with identifier {identifier}.")
            assert form["event_name"] == EVENT_NAME
            event = Counted(
                customer=customer,
                identifier=identifier,
                value=int(str(form["payload[value]"])),
                timestamp=int(str(form["timestamp"])),
            )
            self.counted.append(event)
            if self.hanging_up and request.transport is not None:
                request.transport.close()
            return web.json_response({"object": "billing.meter_event", "identifier": identifier})
        finally:
            self.under_way[customer] -= 1

    def subscribe(self, subscription: str, customer: str, *, start: int, end: int, status: str = "active") -> None:
        """A subscription whose metered item has this period (seconds)."""
        item = {
            "id": f"si_{subscription}",
            "object": "subscription_item",
            "current_period_start": start,
            "current_period_end": end,
            "price": {"id": PRICE, "object": "price", "recurring": {"usage_type": "metered", "meter": METER}},
        }
        self.objects[f"/v1/subscriptions/{subscription}"] = {
            "id": subscription,
            "object": "subscription",
            "status": status,
            "customer": customer,
            "items": {"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"},
        }

    def know(self, customer: str) -> None:
        """A customer of the account's."""
        self.objects[f"/v1/customers/{customer}"] = {"id": customer, "object": "customer"}

    async def object(self, request: web.Request) -> web.Response:
        if self.failing is not None:
            return _error(self.failing, "told to")
        self.asked.append((request.method, request.path, {k: str(v) for k, v in (await request.post()).items()}))
        if request.path in self.before_telling:
            await self.before_telling[request.path]()
        found = self.objects.get(request.path)
        return web.json_response(found) if found is not None else _error(404, "No such object")


def _error(status: int, message: str) -> web.Response:
    kind = "api_error" if status >= 500 else "invalid_request_error"
    return web.json_response({"error": {"type": kind, "message": message}}, status=status)


@asynccontextmanager
async def running_stripe() -> AsyncGenerator[StripeServer]:
    server = StripeServer()
    app = web.Application()
    app.router.add_get(f"/v1/prices/{PRICE}", server.price)
    app.router.add_get(f"/v1/billing/meters/{METER}", server.meter)
    app.router.add_get(f"/v1/billing/meters/{METER}/event_summaries", server.summaries)
    app.router.add_post("/v1/billing/meter_events", server.count)
    app.router.add_route("*", "/{path:.*}", server.object)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()
