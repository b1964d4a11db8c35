"""Who looks at the page: their session ends, is renewed in place, or they leave; and how the keyboard gets about."""

import asyncio
import re
from datetime import UTC, datetime
from http import HTTPStatus

from playwright.async_api import BrowserContext, Page, Route, WebSocket, expect

from tests.e2e.browsing import PATIENCE_MS, Shoot, faults, needs_chromium, picture, told, until_live
from tests.e2e.fake_feed import FakeFeed, a_board_call
from tests.e2e.product import PATIENCE_SECONDS
from tests.running_stack import RunningStack

pytestmark = needs_chromium


async def sign_in_here(page: Page, stack: RunningStack) -> None:
    await page.get_by_label("Sign-in link").fill(told(stack)["dashboard_login_url"])
    await page.get_by_role("button", name="Sign in").click()
    await until_live(page)


async def test_whoever_is_not_signed_in_is_told_how_to(context: BrowserContext, stack: RunningStack) -> None:
    page, home = await context.new_page(), f"{told(stack)['base_url']}/"
    await page.goto("/")
    card = page.locator("#sign-in")
    await expect(card).to_contain_text("make up printed the link")
    await picture(page, "not-signed-in")

    async def elsewhere(route: Route) -> None:
        """The page as a deployment serves it that is not on this machine."""
        answer = await route.fetch()
        await route.fulfill(response=answer, body=(await answer.text()).replace('data-is-local="yes"', ""))

    await page.route(home, elsewhere)
    await page.reload()
    await expect(card).to_contain_text("ask an owner or admin of your organization to invite you")
    await expect(card).not_to_contain_text("make up")
    assert await faults(page) == []
    await picture(page, "not-signed-in-elsewhere")
    # To Chromium a page that a test answers is not of this machine, whose live feed it may not reach then.
    await page.unroute(home, elsewhere)

    owner = told(stack)["owner"]
    await page.get_by_role("link", name="Sign in with your password").click()
    await page.get_by_label("Email").fill(owner["email"])
    await page.get_by_label("Password").fill("none of theirs")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("Invalid", timeout=PATIENCE_MS)
    await picture(page, "password")
    await page.get_by_label("Password").fill(owner["password"])
    await page.get_by_role("button", name="Sign in").click()
    await until_live(page)
    assert page.url == home


async def test_a_session_that_ended_is_renewed_in_place(page: Page, stack: RunningStack, shot: Shoot) -> None:
    await page.clock.install()
    await page.goto("/#?direction=inbound")
    await until_live(page)
    await page.request.post("/logout")
    await page.clock.fast_forward(15_000)  # whatever it asks for next is refused
    await expect(page.locator("#expired")).to_be_visible(timeout=PATIENCE_MS)
    await expect(page.locator("#link")).to_have_attribute("data-state", "stale")
    await shot("expired")
    await sign_in_here(page, stack)
    await expect(page.locator("#expired")).to_have_count(0)
    await expect(page).to_have_url(re.compile("direction=inbound"))


async def test_a_socket_whose_credential_ran_out_comes_back_with_a_new_ticket(page: Page) -> None:
    feed = FakeFeed([a_board_call("call-1", datetime.now(UTC))])
    tickets: list[str] = []
    page.on("request", lambda asked: tickets.append(asked.url) if asked.url.endswith("/live-tickets") else None)
    await feed.install(page)
    await page.goto("/")
    await until_live(page)
    feed.missed = [{"type": "call-removed", "call_id": "call-1"}]
    await feed.cut(code=4001)
    await expect(page.locator("#calls-count")).to_have_text("0")
    await until_live(page)
    assert len(tickets) == 2


async def test_whoever_signs_out_leaves_nothing_behind(page: Page, stack: RunningStack, shot: Shoot) -> None:
    sockets: list[WebSocket] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket)

    page.on("websocket", opened)
    await page.goto("/#?q=%2B15550100001")
    await until_live(page)
    (session,) = [each.get("value") for each in await page.context.cookies() if each.get("name") == "session"]
    other = await page.context.new_page()
    await other.goto("/usage")
    await expect(other.locator("[data-figure=used]")).to_be_visible()
    await page.locator("#account summary").click()
    await shot("account")
    assert await faults(page) == []
    await page.locator("#sign-out").click()

    await expect(page.get_by_role("heading", name="You have signed out")).to_be_focused()
    await expect(other.get_by_role("heading", name="You have signed out")).to_be_visible()
    assert (page.url, other.url) == (f"{told(stack)['base_url']}/", f"{told(stack)['base_url']}/")
    assert await page.locator("#search, .tile, #calls").count() == 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not all(each.is_closed() for each in sockets):
            await page.evaluate("undefined")  # lets the browser tell of it
    answer = await page.request.get("/v1/session", headers={"cookie": f"session={session}"})
    assert answer.status == HTTPStatus.UNAUTHORIZED
    await shot("signed-out")
    assert await faults(page) == []

    await sign_in_here(page, stack)
    await expect(page.locator("#search")).to_have_value("")
    await expect(other.locator("#link")).to_have_attribute("data-state", "live", timeout=PATIENCE_MS)


async def test_the_keyboard_is_at_the_content_at_once_and_at_each_pages_heading(page: Page) -> None:
    await page.goto("/")
    await until_live(page)
    await expect(page.locator("main :focus, main:focus")).to_have_count(0)
    await page.keyboard.press("Tab")
    skip = page.get_by_role("button", name="Skip to the content")
    await expect(skip).to_be_focused()
    assert await faults(page) == []
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_be_focused()
    for name, heading in (("Audit", "Audit log"), ("Alarms", "Alarms"), ("Usage", None)):
        await page.get_by_role("navigation").get_by_role("link", name=name).click()
        where = page.locator("main :is(h1, h2)").first if heading is None else page.get_by_role("heading", name=heading)
        await expect(where.first).to_be_focused()
    await page.get_by_role("navigation").get_by_role("link", name="Board").click()
    await expect(page.locator("#calls-title")).to_be_focused()
