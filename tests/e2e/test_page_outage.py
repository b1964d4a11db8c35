"""The page cut off from its feed while a thousand things happen: afterwards it shows what the server holds.

`CHAOS_SECONDS` is how long it is cut off at the least.
"""

import asyncio
import os
import re
import time
from typing import Any, Final

import httpx
from playwright.async_api import Page, Route, WebSocketRoute, expect

from serve.simulator.bodies import body_of
from serve.simulator.script import TimedMessage
from tests.e2e.browsing import PATIENCE_MS, Shoot, needs_chromium, until_live
from tests.e2e.fake_feed import LIVE
from tests.e2e.product import PATIENCE_SECONDS, REQUEST_SECONDS, Product
from tests.e2e.scripts import LIFECYCLE, register, scripted

pytestmark = needs_chromium

OUTAGE_SECONDS: Final = float(os.environ.get("CHAOS_SECONDS", "3"))
EVENTS: Final = 1_000
GOING_ON: Final = 20
AT_ONCE: Final = 16
NOTHING: Final = "\N{EN DASH}"
SHOWN: Final = """() => [...document.querySelectorAll('#calls .row')].map((row) => [
    row.dataset.call,
    ...['.pill', '.c-caller button', '.c-assistant'].map((part) => row.querySelector(part).textContent),
])"""
TILES: Final = """() => [['live', 'value'], ['answered', 'value'], ['answered', 'under'], ['latency', 'under']].map(
    ([tile, part]) => document.querySelector(`.tile[data-tile=${tile}] .tile-${part}`).textContent
)"""


async def post_all(product: Product, bodies: list[bytes]) -> None:
    """Every one accepted, several at a time."""
    waiting = iter(bodies)
    url = f"{product.base_url}/webhooks/vapi/{product.organization_id}"
    headers = {"x-vapi-secret": product.vapi_secret, "content-type": "application/json"}
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS, headers=headers) as http:

        async def send() -> None:
            for body in waiting:
                (await http.post(url, content=body)).raise_for_status()

        async with asyncio.TaskGroup() as senders:
            for _ in range(AT_ONCE):
                senders.create_task(send())


async def of_server(page: Page, product: Product) -> tuple[list[list[str]], list[str]]:
    """The rows and the tiles that follow from what the REST API tells."""
    path = f"/v1/organizations/{product.organization_id}"
    active, stats = [
        await (await page.request.get(f"{path}/{each}")).json() for each in ("calls/active?limit=500", "stats")
    ]
    assert active["total"] == len(active["calls"])
    rows = [
        [each["call_id"], state_of(each), caller_of(each), each["assistant_name"] or NOTHING]
        for each in active["calls"]
    ]
    live = [each for each in active["calls"] if each["status"] in {"ringing", "in-progress", "forwarding"}]
    today = stats["today"]
    tiles = [
        str(len([each for each in live if not is_refused(each)])),
        f"{today['answered']} of {today['calls']}",
        f"{today['refused']} refused, {today['abandoned']} abandoned",
        f"of {today['turn_latency_n']} answers today",
    ]
    return sorted(rows), tiles


def is_refused(call: dict[str, Any]) -> bool:
    return (call["admission"] or "").startswith("refused:")


def state_of(call: dict[str, Any]) -> str:
    return re.sub(r"[-_:]", " ", call["admission"] if is_refused(call) else call["status"])


def caller_of(call: dict[str, Any]) -> str:
    number = call["to_number"] if call["direction"] == "outbound" else call["from_number"]
    return call["customer_name"] or number or call["type"]


async def of_page(page: Page) -> tuple[list[list[str]], list[str]]:
    return sorted(await page.evaluate(SHOWN)), await page.evaluate(TILES)


async def test_after_an_outage_the_page_shows_what_the_server_holds(page: Page, product: Product, shot: Shoot) -> None:
    sockets: list[WebSocketRoute] = []

    def opened(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    async def refuse(route: Route) -> None:
        await route.abort()

    await page.route_web_socket(LIVE, opened)
    await page.set_viewport_size({"width": 1440, "height": 3_000})
    await page.goto("/")
    await until_live(page)
    await page.evaluate("window.neverLoadedAnew = true")
    calls = scripted(381, 60)
    register(product, calls)
    over, going_on = calls[GOING_ON:], calls[:GOING_ON]
    happening = [(call, each) for call in going_on for each in call.messages if is_going_on(each)]
    happening += [(call, each) for call in over for each in call.messages]
    happening = happening[:EVENTS]
    assert len(happening) == EVENTS

    begun = time.monotonic()
    await page.route("**/live-tickets", refuse)
    await sockets[-1].close(code=1012)
    await expect(page.locator("#link")).not_to_have_attribute("data-state", "live")
    await post_all(product, [body_of(call, each) for call, each in happening])
    await asyncio.sleep(max(0, begun + OUTAGE_SECONDS - time.monotonic()))  # the outage, not a wait
    await shot("outage")
    cut_off = await of_page(page)
    await page.unroute("**/live-tickets")
    await until_live(page)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                told, shown = await of_server(page, product), await of_page(page)
                if told == shown and len(told[0]) >= GOING_ON:
                    break
                await asyncio.sleep(0.2)  # polls another process
    except TimeoutError:
        assert await of_page(page) == await of_server(page, product)
        raise
    assert shown != cut_off
    assert len(sockets) > 1
    assert await page.evaluate("window.neverLoadedAnew")
    begun_calls = {call.call_id: call for call, _ in happening}
    ends = [(call, each) for call in begun_calls.values() for each in call.messages if each.type in LIFECYCLE]
    await post_all(product, [body_of(call, each) for call, each in ends])
    await expect(page.locator(f'#calls .row[data-call="{going_on[0].call_id}"]')).to_have_count(0, timeout=PATIENCE_MS)


def is_going_on(message: TimedMessage) -> bool:
    return message.type != "end-of-call-report" and message.content.get("status") != "ended"
