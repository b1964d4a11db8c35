"""The board on the wall, in a real browser on the running product: live, dimmed when it is cut, dead when revoked."""

import asyncio
import json
import re
from typing import Final

from playwright.async_api import BrowserContext, Page, WebSocketRoute, expect

from serve.simulator.bodies import body_of
from tests.e2e.browsing import PATIENCE_MS, faults, needs_chromium, until_live
from tests.e2e.product import PATIENCE_SECONDS, Product
from tests.e2e.scripts import LIFECYCLE, a_call

NAME: Final = "wallboard of a test"
CALL: Final = 377

pytestmark = needs_chromium


class Wire:
    """What goes over a page's live sockets. While it is cut nothing comes through, and no socket knows of it."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.latest: list[str] = []
        """What the socket that was opened last received."""
        self.is_cut = False
        self.asked: list[str] = []
        self._sockets: list[WebSocketRoute] = []

    async def watch(self, context: BrowserContext) -> None:
        await context.route_web_socket(re.compile(r"/live/"), self._opened)
        context.on("request", lambda request: self.asked.append(request.url))

    async def close_all(self) -> None:
        sockets, self._sockets = self._sockets, []
        for each in sockets:
            await each.close(code=4000, reason="closed by a test")

    def _opened(self, page: WebSocketRoute) -> None:
        self._sockets.append(page)
        self.asked.append(page.url)
        latest: list[str] = []
        self.latest = latest
        hub = page.connect_to_server()

        def passed(told: str | bytes) -> None:
            if not self.is_cut:
                self.received.append(str(told))
                latest.append(str(told))
                page.send(told)

        hub.on_message(passed)


async def calls_today(page: Page) -> int:
    """Of the tile's “7 of 9” the 9, which only grows."""
    return int((await page.locator('[data-tile="answered"] .wall-value').inner_text()).split()[-1])


async def stays_within_a_phone(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 844})
    tiles = await page.locator(".wall-tiles").bounding_box()
    assert tiles is not None
    assert tiles["x"] + tiles["width"] <= 390


async def test_a_wallboard_is_live_looks_dead_when_it_is_cut_and_is_over_once_revoked(
    context: BrowserContext, product: Product
) -> None:
    key = product.act("api-keys", {"name": NAME, "scopes": ["wallboard:read"]}).raise_for_status().json()
    wire = Wire()
    await wire.watch(context)
    page = await context.new_page()
    await page.set_viewport_size({"width": 1920, "height": 1080})
    await page.clock.install()
    await page.goto(f"{product.base_url}/wallboard#token={key['api_key']}")
    wall, link = page.locator("main.wall"), page.locator("#wall-link")
    await expect(link).to_contain_text("Live", timeout=PATIENCE_MS)
    assert page.url == f"{product.base_url}/wallboard"
    assert await faults(page) == []
    await stays_within_a_phone(page)

    # Cut without a word, while a call begins.
    before = await calls_today(page)
    wire.is_cut = True
    call = a_call(product, CALL)
    lifecycle = [each for each in call.messages if each.type in LIFECYCLE]
    spoken = next(each for each in call.messages if each.content.get("transcriptType") == "final")
    product.post(body_of(call, next(each for each in lifecycle if each.content.get("status") == "in-progress")))
    await page.clock.fast_forward(11_000)
    await expect(wall).to_have_attribute("data-state", "stale")
    await expect(link).to_contain_text("Not live")
    struck = "(value) => getComputedStyle(value).textDecorationLine"
    assert await page.locator(".wall-value").first.evaluate(struck) == "line-through"
    assert await calls_today(page) == before
    assert await faults(page) == []

    # What comes next shows that something was missed, and it is fetched.
    await asyncio.to_thread(product.call_when, call.call_id, lambda told: told["status"] == "in-progress")
    wire.is_cut = False
    await expect(wall).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    counted = page.locator('[data-tile="answered"] .wall-value')
    await expect(counted).not_to_have_text(re.compile(rf" {before}$"), timeout=PATIENCE_MS)
    assert await calls_today(page) > before
    for message in (spoken, *lifecycle):
        product.post(body_of(call, message)).raise_for_status()
    await asyncio.to_thread(product.call_when, call.call_id, lambda told: told["status"] == "ended")

    product.http.delete(
        f"{product.base_url}/v1/organizations/{product.organization_id}/api-keys/{key['key_id']}",
        headers={"authorization": f"Bearer {product.api_key}"},
    ).raise_for_status()
    over = page.get_by_role("heading", name="This link is over")
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await over.is_visible():
            await wire.close_all()  # it comes back, and sooner than the hub asks about its key again
            await asyncio.sleep(0.5)
    assert await page.locator(".wall-value").count() == 0
    assert await faults(page) == []
    await page.reload()
    await expect(page.get_by_text("not signed in")).to_be_visible()

    told = "".join(wire.received)
    seen = (await asyncio.to_thread(product.call, call.call_id)) or {}
    callers = [seen["from_number"], seen["to_number"], spoken.content["transcript"], call.call_id]
    assert [each for each in callers if each and str(each) in told] == []
    assert any(callers[:3])
    assert [url for url in wire.asked if key["api_key"] in url] == []


async def test_a_supervisor_goes_to_the_wall_and_back(page: Page, context: BrowserContext, product: Product) -> None:
    """A wallboard's token that the tab had before does not stand in the way of the session."""
    wire = Wire()
    await wire.watch(context)
    await page.goto("/")
    await until_live(page)
    await page.evaluate("sessionStorage.setItem('wallboard-token', 'sup_of_before')")
    await page.keyboard.press("g")
    await expect(page.locator("main.wall")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)
    assert page.url.startswith(f"{product.base_url}/wallboard")
    kinds = {json.loads(each)["type"] for each in wire.latest}
    assert "wallboard" in kinds
    assert not kinds & {"snapshot", "presence"}
    await page.keyboard.press("g")
    await until_live(page)
